"""How far each file of many pages has been imported, and what was refused."""

from collections.abc import Sequence
from typing import NamedTuple

from services.storage import Connection, queries, transient_errors
from services.storage.text import storable

SQL = queries("imports")


class ImportKey(NamedTuple):
    """What tells one state of a file from another: real path, bytes, nanoseconds since 1970."""

    path: str
    size_bytes: int
    modified_ns: int


class ImportState(NamedTuple):
    """How far a file has come: the last record done (0: none), and what came of the records."""

    position: int
    pages_count: int
    refused_count: int
    finished: bool


class RefusedRow(NamedTuple):
    """A file or record that was refused; the reason is one of the importer's closed set."""

    origin: str
    reason: str
    detail: str


class ImportStep(NamedTuple):
    """What was done of a file since the last step, up to record number `position`."""

    position: int
    pages_count: int
    refused: Sequence[RefusedRow]
    finished: bool


def begin(connection: Connection, key: ImportKey, *, again: bool) -> ImportState:
    """Return where to go on with a file; `again` starts it anew.

    Raises:
        TransientError: Postgres is away.
    """
    with transient_errors(), connection.transaction():
        row = connection.execute(SQL.begin, {**key._asdict(), "again": again}).fetchone()
    return ImportState(*row)  # type: ignore[misc] # the statement always returns its row


def advance(connection: Connection, key: ImportKey, step: ImportStep) -> None:
    """Write down, in one transaction, what was done since the last call.

    Raises:
        TransientError: Postgres is away.
    """
    values = {**key._asdict(), **step._asdict(), "refused_count": len(step.refused)}
    with transient_errors(), connection.transaction():
        connection.execute(SQL.advance, values)
        _refuse(connection, step.refused)


def refuse(connection: Connection, refused: Sequence[RefusedRow]) -> None:
    """Write down what was refused.

    Raises:
        TransientError: Postgres is away.
    """
    with transient_errors(), connection.transaction():
        _refuse(connection, refused)


def _refuse(connection: Connection, refused: Sequence[RefusedRow]) -> None:
    with connection.cursor() as cursor:
        rows = [storable(row._asdict()) for row in refused]
        cursor.executemany(SQL.refuse, rows)
