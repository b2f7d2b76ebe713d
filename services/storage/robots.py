"""robots.txt of each origin, so that it outlives a crawler and all of them share it."""

from dataclasses import dataclass

from psycopg.rows import class_row

from services.storage import Connection, queries

SQL = queries("robots")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRobots:
    """The last answer; seconds are as of now, None where there is nothing to tell.

    `body` is None where the answer allows everything.
    """

    status: int | None
    body: bytes | None
    age_s: float | None
    fresh_s: float | None
    #: For how long there has been no answer.
    failing_s: float | None


def find(tx: Connection, origin: str) -> KeptRobots | None:
    """Return what is known of an origin's robots.txt, or None if it was never asked for."""
    with tx.cursor(row_factory=class_row(KeptRobots)) as cursor:
        return cursor.execute(SQL.find, {"origin": origin}).fetchone()


def answered(
    tx: Connection, origin: str, *, status: int, body: bytes | None, fresh_s: float
) -> None:
    """Keep an answer for so many seconds."""
    tx.execute(SQL.answered, {"origin": origin, "status": status, "body": body, "fresh_s": fresh_s})


def failed(tx: Connection, origin: str, error: str) -> KeptRobots:
    """Note that there is no answer, and why; return what is kept from before."""
    tx.execute(SQL.failed, {"origin": origin, "error": error})
    kept = find(tx, origin)
    assert kept  # noqa: S101 - the row was just written
    return kept
