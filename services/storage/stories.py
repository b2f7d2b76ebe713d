"""Fingerprints and stories: publish an article's bands, find who shares them, link what belongs."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from services.shared import urls
from services.shared.contracts import Candidate, Fingerprint, Overlap
from services.shared.errors import InvalidUrl
from services.storage import Connection, purges, queries, transient_errors

SQL = queries("stories")
COLUMNS = 8  # of a row of bands


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """An article that has not been looked up with the text it has now."""

    article_id: int
    version: int
    looked_version: int | None
    sketch: bytes
    #: A story of its own, rightly described: nothing to write if nobody shares its text.
    alone: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """An article's text to compare with; None where it is the one that is known already."""

    article_id: int
    text_sha256: bytes
    text: str | None
    #: Source and site, where there are such.
    outlets: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """An article in one version, and the articles that are in its story: id to version."""

    article_id: int
    version: int
    matches: Mapping[int, int]
    #: It has a new text that nobody in its story shares.
    leave: bool = False


def publish(
    connection: Connection,
    created: Mapping[int, tuple[Fingerprint, str | None]],
    changed: Mapping[int, Fingerprint],
) -> None:
    """Store fingerprints, in the caller's transaction: with outlets of new articles, by their id.

    An article is found by others once this is committed, and must only be looked up after that.
    """
    rows = [
        _row(article_id, found, outlet) for article_id, (found, outlet) in sorted(created.items())
    ]
    renewed = [_row(article_id, found, None) for article_id, found in sorted(changed.items())]
    with connection.cursor() as cursor:
        if rows:
            cursor.executemany(SQL.add, rows)
        if renewed:
            cursor.executemany(SQL.renew, renewed)
            cursor.executemany(SQL.delete_bands, renewed)
        bands = {i: found for i, (found, _) in created.items()} | dict(changed)
        if found := [row for i in sorted(bands) for row in _band_rows(i, bands[i])]:
            cursor.executemany(SQL.add_bands, found)


def outlet(source: str | None, url: str) -> str | None:
    """Return who published an article: its source, else the site of its address."""
    return source or _site(url)


def waiting(connection: Connection, article_ids: Sequence[int]) -> list[Waiting]:
    """Return those of the articles that have to be looked up, in order of their ids.

    Raises:
        TransientError: Postgres is away.
    """
    with transient_errors():
        rows = connection.execute(SQL.waiting, {"ids": list(article_ids)}).fetchall()
    names = Waiting.__slots__
    return sorted(
        (Waiting(**dict(zip(names, row, strict=True))) for row in rows),  # type: ignore[arg-type]
        key=lambda found: found.article_id,
    )


def candidates(
    connection: Connection, article_ids: Sequence[int], signature_version: int
) -> dict[int, list[Candidate]]:
    """Return for each article who shares a band with it and came this month or the last.

    Raises:
        TransientError: Postgres is away.
    """
    today = datetime.now(UTC).date()
    last_month = (today.year, today.month - 1) if today.month > 1 else (today.year - 1, 12)
    values = {
        "ids": list(article_ids),
        "signature_version": signature_version,
        "since": today.replace(year=last_month[0], month=last_month[1], day=1),
    }
    found: dict[int, list[Candidate]] = defaultdict(list)
    with transient_errors():
        for probe, *fields in connection.execute(SQL.candidates, values):
            candidate = Candidate(**dict(zip(Candidate.__slots__, fields, strict=True)))  # type: ignore[arg-type]
            found[int(str(probe))].append(candidate)
    return found


def texts(connection: Connection, known: Mapping[int, bytes | None]) -> list[Text]:
    """Return the texts of articles, given the hash of the text that is known of each, or None.

    Raises:
        TransientError: Postgres is away.
    """
    values = {"ids": list(known), "hashes": list(known.values())}
    with transient_errors():
        rows = connection.execute(SQL.texts, values).fetchall()
    return [
        Text(
            article_id=article_id,  # type: ignore[arg-type]
            text_sha256=text_sha256,  # type: ignore[arg-type]
            text=text,  # type: ignore[arg-type]
            outlets=frozenset(filter(None, (source, _site(str(url))))),  # type: ignore[arg-type]
        )
        for article_id, text_sha256, source, url, text in rows
    ]


