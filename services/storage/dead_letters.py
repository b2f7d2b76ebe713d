"""Dead letters: list them, fetch their pages, discard them; `replays` reads them again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from services.shared import compression, page_header
from services.shared.contracts import RawPage
from services.storage import Connection, queries, transient_errors
from services.storage.text import storable

SQL = queries("dead_letters")


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A dead letter as operators see it."""

    page_id: str
    reason: str
    detail: str
    attempts: int
    failures_count: int
    last_failed_at: datetime
    replayed_at: datetime | None
    url: str | None
    origin: str | None
    traceback: str


def listing(
    connection: Connection,
    *,
    reason: str | None = None,
    ids: Sequence[str] | None = None,
    limit: int | None = None,
) -> list[Letter]:
    """Return dead letters, the newest first.

    Raises:
        TransientError: Postgres is away.
    """
    values: dict[str, object] = {
        "reason": reason,
        "ids": None if ids is None else list(ids),
        "limit": limit,
    }
    with transient_errors(), connection.cursor(row_factory=class_row(Letter)) as cursor:
        return cursor.execute(SQL.list, storable(values)).fetchall()


def raw_page(connection: Connection, page_id: str) -> RawPage | None:
    """Return the raw page of a dead letter, or None where its body was never received.

    Raises:
        TransientError: Postgres is away.
        InvalidMessage: what is kept is not a raw page.
    """
    with transient_errors():
        row = connection.execute(SQL.body, {"id": page_id}).fetchone()
    if row is None or row[0] is None or row[1] is None:
        return None
    header, body = str(row[0]), row[1]
    assert isinstance(body, bytes)  # noqa: S101 - for the type checker
    return page_header.decode(header.encode(), compression.decompress(body))


def discard(connection: Connection, ids: Sequence[str]) -> None:
    """Remove dead letters for good; their raw pages keep saying what happened."""
    with transient_errors(), connection.transaction():
        connection.execute(SQL.discard, {"ids": list(ids)})
