"""An age goes in; what is older is counted, or removed in small batches, each its own transaction.

Captures go by whole days. Articles, their versions and their stories are never removed. Bands and
passages are not looked into after a while and go by themselves, a partition at a time.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, get_args

from services.shared.errors import RasidError
from services.storage import Connection, captures, queries, transient_errors

SQL = queries("prune")

Kind = Literal["captures", "pages", "refusals", "changes"]
KINDS: tuple[Kind, ...] = get_args(Kind)
#: Blocks of 8 kB that one transaction walks: a thousand rows or so of each table.
BLOCKS = {"pages": 64, "refusals": 64}
TABLES = {
    "pages": "rasid.raw_pages",
    "refusals": "rasid.import_refusals",
}
CHANGES = 5_000


@dataclass(frozen=True, slots=True)
class Due:
    """How many rows are older than their time, of how many, and about how many bytes that is."""

    rows: int
    of_rows: int
    bytes: int


def due(connection: Connection, kind: Kind, before: datetime) -> Due:
    """Count what is older; nothing is changed.

    Raises:
        TransientError: Postgres is away.
    """
    values = {"before": before, "day": before.astimezone(UTC).date()}
    with transient_errors():
        row = connection.execute(getattr(SQL, f"{kind}_due"), values).fetchone()
    assert row is not None  # noqa: S101 - aggregates give one row
    rows, of_rows, size = (int(str(value)) for value in row)
    return Due(rows, of_rows, size * rows // of_rows if of_rows else 0)


def prune(connection: Connection, kind: Kind, before: datetime) -> Iterator[int]:
    """Remove what is older and yield the rows of each batch, which is committed by then.

    Stopped anywhere, the next run does the rest.

    Raises:
        TransientError: Postgres is away.
    """
    if kind == "captures":
        yield from captures.drop_before(connection, before.astimezone(UTC).date())
        return
    values: dict[str, object] = {"before": before}
    with transient_errors():
        if kind == "changes":
            while True:
                row = connection.execute(SQL.prune_changes, values | {"rows": CHANGES}).fetchone()
                removed = int(str(row[0])) if row else 0
                yield removed
                if removed < CHANGES:
                    return
        found = connection.execute(SQL.blocks, {"table": TABLES[kind]}).fetchone()
        blocks, step = int(str(found[0])) if found else 0, BLOCKS[kind]
        for first in range(0, blocks, step):
            yield connection.execute(
                getattr(SQL, f"prune_{kind}"), values | {"first": first, "last": first + step}
            ).rowcount


@contextmanager
def alone(connection: Connection) -> Iterator[None]:
    """Be the only one who prunes, archives or purges, for the time of the block.

    Raises:
        RasidError: another does.
        TransientError: Postgres is away.
    """
    with transient_errors():
        row = connection.execute(SQL.lock).fetchone()
    if not row or not row[0]:
        raise RasidError(
            "another `rasid prune`, `archive` or `purge` runs on this database, or was killed just "
            "now and its last statement has not ended: run it again in a moment"
        )
    yield
    with transient_errors():
        connection.execute(SQL.unlock)
