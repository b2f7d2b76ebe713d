"""Sources and feeds: as `sources.yaml` says, which are due, and what their polls gave."""

from collections.abc import Sequence
from datetime import datetime
from operator import itemgetter

from psycopg.rows import class_row, dict_row, scalar_row
from psycopg.types.json import Jsonb

from services.shared import urls
from services.shared.frontier import DueFeed, FeedKind, FeedPoll, ListedSitemap
from services.shared.sources import Source
from services.storage import Connection, queries, transient_errors

SQL = queries("sources")
SOURCE_FIELDS = {"name", "title", "home_page", "country", "language", "time_zone", "enabled"}


def save(tx: Connection, sources: Sequence[Source]) -> None:
    """Make the store say what the file says; feeds it no longer has are polled no more."""
    feeds = [
        {**feed.model_dump(), "source": source.name, "host": urls.host(feed.url)}
        for source in sources
        for feed in source.feeds
    ]
    listed = [
        {"source": source.name, "urls": [feed.url for feed in source.feeds]} for source in sources
    ]
    with tx.cursor() as cursor:
        # Each at once, not one round trip after the other: there may be thousands.
        cursor.executemany(
            SQL.save_source, [source.model_dump(include=SOURCE_FIELDS) for source in sources]
        )
        cursor.executemany(SQL.save_host, sorted(feeds, key=itemgetter("host")))
        cursor.executemany(SQL.save_feed, feeds)
        cursor.executemany(SQL.disable_other_feeds, listed)


def names(tx: Connection) -> list[str]:
    """Return the names of all sources that ever were."""
    return [str(name) for (name,) in tx.execute(SQL.names).fetchall()]


def left_over(tx: Connection, names: Sequence[str]) -> list[str]:
    """Return the sources beside these that are crawled, as far as the store knows."""
    rows = tx.execute(SQL.left_over, {"sources": list(names)}).fetchall()
    return [str(name) for (name,) in rows]


def retire(tx: Connection, names: Sequence[str]) -> None:
    """Write down that these sources are crawled no more; what was had from them stays."""
    tx.execute(SQL.retire, {"sources": list(names)})


def make_due(tx: Connection, names: Sequence[str]) -> None:
    """Have every feed of these sources polled now."""
    tx.execute(SQL.make_due, {"sources": list(names)})


def take_due(
    tx: Connection,
    hosts: Sequence[str],
    names: Sequence[str],
    kinds: Sequence[FeedKind],
    *,
    lease_s: float,
) -> list[DueFeed]:
    """Return the due feeds of these sources on these hosts, and hide them for `lease_s` seconds."""
    with tx.cursor(row_factory=class_row(DueFeed)) as cursor:
        cursor.execute(
            SQL.take_feeds,
            {
                "hosts": list(hosts),
                "sources": list(names),
                "kinds": list(kinds),
                "lease_s": lease_s,
            },
        )
        return cursor.fetchall()


def give_back(tx: Connection, ids: Sequence[int], *, again_s: float = 0.0) -> None:
    """Make feeds that were taken, but not asked for, due again, now or in so many seconds."""
    tx.execute(SQL.give_back, {"ids": list(ids), "again_s": again_s})


def now(tx: Connection) -> datetime:
    """Return when the transaction began, by the store's clock, which all crawlers share."""
    with tx.cursor(row_factory=scalar_row) as cursor:
        began: list[datetime] = cursor.execute(SQL.now).fetchall()
    return began[0]


def polled(tx: Connection, poll: FeedPoll) -> None:
    """Write down what a poll gave and when the next one is."""
    tx.execute(
        SQL.polled,
        {
            "feed_id": poll.feed_id,
            "outcome": poll.outcome,
            "status": poll.status,
            "detail": poll.detail,
            "wait_s": poll.wait_s,
            "failed": poll.failed,
            "etag": poll.etag,
            "last_modified": poll.last_modified,
            "links_count": poll.links_count,
            "problems": None if poll.problems is None else Jsonb(dict(poll.problems)),
            "newest_item_at": poll.newest_item_at,
            "item_times": None if poll.item_times is None else list(poll.item_times),
            "most_wait_s": poll.most_wait_s,
            "ttl_s": poll.ttl_s,
            "every_s": poll.every_s,
            "distrust_s": poll.distrust_s,
            "silent_from": poll.silent_from,
            "overflowed": "overflow" in (poll.problems or {}),
        },
    )


def fill_hole(tx: Connection, feed_id: int) -> None:
    """Have the sitemaps of a feed's source read now, for what the feed may have missed."""
    tx.execute(SQL.fill_hole, {"feed_id": feed_id})


def fill_hole_from(tx: Connection, feed_id: int, sitemaps: Sequence[str]) -> None:
    """Have these sitemaps read now, for what is dated since the feed was listed before."""
    for url in sorted(sitemaps):
        host = urls.host(url)
        tx.execute(SQL.save_host, {"host": host})
        tx.execute(SQL.fill_hole_from, {"feed_id": feed_id, "url": url, "host": host})


def add_children(tx: Connection, parent_id: int, children: Sequence[ListedSitemap]) -> int:
    """Store the sitemaps an index lists; those new or changed become due. Return how many."""
    if not children:
        return 0
    rows = [
        {
            "parent_id": parent_id,
            "url": child.url,
            "host": urls.host(child.url),
            "modified_at": child.modified_at,
        }
        for child in sorted(children, key=lambda child: child.url)
    ]
    with tx.cursor() as cursor:
        cursor.executemany(SQL.save_host, rows)
        cursor.executemany(SQL.save_child, rows, returning=True)
        return sum(bool(row[0]) for result in cursor.results() for row in result.fetchall())


def feeds_of(connection: Connection, source: str) -> list[dict[str, object]]:
    """Return what the last poll of each feed of a source gave, sitemaps of an index counted.

    Raises:
        TransientError: Postgres is away.
    """
    with transient_errors(), connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(SQL.feeds_of, {"source": source}).fetchall()
