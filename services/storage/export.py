"""A selection of articles goes in; their rows come out as JSON texts, in one snapshot, by id."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from psycopg import errors as pg
from psycopg import sql

from services.shared.errors import NotMigrated, RasidError
from services.storage import Connection, open_connection, queries, transient_errors
from services.storage.text import storable

SQL = queries("export")
#: Rows that are fetched at once; what an export holds in memory.
FETCH_ROWS = 500
#: Of schema media, that this code can read.
MAJOR = "1"

TimeColumn = Literal["published_at", "created_at", "updated_at"]
TIME_COLUMNS: tuple[TimeColumn, ...] = get_args(TimeColumn)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which articles, and which of their columns (all where none is named).

    `since` is the first instant that is in, `before` the first that is not; an article that has
    no such time is left out by either. `query` is one of media.search.
    """

    query: str | None = None
    source: str | None = None
    language: str | None = None
    since: datetime | None = None
    before: datetime | None = None
    time: TimeColumn = "published_at"
    #: One article for each story, as media.distinct_articles has it.
    distinct: bool = False
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Start:
    """What the store held when an export began: a follower continues after `feed_position`."""

    feed_position: int
    #: The newest article; later ones are not exported.
    until_id: int
    schema_version: str


def open_for_reading(database_url: str) -> Connection:
    """Return a connection that can read schema media, which is all that an export needs.

    Any role that was given rasid_reader will do, and any version of the contract that this code
    can read.

    Raises:
        NotMigrated: there is no schema media, or one of another major version.
        RasidError: this role may not read it.
        TransientError: the server cannot be reached or refuses.
    """
    connection = open_connection(database_url)
    try:
        _check_contract(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _check_contract(connection: Connection) -> None:
    try:
        with transient_errors():
            row = connection.execute(SQL.schema_version).fetchone()
    except (pg.UndefinedFunction, pg.InvalidSchemaName):
        raise NotMigrated("the database has no schema media: run `rasid migrate`") from None
    except pg.InsufficientPrivilege:
        raise RasidError("this role may not read schema media: grant rasid_reader to it") from None
    found = str(row[0]) if row else ""
    if found.partition(".")[0] != MAJOR:
        raise NotMigrated(f"schema media has version {found}; this Rasid reads {MAJOR}.x")


def columns(connection: Connection, chosen: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the chosen columns of media.articles, or all, each with its Postgres type, in order.

    Raises:
        RasidError: there is no such column; the message names those there are.
        TransientError: Postgres is away.
    """
    with transient_errors():
        there = {str(name): str(kind) for name, kind in connection.execute(SQL.columns)}
    for name in chosen:
        if name not in there:
            raise RasidError(f"no column {name!r} in media.articles; it has {', '.join(there)}")
    return {name: there[name] for name in chosen or there}


@contextmanager
def snapshot(connection: Connection) -> Iterator[Start]:
    """Read everything in the block as it is now, whatever is written meanwhile.

    Raises:
        TransientError: Postgres is away.
    """
    with transient_errors(), connection.transaction():
        connection.execute(SQL.one_snapshot)
        row = connection.execute(SQL.start).fetchone()
        assert row is not None  # noqa: S101 - the table has one row
        yield Start(int(str(row[0])), int(str(row[1])), str(row[2]))


def rows(
    connection: Connection, selection: Selection, *, after: int, until: int
) -> Iterator[tuple[int, bytes]]:
    """Yield id and JSON object of the selected articles with `after` < id <= `until`, by id.

    The object is one line of UTF-8 with the columns in their order. To be called in a `snapshot`;
    however many there are, a few hundred are in memory.

    Raises:
        RasidError: this role may not look for a query.
        TransientError: Postgres is away.
    """
    names = columns(connection, selection.columns)
    values: dict[str, object] = {
        "after": after,
        "until": until,
        "source": selection.source,
        "language": selection.language,
        "since": selection.since,
        "before": selection.before,
    }
    found = b"true"
    if selection.query is not None:
        question = storable({"query": selection.query, "language": selection.language})
        try:
            with transient_errors():
                asked = connection.execute(SQL.asked, question).fetchone()
        except pg.InsufficientPrivilege:
            raise RasidError(
                "an export by query needs the role that owns Rasid's tables; media.search() is for "
                "every reader"
            ) from None
        found, values["asked"] = SQL.that_match, asked and asked[0]
    query = sql.SQL(SQL.rows.decode()).format(
        view=sql.Identifier("distinct_articles" if selection.distinct else "articles"),
        columns=sql.SQL(", ").join(sql.Identifier("a", name) for name in names),
        time=sql.Identifier(selection.time),
        found=sql.SQL(found.decode()),
    )
    with transient_errors(), connection.cursor("export", binary=True) as cursor:
        cursor.itersize = FETCH_ROWS
        yield from cursor.execute(query, storable(values))
