"""Hosts: which crawler works them now, and until when they asked us to stay away."""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg.rows import class_row

from services.shared.frontier import FeedKind
from services.storage import Connection, queries

SQL = queries("hosts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Leased:
    """A host that is a crawler's from now on.

    `quiet_s`: for how long nobody can have asked it, None if nobody ever did. `delay_s`: the pace
    at which the last crawler asked it.
    """

    name: str
    quiet_s: float | None
    delay_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How many seconds ago a host was asked last, and at what pace it is asked."""

    host: str
    seconds_ago: float
    delay_s: float


def take(  # noqa: PLR0913 - two are by keyword only
    tx: Connection,
    crawler: str,
    names: Sequence[str],
    kinds: Sequence[FeedKind],
    *,
    count: int,
    lease_s: float,
) -> list[Leased]:
    """Lease up to `count` hosts on which these sources have something due."""
    with tx.cursor(row_factory=class_row(Leased)) as cursor:
        return cursor.execute(
            SQL.take,
            {
                "crawler": crawler,
                "sources": list(names),
                "kinds": list(kinds),
                "count": count,
                "lease_s": lease_s,
            },
        ).fetchall()


def visit(tx: Connection, crawler: str, host: str, *, lease_s: float) -> Leased | float:
    """Lease one host, whatever is due there; or return for how long it wants no requests.

    0 means that another crawler has it.
    """
    tx.execute(SQL.save, {"host": host})
    with tx.cursor(row_factory=class_row(Leased)) as cursor:
        leased = cursor.execute(
            SQL.visit, {"crawler": crawler, "host": host, "lease_s": lease_s}
        ).fetchone()
    if leased:
        return leased
    row = tx.execute(SQL.blocked_s, {"host": host}).fetchone()
    return float(str(row[0])) if row and row[0] is not None else 0.0


def asked(tx: Connection, crawler: str, hosts: Sequence[Asked]) -> None:
    """Write down when hosts that this crawler holds were asked, for those who hold them next."""
    tx.execute(
        SQL.asked,
        {
            "crawler": crawler,
            "hosts": [one.host for one in hosts],
            "seconds_ago": [one.seconds_ago for one in hosts],
            "delays_s": [one.delay_s for one in hosts],
        },
    )


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
