"""Links: the record of every address a feed listed, and what became of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row, dict_row

from services.shared import urls
from services.shared.frontier import DueLink, LinkOutcome, ListedLink
from services.storage import Connection, queries, withdrawals

SQL = queries("links")


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What a feed's listing was to the store. Counts are of links, of one key each."""

    new: int = 0
    #: Of the new ones.
    too_old: int = 0
    listed: int = 0
    #: Of those listed, the ones this feed had listed before.
    listed_before: int = 0
    #: Of those it had not, when each appeared, as it says.
    new_to_feed: tuple[datetime | None, ...] = ()
    #: Whether this feed listed anything the last time.
    has_history: bool = False
    changed_guids: int = 0
    reused_guids: int = 0

    @property
    def overflowed(self) -> bool:
        """Return whether nothing of the feed's last listing is left: some may have been missed."""
        return self.has_history and self.listed > 0 and self.listed_before == 0


def add(
    tx: Connection, feed_id: int, links: Sequence[ListedLink], *, oldest: datetime | None = None
) -> Added:
    """Store what a feed lists, before any of it is fetched.

    Links of one key are one link. Those dated before `oldest` are stored, but not fetched.
    """
    by_key = keyed(links)
    if not by_key:
        return Added()
    listed = [link for _, link in by_key.values()]
    hosts = [urls.host(link.url) for link in listed]
    tx.execute(SQL.save_hosts, {"hosts": hosts})
    rows = tx.execute(
        SQL.add,
        {
            "feed_id": feed_id,
            "key_sha256s": list(by_key),
            "keys": [key for key, _ in by_key.values()],
            "urls": [link.url for link in listed],
            "hosts": hosts,
            "titles": [link.title for link in listed],
            "published": [link.published_at for link in listed],
            "modified": [link.modified_at for link in listed],
            "too_old": [_is_before(link, oldest) for link in listed],
        },
    ).fetchall()
    with tx.cursor(row_factory=dict_row) as cursor:
        counts: dict[str, Any] = (
            cursor.execute(
                SQL.listed_by,
                {
                    "feed_id": feed_id,
                    "key_sha256s": list(by_key),
                    "guids": [link.guid for link in listed],
                },
            ).fetchone()
            or {}
        )
    new_to_feed = (by_key[key][1] for key in counts.pop("new_keys", ()))
    return Added(
        new=len(rows),
        too_old=sum(state == "refused" for (state,) in rows),
        listed=len(listed),
        new_to_feed=tuple(link.published_at or link.modified_at for link in new_to_feed),
        **counts,
    )


def keyed(links: Sequence[ListedLink]) -> dict[bytes, tuple[str, ListedLink]]:
    """Return links by the hash of their key, each with the key: of one key the first."""
    found: dict[bytes, tuple[str, ListedLink]] = {}
    for link in links:
        key = urls.key(link.url)
        found.setdefault(urls.key_sha256(key), (key, link))
    return found


def _is_before(link: ListedLink, oldest: datetime | None) -> bool:
    stated = link.modified_at or link.published_at
    return bool(oldest and stated and stated < oldest)


def free_abandoned(tx: Connection, hosts: Sequence[str], *, max_attempts: int) -> int:
    """Make links whose crawler is gone due again, and return how many there were."""
    return tx.execute(
        SQL.free_abandoned, {"hosts": list(hosts), "max_attempts": max_attempts}
    ).rowcount


def take_due(
    tx: Connection, hosts: Sequence[str], names: Sequence[str], *, per_host: int
) -> list[DueLink]:
    """Take up to `per_host` due links of each host; they are `fetching` from now on."""
    with tx.cursor(row_factory=class_row(DueLink)) as cursor:
        cursor.execute(
            SQL.take, {"hosts": list(hosts), "sources": list(names), "per_host": per_host}
        )
        return cursor.fetchall()


def take_again(
    tx: Connection, hosts: Sequence[str], names: Sequence[str], *, per_host: int, lease_s: float
) -> list[DueLink]:
    """Take up to `per_host` young articles of each host, to see whether they changed."""
    values = {
        "hosts": list(hosts),
        "sources": list(names),
        "per_host": per_host,
        "lease_s": lease_s,
    }
    with tx.cursor(row_factory=class_row(DueLink)) as cursor:
        return cursor.execute(SQL.take_again, values).fetchall()


def confirm_worse(tx: Connection, names: Sequence[str], *, after_s: float, count: int) -> int:
    """Have pages of these sources asked for again that gave a worse copy `after_s` ago.

    Of up to `count` copies; return how many links are due for it.
    """
    values = {"sources": list(names), "after_s": after_s, "count": count}
    return tx.execute(SQL.confirm_worse, values).rowcount


def give_back(tx: Connection, ids: Sequence[int], *, again_s: float = 0.0) -> None:
    """Make links that were taken, but not asked for, due as before, or in so many seconds."""
    tx.execute(SQL.give_back, {"ids": list(ids), "again_s": again_s})


def end(tx: Connection, outcomes: Sequence[LinkOutcome]) -> None:
    """Write down what became of links; an article whose page is gone is withdrawn."""
    with tx.cursor() as cursor:
        cursor.executemany(
            SQL.end,
            [
                {
                    "link_id": outcome.link_id,
                    "state": outcome.state,
                    "reason": outcome.reason,
                    "status": outcome.status,
                    "final_url": outcome.final_url,
                    "page_id": outcome.page_id,
                    "wait_s": outcome.wait_s,
                    "etag": outcome.etag,
                    "last_modified": outcome.last_modified,
                    "is_refetch": outcome.is_refetch,
                    "refetch_outcome": outcome.refetch_outcome,
                    "refetch_wait_s": outcome.refetch_wait_s,
                }
                for outcome in sorted(outcomes, key=lambda outcome: outcome.link_id)
            ],
        )
    withdrawals.links_ended(tx, outcomes)


def trace(tx: Connection, url: str) -> Mapping[str, object] | None:
    """Return all that is known of the link with this address, or None if it was never listed.

    Raises:
        InvalidUrl: not an http(s) address.
    """
    with tx.cursor(row_factory=dict_row) as cursor:
        cursor.execute(SQL.trace, {"key_sha256": urls.key_sha256(urls.key(url))})
        return cursor.fetchone()


def counts(tx: Connection, names: Sequence[str]) -> dict[tuple[str, str | None], int]:
    """Return how many links of these sources are in each state, for each reason."""
    rows = tx.execute(SQL.counts, {"sources": list(names)}).fetchall()
    return {
        (str(state), None if reason is None else str(reason)): int(str(count))
        for state, reason, count in rows
    }
