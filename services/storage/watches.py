"""Watches, saved searches: articles are matched with them as they are stored."""

from collections.abc import Sequence
from datetime import datetime

from psycopg import errors as pg
from psycopg.rows import dict_row

from services.shared.contracts import Event
from services.shared.errors import RasidError
from services.storage import Connection, changes, queries, transient_errors
from services.storage.text import storable

SQL = queries("watches")
Row = dict[str, object]
#: Articles of the past that are matched in one transaction.
BATCH = 500


def match(tx: Connection, ids: Sequence[int], watch_id: int | None = None) -> list[Event]:
    """Note which watches find these articles and return the events of it, new matches only.

    The articles are in the search index, and the caller holds their locks; it emits the events.
    """
    if not ids:
        return []
    rows = tx.execute(SQL.match, {"ids": sorted(ids), "watch_id": watch_id})
    return [
        Event(
            kind="watch_matched",
            article_id=int(str(article_id)),
            version=int(str(version)),
            detail={"watch": watch},
        )
        for article_id, version, watch in rows
    ]


def add(
    connection: Connection, name: str, query: str, *, language: str | None, source: str | None
) -> int:
    """Save a watch and return its id; articles stored from now on are matched with it.

    Raises:
        RasidError: there is one of this name, or the query asks for nothing.
        TransientError: Postgres is away.
    """
    values: Row = {"name": name, "query": query, "language": language, "source": source}
    try:
        with transient_errors(), connection.transaction():
            row = connection.execute(SQL.add, storable(values)).fetchone()
    except pg.UniqueViolation:
        raise RasidError(f"there is a watch {name!r} already: `rasid watch list`") from None
    if row is None or row[0] is None:
        raise RasidError("the query asks for nothing: it needs a word that is to be there")
    return int(str(row[0]))


def match_past(connection: Connection, watch_id: int, since: datetime) -> int:
    """Match a watch with what is stored; return how many articles it newly found. Repeatable.

    Raises:
        TransientError: Postgres is away; what was matched until then stays.
    """
    with transient_errors():
        found = connection.execute(SQL.past, {"watch_id": watch_id, "since": since}).fetchall()
    ids = [int(str(article_id)) for (article_id,) in found]
    count = 0
    for first in range(0, len(ids), BATCH):
        batch = ids[first : first + BATCH]
        with transient_errors(), connection.transaction():
            connection.execute(SQL.lock_articles, {"ids": batch})
            events = match(connection, batch, watch_id)
            changes.emit(connection, events)
        count += len(events)
    changes.publish(connection)
    return count


def listing(connection: Connection, name: str | None = None) -> list[Row]:
    """Return watches by name, with how often each has matched and when last.

    Raises:
        TransientError: Postgres is away.
    """
    with transient_errors(), connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(SQL.list, {"name": name}).fetchall()


def matches(connection: Connection, name: str, limit: int | None) -> list[Row]:
    """Return the articles a watch has found, the last first.

    Raises:
        TransientError: Postgres is away.
    """
    with transient_errors(), connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(SQL.matches, {"name": name, "limit": limit}).fetchall()


def remove(connection: Connection, name: str) -> None:
    """Remove a watch and what it has found; the change feed keeps telling of it.

    Raises:
        TransientError: Postgres is away.
    """
    with transient_errors():
        connection.execute(SQL.remove, {"name": name})
