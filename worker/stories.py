"""Ids of stored articles go in; when it returns, each is linked with those that tell its story.

Look, then verify, then link. The articles and their bands are committed already, so of two copies
that are stored at the same instant the later one sees the earlier. No lock is held while texts are
compared, and all of it may be repeated: killed halfway, an article still waits to be looked up.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from services.shared.contracts import Candidate, Overlap
from services.storage import Connection, stories
from services.storage.stories import Link, Waiting
from worker.deduplicate import Document, Verdict, choose, decide, prepare
from worker.fingerprint import SIGNATURE_VERSION, fingerprint, words_of

#: About 45 bytes each.
WORDS_KEPT = 1_000_000
BATCH = 100


class Documents:
    """The texts compared last, ready for comparing: a process keeps them between its chunks."""

    def __init__(self, words_kept: int = WORDS_KEPT) -> None:
        """Keep so many words of text at most."""
        self._kept: OrderedDict[int, tuple[bytes, Document]] = OrderedDict()
        self._words_kept = words_kept
        self.words = 0

    def get(self, connection: Connection, article_ids: Iterable[int]) -> dict[int, Document]:
        """Return the documents of those articles that are stored, in their newest version.

        Raises:
            TransientError: Postgres is away.
        """
        ids = list(article_ids)
        kept = {i: self._kept[i] for i in ids if i in self._kept}
        known = {i: kept[i][0] if i in kept else None for i in ids}
        found = {}
        for text in stories.texts(connection, known):
            if text.text is None:
                document = replace(kept[text.article_id][1], outlets=text.outlets)
            else:
                document = prepare(words_of(text.text), text.outlets)
            self._keep(text.article_id, text.text_sha256, document)
            found[text.article_id] = document
        return found

    def _keep(self, article_id: int, text_sha256: bytes, document: Document) -> None:
        if article_id in self._kept:
            self.words -= len(self._kept.pop(article_id)[1].words)
        self._kept[article_id] = text_sha256, document
        self.words += len(document.words)
        while self.words > self._words_kept and self._kept:
            self.words -= len(self._kept.popitem(last=False)[1][1].words)


def link(connection: Connection, documents: Documents, article_ids: Sequence[int]) -> None:
    """Look for copies of those of the articles that need it, and link them.

    Raises:
        TransientError: Postgres is away; what is missing is done when this is called again.
    """
    asked = set(article_ids)
    while asked:
        waiting = stories.waiting(connection, sorted(asked))
        if not waiting:
            return
        ids = [article.article_id for article in waiting]
        candidates = stories.candidates(connection, ids, SIGNATURE_VERSION)
        verdicts = _verdicts(connection, documents, waiting, candidates)
        links: list[Link] = []
        alone: list[Waiting] = []
        overlaps: list[Overlap] = []
        for article in waiting:
            verdict = verdicts[article.article_id]
            overlaps += verdict.overlaps
            if found := _link(article, verdict, candidates.get(article.article_id, ())):
                links.append(found)
            else:
                alone.append(article)
        unsettled = stories.link(connection, links, overlaps, alone)
        if not unsettled:
            return
        # They go first: together with these, or somebody else has done it by now.
        asked.update(unsettled)


def _verdicts(
    connection: Connection,
    documents: Documents,
    waiting: Sequence[Waiting],
    candidates: Mapping[int, Sequence[Candidate]],
) -> dict[int, Verdict]:
    """Compare each article with the likeliest of its candidates, until enough were in vain."""
    sketches = {article.article_id: article.sketch for article in waiting}
    verdicts = dict.fromkeys(sketches, Verdict())
    chosen: dict[int, list[int]] = {article_id: [] for article_id in candidates}
    while chosen:
        further = {}
        for article_id, others in chosen.items():
            copies = len(verdicts[article_id].matches)
            found = choose(article_id, sketches[article_id], candidates[article_id], copies=copies)
            if len(found) > len(others):
                further[article_id] = found
        if further:
            known = documents.get(connection, sorted({*further}.union(*further.values())))
            for article_id, others in further.items():
                verdicts[article_id] = _verdict(article_id, others, candidates[article_id], known)
        chosen = further
    return verdicts


def _verdict(
    article_id: int,
    chosen: Sequence[int],
    candidates: Sequence[Candidate],
    known: Mapping[int, Document],
) -> Verdict:
    others = {i: known[i] for i in chosen if i in known}
    if not others or article_id not in known:
        return Verdict()
    story_of = {}
    for candidate in candidates:
        story_of[candidate.article_id] = candidate.story_id
        story_of[candidate.longest_id] = candidate.story_id
    return decide(article_id, known[article_id], others, story_of)


def _link(article: Waiting, verdict: Verdict, candidates: Sequence[Candidate]) -> Link | None:
    """Return what is to be written of an article; None if it is alone, and known to be."""
    # Others may have joined it with its first text before it was looked up at all.
    changed = abs(article.looked_version or 1) != article.version
    # As the candidates were found: its story may have been joined with another since it was asked.
    own = {c.story_id for c in candidates if c.certain}
    companions = {c.article_id for c in candidates if c.story_id in own}
    # Those that have a new text as well may be about to leave, too, and are no reason to stay.
    settled = companions.difference(*(c.changed_ids for c in candidates))
    copies = {i for o in verdict.overlaps if o.relation == "same_story" for i in _ids(o)}
    stays = not companions.isdisjoint(verdict.matches) and not (
        settled and settled.isdisjoint(copies)
    )
    leave = changed and bool(companions) and not stays
    if article.alone and not verdict.matches:
        return None
    versions = {c.longest_id: c.longest_version for c in candidates}
    versions |= {c.article_id: c.version for c in candidates}
    return Link(
        article_id=article.article_id,
        version=article.version,
        matches={match: versions[match] for match in verdict.matches},
        leave=leave,
    )


def _ids(overlap: Overlap) -> tuple[int, int]:
    return overlap.article_id, overlap.other_article_id


def refresh(
    connection: Connection, documents: Documents, advance: Callable[[int], None] | None = None
) -> int:
    """Make fingerprints that are missing or of another version, and link; return how many.

    Resumable: what is done is done. `advance` is told of each batch. Any number may run.

    Raises:
        TransientError: Postgres is away.
    """
    after = total = 0
    while True:
        batch = stories.outdated(connection, SIGNATURE_VERSION, after=after, limit=BATCH)
        if not batch:
            return total
        made = {
            (article_id, version): fingerprint(words_of(text))
            for article_id, version, text in batch
        }
        stories.refresh(connection, made)
        link(connection, documents, [article_id for article_id, _ in made])
        after = batch[-1][0]
        total += len(batch)
        if advance:
            advance(len(batch))
