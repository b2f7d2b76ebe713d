"""The change feed from the readers' side: only what role rasid_reader may read, on any server."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import errors as pg

from services.shared.errors import RasidError
from services.storage import Connection, open_connection, queries, transient_errors

SQL = queries("change_feed")
#: What media.changes() says of a cursor: ahead of the feed, older than what is kept, from a history
#: that was lost when the database was restored.
AHEAD, PRUNED, LOST = "RC001", "RC002", "RC003"

#: A row of media.change_feed: column name to JSON value, times as ISO 8601 in UTC.
Change = dict[str, Any]


class CursorLost(RasidError):
    """The cursor is not one of this database's history; `Reader.shared` tells where they part."""


class Reader:
    """A connection that reads the feed and is woken by it; of no use after an error."""

    def __init__(self, database_url: str) -> None:
        """Connect, and listen where the server lets us: a standby does not.

        Raises:
            TransientError: the server cannot be reached.
        """
        self._connection: Connection = open_connection(database_url)
        try:
            with transient_errors():
                ((self._standby,),) = self._connection.execute(SQL.is_standby).fetchall()
                if not self._standby:
                    self._connection.execute(SQL.listen)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def reach(self) -> tuple[int, int]:
        """Return the smallest cursor that is taken, and the newest position.

        Raises:
            TransientError: the server cannot be reached.
            RasidError: this database has no change feed, or this role may not read it.
        """
        with transient_errors(), _explained():
            ((first, last),) = self._connection.execute(SQL.reach).fetchall()
        return int(str(first)), int(str(last))

    def shared(self, after: int) -> int:
        """Return the last position up to which a cursor's history is this database's own.

        Raises:
            TransientError: the server cannot be reached.
            RasidError: as for `reach`.
        """
        with transient_errors(), _explained():
            ((position,),) = self._connection.execute(SQL.shared, {"after": after}).fetchall()
        return int(str(position))

    def read(self, after: int, count: int, *, full: bool = False) -> list[Change]:
        """Return the next changes after a position; with `full`, each with its `article` as it is.

        Raises:
            TransientError: the server cannot be reached, or is a standby that lags behind.
            CursorLost: the cursor is from another database, or from before this was restored.
            RasidError: the cursor is older than what is kept; or as for `reach`.
        """
        values = {"after": after, "count": count}
        query = SQL.changes_with_articles if full else SQL.changes
        with transient_errors(), _explained(), self._connection.cursor() as cursor:
            try:
                return [row for (row,) in cursor.execute(query, values)]  # type: ignore[misc]
            except psycopg.DatabaseError as error:
                if error.sqlstate == AHEAD and self._standby:
                    return []  # it has not got there yet
                raise

    def wait(self, seconds: float) -> None:
        """Return when something was published, or after so many seconds.

        Raises:
            TransientError: the server cannot be reached.
        """
        with transient_errors():
            for _ in self._connection.notifies(timeout=seconds, stop_after=1):
                pass


@contextmanager
def _explained() -> Iterator[None]:
    """Turn what no retry mends into an error that says what to do."""
    try:
        yield
    except (pg.UndefinedTable, pg.UndefinedFunction, pg.InvalidSchemaName):
        raise RasidError("this database has no change feed: run `rasid migrate` on it") from None
    except pg.InsufficientPrivilege:
        raise RasidError(
            "this role may not read schema media: `grant rasid_reader to` it"
        ) from None
    except psycopg.DatabaseError as error:
        if error.sqlstate not in (AHEAD, PRUNED, LOST):
            raise
        told = error.diag
        kind = RasidError if error.sqlstate == PRUNED else CursorLost
        raise kind(f"{told.message_primary}. {told.message_hint}") from None
