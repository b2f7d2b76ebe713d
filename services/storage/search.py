"""Full-text search: articles into the index, and a query's results out."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

from psycopg.rows import dict_row

from services.storage import Connection, queries, transient_errors
from services.storage.text import storable

SQL = queries("search")
Row = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A query and its filters. Times of publication: where it is unknown, of storing."""

    query: str
    language: str | None = None
    source: str | None = None
    published_from: datetime | None = None
    published_to: datetime | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    sort: Literal["relevance", "newest"] = "relevance"
    limit: int = 20
    offset: int = 0
    mark_start: str = "<mark>"
    mark_stop: str = "</mark>"


def index(tx: Connection, ids: Sequence[int]) -> None:
    """Have articles found by what they say now, in the transaction that stores it. Repeatable."""
    if ids:
        tx.execute(SQL.index, {"ids": sorted(ids)})


def search(connection: Connection, what: Search) -> list[Row]:
    """Return the rows of media.search() as dictionaries, best or newest first.

    Raises:
        TransientError: Postgres is away.
    """
    with transient_errors(), connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(SQL.search, storable(asdict(what))).fetchall()
