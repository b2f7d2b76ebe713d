"""The only code that speaks SQL: connections, named queries, and which errors are transient."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
from psycopg import errors as pg

from services.shared.errors import NotMigrated, RasidError, TransientError

HERE = Path(__file__).parent
NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
#: In a query, the place of another one: `{addresses.pages}`.
PART = re.compile(r"\{(\w+)\.(\w+)\}")
#: Errors after which the very same statement may succeed later: server away, restarting, full,
#: read-only, out of connections, or two writers in each other's way.
TRANSIENT = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    pg.ReadOnlySqlTransaction,
)

Connection = psycopg.Connection[tuple[object, ...]]


class Queries:
    """The named queries of one .sql file, as attributes."""

    def __init__(self, name: str) -> None:
        """Read `sql/NAME.sql`: each query follows a line `-- name: its_name`.

        It may hold one of another file, as `{file.query}`.
        """
        self._name = name
        parts = NAME.split((HERE / "sql" / f"{name}.sql").read_text("utf-8"))
        self._queries = {
            key: PART.sub(_part, sql.strip()).encode()
            for key, sql in zip(parts[1::2], parts[2::2], strict=True)
        }

    def __getattr__(self, key: str) -> bytes:
        """Return the query's text."""
        try:
            return self._queries[key]
        except KeyError:
            raise AttributeError(f"no query {key!r} in sql/{self._name}.sql") from None


@cache
def queries(name: str) -> Queries:
    """Return the named queries of `sql/NAME.sql`, read once."""
    return Queries(name)


def _part(place: re.Match[str]) -> str:
    part: bytes = getattr(queries(place[1]), place[2])
    return part.decode()


@contextmanager
def transient_errors() -> Iterator[None]:
    """Turn the driver's transient errors into TransientError, with the cause chained."""
    try:
        yield
    except (pg.ProgramLimitExceeded, pg.StatementTooComplex):
        raise  # a value that no index holds, or too deep: it will not be less the next time
    except TRANSIENT as error:
        reason = str(error).strip().splitlines()
        raise TransientError(
            f"Postgres: {reason[0] if reason else type(error).__name__}"
        ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long a connection waits for the server, and whether it may write."""

    #: Seconds for one statement; without an answer the connection is given up.
    patience_s: float | None = None
    #: Seconds after which the server gives a statement up by itself.
    statement_s: int | None = None
    #: Nothing is written, whoever logs in.
    read_only: bool = False


NO_LIMITS = Limits()


class _Impatient(psycopg.Connection[tuple[object, ...]]):
    """A connection that does not wait for ever for a server that is frozen."""

    #: Seconds for one statement.
    patience_s: float | None = None

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait for an answer, but no longer than the patience lasts."""
        if timeout is not None:  # for what nobody has to answer: a notification
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.patience_s)
        except pg._WaitTimeout:  # noqa: SLF001 - its only name
            # What has not answered has no known state.
            self.pgconn.finish()
            raise psycopg.OperationalError(f"no answer within {self.patience_s} s") from None


def open_connection(database_url: str, limits: Limits = NO_LIMITS) -> Connection:
    """Return a connection in UTC, whatever the schema's state.

    Waiting for another's lock ends after ten seconds, as a TransientError; so does waiting for a
    statement beyond the limits.

    Each statement commits by itself, and `connection.transaction()` commits at its end: with the
    driver's default a mere look at a table would open a transaction around both, which nobody ends.

    Raises:
        TransientError: the server cannot be reached or refuses.
        RasidError: the address is none.
    """
    try:
        with transient_errors():
            connection = _Impatient.connect(
                database_url,
                autocommit=True,
                connect_timeout=max(2, int(min(limits.patience_s or 10, 10))),
                application_name="rasid",
                # All of it well below the limit of a task, whose pages would else be blamed.
                options="-c timezone=UTC -c lock_timeout=10s"
                # A process that is stopped in a transaction must not hold its rows for ever.
                " -c idle_in_transaction_session_timeout=5min"
                # Each statement sees what was committed before it: all locking counts on it.
                " -c default_transaction_isolation=read\\ committed"
                + (f" -c statement_timeout={limits.statement_s}s" if limits.statement_s else "")
                + (" -c default_transaction_read_only=on" if limits.read_only else ""),
                keepalives_idle=10,
                keepalives_interval=5,
                keepalives_count=3,
                tcp_user_timeout=25_000,
            )
            connection.patience_s = limits.patience_s
            return connection
    except psycopg.ProgrammingError:
        # The driver's words hold a part of the address, which may be the password.
        raise RasidError(
            "DATABASE_URL is not an address like postgresql://USER:PASSWORD@HOST:5432/NAME; "
            "letters such as @ / : in a password are written as %40 %2F %3A"
        ) from None


def connect(database_url: str, limits: Limits = NO_LIMITS) -> Connection:
    """Return a connection to a database whose schema fits this code; see `open_connection`.

    Raises:
        TransientError: the server cannot be reached or refuses.
        NotMigrated: the schema is missing, older or newer.
    """
    from services.storage import migrate  # noqa: PLC0415 - migrate needs open_connection

    connection = open_connection(database_url, limits)
    try:
        with transient_errors():
            there = migrate.version(connection)
        check_version(there, migrate.latest())
    except BaseException:
        connection.close()
        raise
    return connection


def check_version(there: int, needed: int) -> None:
    """Return if the schema's version is the one this code needs.

    Raises:
        NotMigrated: it is not; the message says what to do.
    """
    if there < needed:
        raise NotMigrated(
            f"the database's schema is at version {there}, this code needs {needed}: "
            "run `rasid migrate`"
        )
    if there > needed:
        raise NotMigrated(
            f"the database's schema is at version {there}, newer than this code ({needed}): "
            "install the newer Rasid"
        )


class Database:
    """One process's connection: opened when first needed, opened again after it broke."""

    def __init__(self, database_url: str, limits: Limits = NO_LIMITS) -> None:
        """Remember where the database is, nothing is opened yet; see `open_connection`."""
        self._url = database_url
        self._limits = limits
        self._connection: Connection | None = None

    def connection(self) -> Connection:
        """Return a live connection; a broken one is replaced.

        Raises:
            TransientError: the server cannot be reached or refuses.
        """
        if self._connection is not None:
            try:
                self._connection.execute(b"select 1")
            except psycopg.Error:
                self.close()
        if self._connection is None:
            self._connection = connect(self._url, self._limits)
        return self._connection

    def close(self) -> None:
        """Close the connection if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
