"""Jobs: backfills and lists of addresses, whose links come after all others of their host."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from psycopg.rows import class_row, dict_row

from services.shared import urls
from services.shared.frontier import (
    DueFeed,
    DueLink,
    FeedKind,
    Job,
    JobKind,
    JobProgress,
    ListedLink,
    ListedSitemap,
)
from services.storage import Connection, queries
from services.storage.links import keyed

SQL = queries("jobs")
OUTCOMES = 1000
JOB_FIELDS = Job.__dataclass_fields__.keys()


def begin(  # noqa: PLR0913 - five are by keyword only
    tx: Connection,
    kind: JobKind,
    input_: str,
    *,
    source: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    is_dry_run: bool = False,
) -> tuple[Job, bool]:
    """Return the job of this input that has not ended, or a new one, and whether it is new."""
    values = {
        "kind": kind,
        "input": input_,
        "source": source,
        "since": since,
        "until": until,
        "is_dry_run": is_dry_run,
    }
    tx.execute(SQL.lock, values)
    with tx.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(SQL.open, values).fetchone()
        is_new = row is None
        row = row or cursor.execute(SQL.begin, values).fetchone() or {}
    found: dict[str, Any] = {name: row[name] for name in JOB_FIELDS}
    return Job(**found), is_new


def add_known_roots(tx: Connection, job: Job) -> None:
    """Have the sitemaps walked that the store knows of the job's source."""
    tx.execute(SQL.add_known_roots, {"job_id": job.id, "source": job.source})


def add_roots(
    tx: Connection, job_id: int, source: str, addresses: Sequence[str], *, kind: FeedKind
) -> None:
    """Have these addresses walked, once in a job; they are not polled for that."""
    for url in sorted(addresses):
        values = {
            "job_id": job_id,
            "source": source,
            "url": url,
            "host": urls.host(url),
            "kind": kind,
        }
        tx.execute(SQL.save_host, values)
        tx.execute(SQL.add_root, values)


def add_children(
    tx: Connection, job_id: int, parent_id: int, children: Sequence[ListedSitemap]
) -> None:
    """Have the sitemaps walked that an index lists, once in a job."""
    for child in sorted(children, key=lambda child: child.url):
        host = urls.host(child.url)
        tx.execute(SQL.save_host, {"host": host})
        tx.execute(
            SQL.add_child,
            {
                "job_id": job_id,
                "parent_id": parent_id,
                "url": child.url,
                "host": host,
                "modified_at": child.modified_at,
            },
        )


def take_walks(
    tx: Connection, hosts: Sequence[str], names: Sequence[str], *, count: int, lease_s: float
) -> list[DueFeed]:
    """Return sitemaps to walk on these hosts, and hide them for `lease_s` seconds."""
    values = {"hosts": list(hosts), "sources": list(names), "count": count, "lease_s": lease_s}
    with tx.cursor(row_factory=class_row(DueFeed)) as cursor:
        return cursor.execute(SQL.take_walks, values).fetchall()


def take_links(
    tx: Connection, hosts: Sequence[str], names: Sequence[str], *, per_host: int
) -> list[DueLink]:
    """Take up to `per_host` links of jobs of each host; they are `fetching` from now on."""
    values = {"hosts": list(hosts), "sources": list(names), "per_host": per_host}
    with tx.cursor(row_factory=class_row(DueLink)) as cursor:
        return cursor.execute(SQL.take_links, values).fetchall()


def give_back(tx: Connection, ids: Sequence[int], *, again_s: float = 0.0) -> None:
    """Make sitemaps due again that were taken to be walked, but not asked for."""
    tx.execute(SQL.give_back, {"ids": list(ids), "again_s": again_s})


def walk_later(tx: Connection, feed: DueFeed, wait_s: float) -> None:
    """Try a sitemap again in so many seconds that could not be read."""
    tx.execute(SQL.walk_later, {"feed_id": feed.id, "job_id": feed.job_id, "wait_s": wait_s})


