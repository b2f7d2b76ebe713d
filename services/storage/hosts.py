"""Hosts: which crawler works them now, and until when they asked us to stay away."""

from collections.abc import Sequence

from services.shared.frontier import FeedKind
from services.storage import Connection, queries

SQL = queries("hosts")


def take(  # noqa: PLR0913 - two are by keyword only
    tx: Connection,
    crawler: str,
    names: Sequence[str],
    kinds: Sequence[FeedKind],
    *,
    count: int,
    lease_s: float,
) -> dict[str, bool]:
    """Lease up to `count` hosts on which these sources have something due.

    Returns for each whether it asked to be left alone, and has not answered since.
    """
    rows = tx.execute(
        SQL.take,
        {
            "crawler": crawler,
            "sources": list(names),
            "kinds": list(kinds),
            "count": count,
            "lease_s": lease_s,
        },
    ).fetchall()
    return {str(name): bool(was_blocked) for name, was_blocked in rows}


def renew(tx: Connection, crawler: str, hosts: Sequence[str], *, lease_s: float) -> set[str]:
    """Lengthen the leases this crawler holds; return the hosts that are still its own."""
    rows = tx.execute(
        SQL.renew, {"crawler": crawler, "hosts": list(hosts), "lease_s": lease_s}
    ).fetchall()
    return {str(name) for (name,) in rows}


def give_back(tx: Connection, crawler: str, hosts: Sequence[str]) -> None:
    """End the leases, so that any crawler may take these hosts at once."""
    tx.execute(SQL.give_back, {"crawler": crawler, "hosts": list(hosts)})


def give_back_all(tx: Connection, crawler: str) -> None:
    """End all leases of a crawler that has nothing in flight; what it had taken is due again."""
    tx.execute(SQL.give_back_all, {"crawler": crawler})


def left_over(tx: Connection, crawler: str, names: Sequence[str], kinds: Sequence[FeedKind]) -> int:
    """Return how many hosts have something due that this crawler cannot take right now."""
    row = tx.execute(
        SQL.left_over, {"crawler": crawler, "sources": list(names), "kinds": list(kinds)}
    ).fetchone()
    return int(str(row[0])) if row else 0


def block(
    tx: Connection, host: str, retry_after_s: float | None, *, base_s: float, most_s: float
) -> float:
    """Stay away from a host as long as it asked, or longer each time; return the seconds."""
    row = tx.execute(
        SQL.block,
        {"host": host, "retry_after_s": retry_after_s, "base_s": base_s, "most_s": most_s},
    ).fetchone()
    return float(str(row[0])) if row else base_s


def answered(tx: Connection, host: str) -> None:
    """Forget that a host asked us to stay away, now that it answers."""
    tx.execute(SQL.answered, {"host": host})
