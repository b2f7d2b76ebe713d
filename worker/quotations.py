"""Find what the articles of a chunk share with articles of other stories, and keep where it stands.

Hashes are published with the articles; this comes after they and their stories are committed, so
that of two articles stored at once the later one sees the other. Killed anywhere, it is simply done
again with its page.
"""

from collections.abc import Mapping, Sequence

from services.shared.contracts import Place
from services.storage import Connection, quotations
from services.storage.quotations import Found
from worker import quote
from worker.gather import Gathering, Pair, Version
from worker.quote import Reading


def look(connection: Connection, hashes: Mapping[int, Sequence[int]]) -> None:
    """Link the articles, given by id with the hashes of their passages, to others who carry them.

    Raises:
        TransientError: Postgres is away, or ended this writer.
    """
    found = quotations.candidates(connection, hashes)
    # Two articles of one chunk find each other twice.
    ids = {
        (min(article_id, other_id), max(article_id, other_id))
        for article_id, others in found.items()
        for other_id in others
    }
    if not ids:
        return
    involved = sorted({article_id for pair in ids for article_id in pair})
    versions = {
        text.article_id: Version(text.article_id, text.version, Reading(text.text))
        for text in quotations.texts(connection, involved)
    }
    pairs = []
    for one, other in sorted(ids):
        if one in versions and other in versions:
            passages = quote.shared(versions[one].reading.tokens, versions[other].reading.tokens)
            if passages:
                pairs.append(Pair(versions[one], versions[other], passages))
    if not pairs:
        return

    def decide(known: Sequence[tuple[int, Place]]) -> Found:
        gathering = Gathering(
            (quotation, place)
            for quotation, place in known
            if place.version == versions[place.article_id].version
        )
        for pair in pairs:
            gathering.add(pair)
        return Found(*gathering.added())

    quotations.link(connection, involved, decide)
