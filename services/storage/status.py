"""What the store says of itself, for people who operate it: counts, reasons and ages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate

from psycopg.rows import class_row

from services.storage import Connection, queries, transient_errors

SQL = queries("status")


@dataclass(frozen=True, slots=True, kw_only=True)
class FailingFeed:
    """A feed whose last fetches failed."""

    source: str
    url: str
    errors_count: int
    last_error: str


@dataclass(frozen=True, slots=True)
class OverflowedFeed:
    """A feed that lately listed nothing it had listed before: items may have been missed."""

    source: str
    url: str
    overflows_count: int
    overflowed_at: datetime


@dataclass(frozen=True, slots=True)
class SilentFeed:
    """A feed that answers, and has had nothing new for much longer than ever before."""

    source: str
    url: str
    newest_at: datetime


@dataclass(frozen=True, slots=True)
class UnreachableRobots:
    """A host that is left alone because its robots.txt has not been answered for a day."""

    origin: str
    since: datetime
    error: str


@dataclass(frozen=True, slots=True)
class MissedRule:
    """A rule of a source that selected nothing on `missed` of its newest `pages`."""

    source: str
    rule: str
    missed: int
    pages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeFeed:
    """From where to where the change feed reaches, and what is committed and not in it yet."""

    first_cursor: int
    last_position: int
    last_published_at: datetime | None
    unpublished: int
    oldest_unpublished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Counts as of now. Keys of two words are (outcome or state, reason or "")."""

    articles: int
    duplicates: int
    newest_at: datetime | None
    outcomes: dict[tuple[str, str], int]
    dead_letters: dict[str, int]
    links: dict[tuple[str, str], int]
    feeds: int
    failing_feeds: list[FailingFeed]
    overflowed_feeds: list[OverflowedFeed]
    #: What was odd in the last listings of feeds: in how many feeds.
    feed_problems: dict[str, int]
    silent_feeds: list[SilentFeed]
    unreachable_robots: list[UnreachableRobots]
    missed_rules: list[MissedRule]
    refusals: dict[str, int]
    change_feed: ChangeFeed


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceActivity:
    """A source, its newest article, its articles of the last day, and its feeds by their state."""

    name: str
    title: str | None
    enabled: bool
    newest_at: datetime | None
    last_day: int
    feeds: int
    failing: int
    silent: int
    overflowed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """How many articles came when: in each of the last 48 hours, the running one last."""

    by_hour: tuple[tuple[datetime, int], ...]
    last_hour: int
    last_day: int
    sources: tuple[SourceActivity, ...]


def read(connection: Connection) -> Status:
    """Return the state of the store.

    Raises:
        TransientError: Postgres is away.
    """
    with transient_errors(), connection.transaction():
        articles, duplicates, newest_at = connection.execute(SQL.articles).fetchone() or (
            0,
            0,
            None,
        )
        feeds = connection.execute(SQL.feeds).fetchall()
        return Status(
            articles=articles,  # type: ignore[arg-type]
            duplicates=duplicates,  # type: ignore[arg-type]
            newest_at=newest_at,  # type: ignore[arg-type]
            outcomes=_pairs(connection, SQL.outcomes),
            dead_letters=dict(connection.execute(SQL.dead_letters).fetchall()),  # type: ignore[arg-type]
            links=_pairs(connection, SQL.links),
            feeds=len(feeds),
            failing_feeds=[
                FailingFeed(source=source, url=url, errors_count=errors, last_error=error)  # type: ignore[arg-type]
                for source, url, errors, error, _ in feeds
                if errors
            ],
            overflowed_feeds=[
                OverflowedFeed(*row)  # type: ignore[arg-type]
                for row in connection.execute(SQL.overflowed_feeds)
            ],
            feed_problems=dict(connection.execute(SQL.feed_problems).fetchall()),  # type: ignore[arg-type]
            silent_feeds=[
                SilentFeed(*row)  # type: ignore[arg-type]
                for row in connection.execute(SQL.silent_feeds)
            ],
            unreachable_robots=[
                UnreachableRobots(*row)  # type: ignore[arg-type]
                for row in connection.execute(SQL.unreachable_robots)
            ],
            missed_rules=[
                MissedRule(*row)  # type: ignore[arg-type]
                for row in connection.execute(SQL.missed_rules)
            ],
            refusals=dict(connection.execute(SQL.refusals).fetchall()),  # type: ignore[arg-type]
            change_feed=_change_feed(connection),
        )


def _change_feed(connection: Connection) -> ChangeFeed:
    with connection.cursor(row_factory=class_row(ChangeFeed)) as cursor:
        found = cursor.execute(SQL.change_feed).fetchone()
    assert found is not None  # noqa: S101 - it has one row, always
    return found


@dataclass(frozen=True, slots=True)
class Edge:
    """A time, what begins there (`hour`, `last_hour` or `last_day`), and its first article."""

    at: datetime
    part: str
    first_id: int


def activity(connection: Connection) -> Activity:
    """Return what has come of late, in all and of each source.

    Raises:
        TransientError: Postgres is away.
    """
    with transient_errors(), connection.transaction():
        edges = [
            Edge(*row)  # type: ignore[arg-type]
            for row in connection.execute(SQL.first_ids)
        ]
        # Ids of writers at the same time may lie in another order than their times.
        first_ids = list(accumulate((edge.first_id for edge in edges), max))
        counts = connection.execute(SQL.articles_since, {"first_ids": first_ids}).fetchall()
        since = totals(edges, dict(counts))  # type: ignore[arg-type]
        since_id = dict(zip((edge.part for edge in edges), first_ids, strict=True))["last_day"]
        with connection.cursor(row_factory=class_row(SourceActivity)) as cursor:
            sources = cursor.execute(SQL.sources, {"since_id": since_id}).fetchall()
        hours = [(edge.at, count) for edge, count in since if edge.part == "hour"]
        ends = [count for _, count in hours[1:]] + [0]
        return Activity(
            by_hour=tuple((at, count - end) for (at, count), end in zip(hours, ends, strict=True)),
            last_hour=next(count for edge, count in since if edge.part == "last_hour"),
            last_day=next(count for edge, count in since if edge.part == "last_day"),
            sources=tuple(sources),
        )


def totals(edges: Sequence[Edge], counts: Mapping[int, int]) -> list[tuple[Edge, int]]:
    """Return each edge with the articles since then; `counts` are those up to the next edge."""
    since = list(accumulate(counts.get(n, 0) for n in reversed(range(len(edges)))))
    return list(zip(edges, reversed(since), strict=True))


@dataclass(frozen=True, slots=True)
class SetAside:
    """A page, article or link that is not an article of its own."""

    what: str
    reason: str
    where: str
    detail: str


def set_aside(connection: Connection) -> list[SetAside]:
    """Return everything that was rejected, failed or is a copy, with its reason.

    Raises:
        TransientError: Postgres is away.
    """
    with transient_errors(), connection.transaction():
        return [SetAside(*map(str, row)) for row in connection.execute(SQL.set_aside)]


def _pairs(connection: Connection, query: bytes) -> dict[tuple[str, str], int]:
    rows = connection.execute(query).fetchall()
    return {(str(name), str(reason)): int(str(count)) for name, reason, count in rows}