def walked(
    tx: Connection, feed: DueFeed, links: Sequence[ListedLink] = (), *, failed: bool = False
) -> int:
    """Store what a sitemap lists of the days wanted; it is done. Return how many are to fetch.

    In a dry run they are counted, not stored.
    """
    by_key = keyed(links)
    if feed.is_dry_run:
        row = tx.execute(SQL.count_new, {"key_sha256s": list(by_key)}).fetchone()
        new = int(str(row[0])) if row else 0
    else:
        new = _add(tx, feed.job_id, by_key, feed_id=feed.id, sources=[feed.source] * len(by_key))
        if by_key:
            tx.execute(SQL.link_feeds, {"feed_id": feed.id, "key_sha256s": list(by_key)})
    tx.execute(
        SQL.walked,
        {
            "feed_id": feed.id,
            "job_id": feed.job_id,
            "listed": len(links),
            "undated": sum(not (link.published_at or link.modified_at) for link in links),
            "new": new,
            "failed": failed,
        },
    )
    return new


def add_addresses(  # noqa: PLR0913 - four are by keyword only
    tx: Connection,
    job: Job,
    links: Sequence[tuple[ListedLink, str]],
    *,
    position: int,
    invalid: int,
    again: bool,
) -> None:
    """Store addresses of a list, each with its source or "", up to a line of it.

    Those that have no page are tried again; those that have one only with `again`.
    """
    by_key = keyed([link for link, _ in links])
    sources = {link.url: source for link, source in links}
    new = _add(
        tx,
        job.id,
        by_key,
        sources=[sources[link.url] for _, link in by_key.values()],
        takes_known=True,
        again=again,
    )
    tx.execute(
        SQL.advance,
        {
            "job_id": job.id,
            "position": position,
            "listed": len(links),
            "new": new,
            "invalid": invalid,
        },
    )


def _add(  # noqa: PLR0913 - four are by keyword only
    tx: Connection,
    job_id: int | None,
    by_key: Mapping[bytes, tuple[str, ListedLink]],
    *,
    sources: Sequence[str],
    feed_id: int | None = None,
    takes_known: bool = False,
    again: bool = False,
) -> int:
    if not by_key:
        return 0
    listed = [link for _, link in by_key.values()]
    hosts = [urls.host(link.url) for link in listed]
    tx.execute(SQL.save_hosts, {"hosts": hosts})
    rows = tx.execute(
        SQL.add,
        {
            "job_id": job_id,
            "feed_id": feed_id,
            "key_sha256s": list(by_key),
            "keys": [key for key, _ in by_key.values()],
            "urls": [link.url for link in listed],
            "hosts": hosts,
            "link_sources": list(sources),
            "titles": [link.title for link in listed],
            "published": [link.published_at for link in listed],
            "modified": [link.modified_at for link in listed],
            "takes_known": takes_known,
            "again": again,
        },
    ).fetchall()
    return sum(state == "due" for (state,) in rows)


def progress(tx: Connection, job_id: int) -> JobProgress:
    """Return how far a job is."""
    with tx.cursor(row_factory=class_row(JobProgress)) as cursor:
        found = cursor.execute(SQL.progress, {"job_id": job_id}).fetchone()
    if found is None:
        raise LookupError(f"no job {job_id}")
    return found


def end(tx: Connection, job_id: int) -> None:
    """Write down that a job is done: the same input begins a new one."""
    tx.execute(SQL.end, {"job_id": job_id})


def reasons(tx: Connection, job_id: int) -> list[tuple[str, str, int]]:
    """Return how many links of a job are in each state, for each reason."""
    rows = tx.execute(SQL.reasons, {"job_id": job_id}).fetchall()
    return [(str(state), str(reason), int(str(count))) for state, reason, count in rows]


def sources_of(tx: Connection, job_id: int) -> set[str]:
    """Return the sources that a job's links are of."""
    rows = tx.execute(SQL.sources_of, {"job_id": job_id}).fetchall()
    return {str(name) for (name,) in rows}


def outcomes(connection: Connection, job_id: int) -> Iterator[dict[str, Any]]:
    """Yield what became of each address of a job, in their order."""
    after = 0
    while True:
        values = {"job_id": job_id, "after": after, "limit": OUTCOMES}
        with connection.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(SQL.outcomes, values).fetchall()
        if not rows:
            return
        after = rows[-1]["id"]
        yield from rows
