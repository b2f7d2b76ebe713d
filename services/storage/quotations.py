"""Quotations: publish the hashes of passages, find who shares them, keep where each one stands."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from services.shared.contracts import Place
from services.storage import Connection, purges, queries, transient_errors
from services.storage.text import integers

SQL = queries("quotations")

#: Passages are looked for in this week and so many before it.
WEEKS = 4
#: What stands in so many stories, and in so many of each outlet, is boilerplate (also in the view
#: media.quotations). News an outlet says once or twice; boilerplate it says again and again.
BOILERPLATE_STORIES = 10
BOILERPLATE_STORIES_EACH = 3
#: Of each hash so many carriers are looked at, and so many articles compared with one.
CARRIERS = 64
OTHERS = 32

#: A row of media.quotations or media.quotation_articles: column name to JSON value.
Row = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """An article's text in its newest version."""

    article_id: int
    version: int
    text: str


@dataclass(frozen=True, slots=True)
class Found:
    """Where quotations stand: those that are there already by id, and the places of new ones."""

    joined: Sequence[tuple[int, Place]]
    new: Sequence[Sequence[Place]]


def publish(
    connection: Connection, hashes: Mapping[int, Sequence[int]], updated: Sequence[int]
) -> None:
    """Store hashes by article id, in the caller's transaction; `updated` have a new version.

    An article is found by others once this is committed, and must only be looked up after that.
    """
    if updated:
        connection.execute(SQL.keep_places, {"ids": list(updated)})
        connection.execute(SQL.forget_places, {"ids": list(updated)})
    if any(hashes.values()):
        connection.execute(SQL.add_passages, _columns(hashes))


def candidates(connection: Connection, hashes: Mapping[int, Sequence[int]]) -> dict[int, list[int]]:
    """Return for each article those of other stories and outlets that share a hash with it.

    Raises:
        TransientError: Postgres is away.
    """
    if not any(hashes.values()):
        return {}
    today = datetime.now(UTC).date()
    values = {
        **_columns(hashes),
        "since": today - timedelta(days=today.weekday() + 7 * WEEKS),
        # Clocks differ, and so may the day.
        "today": today + timedelta(days=1),
        "carriers": CARRIERS,
        "stories": BOILERPLATE_STORIES,
        "stories_each": BOILERPLATE_STORIES_EACH,
        "others": OTHERS,
    }
    found: dict[int, list[int]] = defaultdict(list)
    with transient_errors():
        for article_id, other_id in connection.execute(SQL.candidates, values):
            found[int(str(article_id))].append(int(str(other_id)))
    return found


def texts(connection: Connection, article_ids: Iterable[int]) -> list[Text]:
    """Return the texts of articles.

    Raises:
        TransientError: Postgres is away.
    """
    with transient_errors():
        rows = connection.execute(SQL.texts, {"ids": list(article_ids)}).fetchall()
    names = Text.__slots__
    return [Text(**dict(zip(names, row, strict=True))) for row in rows]  # type: ignore[arg-type]


def link(
    connection: Connection,
    article_ids: Iterable[int],
    decide: Callable[[Sequence[tuple[int, Place]]], Found],
) -> None:
    """Store where quotations stand. `decide` is given what is known of these articles so far.

    Nobody else decides meanwhile. Repeatable, if `decide` leaves out what is known. Articles that
    were purged meanwhile are passed over.

    Raises:
        TransientError: Postgres is away, or ended this writer.
    """
    with transient_errors(), connection.transaction():
        purges.hold(connection)
        connection.execute(SQL.lock)
        rows = connection.execute(SQL.standing, {"ids": list(article_ids)}).fetchall()
        found = decide([_place(*row) for row in rows])  # type: ignore[arg-type]
        places = list(found.joined)
        ids: Sequence[tuple[object, ...]] = ()
        if found.new:
            ids = connection.execute(SQL.add_quotations, {"count": len(found.new)}).fetchall()
            for (quotation_id,), stands in zip(sorted(ids), found.new, strict=True):
                places += [(int(str(quotation_id)), place) for place in stands]
        if places:
            connection.execute(SQL.add_places, _place_columns(places))
            connection.execute(SQL.delete_lonely, {"ids": [int(str(i)) for (i,) in ids]})
            connection.execute(SQL.delete_repeated, {"ids": _maybe_repeated(rows, places)})


def of_article(connection: Connection, article_id: int) -> list[Row]:
    """Return all who carry what an article carries, quotation by quotation, the first one first.

    Raises:
        TransientError: Postgres is away.
    """
    with transient_errors():
        rows = connection.execute(SQL.of_article, {"article_id": article_id}).fetchall()
    return [row for (row,) in rows]  # type: ignore[misc]


def newest(
    connection: Connection, *, since: datetime | None = None, limit: int | None = None
) -> Iterator[Row]:
    """Yield quotations, those found last first.

    Raises:
        TransientError: Postgres is away.
    """
    with (
        transient_errors(),
        connection.transaction(),
        connection.cursor("quotations") as cursor,
    ):
        cursor.itersize = 200
        for (row,) in cursor.execute(SQL.newest, {"since": since, "limit": limit}):
            yield row  # type: ignore[misc]


def _columns(hashes: Mapping[int, Sequence[int]]) -> dict[str, object]:
    ids = sorted(hashes)
    return {
        "hashes": integers(value for i in ids for value in hashes[i]),
        "article_ids": integers(i for i in ids for _ in hashes[i]),
    }


def _maybe_repeated(
    standing: Iterable[Sequence[object]], places: Sequence[tuple[int, Place]]
) -> list[int]:
    """Return the quotations with new places, and the younger ones beside these."""
    touched = {quotation for quotation, _ in places}
    articles = {place.article_id for _, place in places}
    return sorted(
        touched
        | {
            int(str(quotation))
            for quotation, article_id, *_ in standing
            if article_id in articles and int(str(quotation)) > min(touched)
        }
    )


def _place(
    quotation_id: int, article_id: int, version: int, start: int, end: int
) -> tuple[int, Place]:
    return quotation_id, Place(article_id=article_id, version=version, start=start, end=end)


def _place_columns(places: Sequence[tuple[int, Place]]) -> dict[str, object]:
    return {
        "quotation_ids": [quotation_id for quotation_id, _ in places],
        "article_ids": [place.article_id for _, place in places],
        "versions": [place.version for _, place in places],
        "starts": [place.start for _, place in places],
        "ends": [place.end for _, place in places],
    }