def link(
    connection: Connection,
    links: Sequence[Link],
    overlaps: Iterable[Overlap],
    alone: Sequence[Waiting],
) -> list[int]:
    """Join stories, keep the overlaps, and note that all of these have been looked up.

    Return the articles that have to be looked up along with these, which is then all there is to
    do: they have new texts, and may be about to leave the stories these would come into.

    Repeatable; the events of the change feed are written where a story changes. Articles that were
    purged meanwhile, or have another text than was compared, are passed over.

    Raises:
        TransientError: Postgres is away, or ended this writer.
    """
    pairs = {(found.article_id, found.other_article_id): asdict(found) for found in overlaps}
    with transient_errors():
        if links or pairs:
            with connection.transaction(), connection.cursor() as cursor:
                purges.hold(connection)
                # Overlaps first and in one order: nobody waits for one while holding the lock.
                if pairs:
                    cursor.executemany(SQL.add_overlap, [pairs[key] for key in sorted(pairs)])
                if links and (unsettled := _join(connection, links)):
                    return unsettled
        if alone:
            marks = {
                "ids": [found.article_id for found in alone],
                "versions": [found.version for found in alone],
            }
            connection.execute(SQL.mark, marks)
    return []


def _join(tx: Connection, links: Sequence[Link]) -> list[int]:
    matches = [match for found in links for match in found.matches.items()]
    values = {
        "ids": [found.article_id for found in links],
        "versions": [found.version for found in links],
        "matches": [article_id for article_id, _ in matches],
        "match_versions": [version for _, version in matches],
    }
    tx.execute(SQL.lock)
    tx.execute(SQL.hold, values)
    if unsettled := tx.execute(SQL.unsettled, values).fetchall():
        return [int(str(article_id)) for (article_id,) in unsettled]
    leaving = [found for found in links if found.leave]
    if leaving:
        values = {
            "ids": [found.article_id for found in leaving],
            "versions": [found.version for found in leaving],
        }
        tx.execute(SQL.leave, values)
    rows = [
        {
            "article_id": found.article_id,
            "version": found.version,
            "matches": list(found.matches),
            "versions": list(found.matches.values()),
        }
        for found in links
    ]
    with tx.cursor() as cursor:
        cursor.executemany(SQL.link, rows)
    return []


def listing(
    connection: Connection, *, everything: bool, limit: int | None
) -> list[dict[str, object]]:
    """Return rows of media.stories with titles; not those nobody copied, unless `everything`.

    Raises:
        TransientError: Postgres is away.
    """
    with transient_errors():
        rows = connection.execute(SQL.listing, {"everything": everything, "limit": limit})
        return [row for (row,) in rows]  # type: ignore[misc]


def members(connection: Connection, story_id: int) -> list[dict[str, object]]:
    """Return rows of media.story_articles with titles and addresses, the earliest first.

    Raises:
        TransientError: Postgres is away.
    """
    with transient_errors():
        rows = connection.execute(SQL.members, {"id": story_id})
        return [row for (row,) in rows]  # type: ignore[misc]


def outdated_count(connection: Connection, signature_version: int) -> int:
    """Return how many articles have a fingerprint of another version, or none.

    Raises:
        TransientError: Postgres is away.
    """
    with transient_errors():
        row = connection.execute(
            SQL.outdated_count, {"signature_version": signature_version}
        ).fetchone()
    return int(str(row[0])) if row else 0


def outdated(
    connection: Connection, signature_version: int, *, after: int, limit: int
) -> list[tuple[int, int, str]]:
    """Return id, version and text of articles whose fingerprint is of another version.

    Raises:
        TransientError: Postgres is away.
    """
    values = {"signature_version": signature_version, "after": after, "limit": limit}
    with transient_errors():
        return connection.execute(SQL.outdated, values).fetchall()  # type: ignore[return-value]


def refresh(connection: Connection, made: Mapping[tuple[int, int], Fingerprint]) -> None:
    """Store newly made fingerprints by article id and version; they are to be looked up again.

    Raises:
        TransientError: Postgres is away.
    """
    with transient_errors(), connection.transaction():
        for (article_id, version), found in sorted(made.items()):
            row = {**_row(article_id, found, None), "version": version}
            if connection.execute(SQL.refresh, row).rowcount:
                connection.execute(SQL.delete_bands, row)
                for bands in _band_rows(article_id, found):
                    connection.execute(SQL.add_bands, bands)


def _row(article_id: int, found: Fingerprint, outlet: str | None) -> dict[str, object]:
    return {
        "id": article_id,
        "signature_version": found.version,
        "tokens_count": found.tokens_count,
        "sketch": found.sketch,
        "outlet": outlet,
    }


def _band_rows(article_id: int, found: Fingerprint) -> list[tuple[int, ...]]:
    return [
        (article_id, *found.bands[first : first + COLUMNS])
        for first in range(0, len(found.bands), COLUMNS)
    ]


def _site(url: str) -> str | None:
    try:
        return urls.site(url)
    except InvalidUrl:
        return None
