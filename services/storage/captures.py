"""Bodies of raw pages, a partition for each day on which they came."""

import time
from collections.abc import Callable, Iterator
from datetime import date

from psycopg.errors import LockNotAvailable

from services.shared import compression
from services.shared.errors import TransientError
from services.storage import Connection, partitions, queries, transient_errors

SQL = queries("captures")
#: Finds a body by its hash and day: `body`, or one that knows the archive as well.
Reader = Callable[[Connection, bytes, date], bytes | None]
#: Who stores a page has the table for some milliseconds; a dump has it for hours.
DROP_ATTEMPTS = 10
DROP_AGAIN_S = 1.0


def days(connection: Connection, before: date) -> list[date]:
    """Return the days before this one that are over and still have captures, the oldest first.

    Raises:
        TransientError: Postgres is away.
    """
    with transient_errors():
        rows = connection.execute(SQL.days, {"before": before}).fetchall()
    return [day for (day,) in rows if isinstance(day, date)]


def drop(
    connection: Connection, day: date, first: Callable[[Connection, date], None] | None = None
) -> int:
    """Drop a day that is over, and return how many bodies went; those of dead letters stay.

    `first` is done in the same transaction, and may raise.

    Raises:
        TransientError: Postgres is away, or a long transaction, such as a dump, is in the way.
    """
    for attempt in range(1, DROP_ATTEMPTS + 1):
        try:
            with transient_errors(), connection.transaction():
                connection.execute(SQL.wait_briefly)
                if first:
                    # A page that came at midnight may be stored only now.
                    connection.execute(SQL.hold)
                    first(connection, day)
                ((dropped,),) = connection.execute(SQL.drop, {"day": day}).fetchall()
            return int(str(dropped))
        except TransientError as error:
            in_the_way = isinstance(error.__cause__, LockNotAvailable)
            if not in_the_way or attempt == DROP_ATTEMPTS:
                raise
            time.sleep(DROP_AGAIN_S)
    raise AssertionError


def drop_before(connection: Connection, day: date) -> Iterator[int]:
    """Drop all days before this one, and yield how many bodies went with each.

    Raises:
        TransientError: as `drop`.
    """
    partitions.roll(connection, "captures")  # what came before its partition has one then
    for old in days(connection, day):
        yield drop(connection, old)


def body(connection: Connection, sha256: bytes, day: date | None = None) -> bytes | None:
    """Return the bytes with this hash as they were received; None where they are not kept here.

    `day` is the page's `captured_on`: with it one partition is looked into, else, or where they are
    gone from there, all of them.

    Raises:
        TransientError: Postgres is away.
    """
    values = {"day": day, "sha256": sha256}
    with transient_errors():
        row = connection.execute(SQL.body, values, prepare=False).fetchone() if day else None
        row = row or connection.execute(SQL.body_of_any_day, values).fetchone()
    return compression.decompress(row[0]) if row and isinstance(row[0], bytes) else None
