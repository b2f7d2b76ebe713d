"""Migrations: safe to run by several at once, and never on a schema they do not know."""

from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any

import psycopg
import pytest

from services.shared.errors import NotMigrated, RasidError
from services.storage import connect, migrate, results
from tests.factories import stored
from tests.released.make import FIRST

RELEASED = sorted((Path(__file__).parents[1] / "released").glob("*.sql"))
Connection = psycopg.Connection[Any]
Tables = dict[str, list[dict[str, Any]]]

TABLES = """
    select c.oid::regclass::text from pg_class as c
    where c.relnamespace = 'rasid'::regnamespace and c.relkind in ('r', 'p') and not relispartition
"""


def test_several_at_once(empty_database_url: str) -> None:
    """Each migration is applied by one of them, once; all of them see the newest schema."""
    with ThreadPoolExecutor(4) as pool:
        applied = list(pool.map(migrate.migrate, [empty_database_url] * 4))

    assert sorted(chain.from_iterable(applied)) == [
        migration.name for migration in migrate.migrations()
    ]
    connect(empty_database_url).close()


@pytest.fixture(params=RELEASED, ids=lambda path: path.stem)
def released(request: pytest.FixtureRequest, empty_database_url: str) -> str:
    """A database as an earlier release left it, with data in every table."""
    version = int(request.param.stem)
    with pytest.MonkeyPatch.context() as patch:
        older = tuple(m for m in migrate.migrations() if m.version <= version)
        patch.setattr(migrate, "migrations", lambda: older)
        migrate.migrate(empty_database_url)
    with psycopg.connect(empty_database_url) as connection:
        # Rows stand in the order of their tables: what they refer to may come later.
        connection.execute("set session_replication_role = replica")
        # What the migrations put there is in the file as well.
        connection.execute(f"truncate {', '.join(tables(connection))}")
        connection.execute(request.param.read_text("utf-8"))
    return empty_database_url


def tables(connection: Connection) -> Tables:
    """Return all rows of all tables of schema rasid but the list of migrations."""
    names = [name for (name,) in connection.execute(TABLES)]
    return {
        name: [row for (row,) in connection.execute(f"select to_jsonb(t) from {name} as t")]
        for name in names
    }


def test_from_each_released_schema(released: str) -> None:
    """The newest schema holds all that the older one held, and Rasid works on it."""
    with psycopg.connect(released) as connection:
        before = tables(connection)
        articles = connection.execute("select * from media.articles order by id").fetchall()
    applied = migrate.migrate(released)
    with psycopg.connect(released) as connection:
        after = tables(connection)

    empty = [name for name, rows in before.items() if not rows]
    every = [migration.name for migration in migrate.migrations()]
    assert (applied, empty) == (every[len(every) - len(applied) :], [])
    for name, rows in before.items():
        assert len(after[name]) == len(rows), name
        kept = [{key: row.get(key) for key in rows[0]} for row in after[name]]
        assert all(row in kept for row in rows), name

    with connect(released) as connection:
        width = len(articles[0])
        newest = connection.execute(b"select * from media.articles order by id").fetchall()
        assert [row[:width] for row in newest] == articles
        (decision,) = results.save(connection, [stored(FIRST, "نص ثالث", hour=9)], 1)
        assert (decision.status, decision.article_id) == ("updated", 1)
    assert migrate.migrate(released) == []


def test_newer_schema(database_url: str) -> None:
    """A schema that a newer Rasid made is left alone, and named."""
    statement = "insert into rasid_migrations.applied values (9999, 'later', '')"
    with psycopg.connect(database_url) as connection:
        connection.execute(statement)

    for action in (migrate.migrate, connect):
        with pytest.raises(NotMigrated, match="newer than this code"):
            action(database_url)


def test_edited_migration(database_url: str) -> None:
    """A migration that is not the one that was applied is named."""
    with psycopg.connect(database_url) as connection:
        connection.execute("update rasid_migrations.applied set sha256 = '' where version = 1")

    with pytest.raises(RasidError, match="0001_initial was edited"):
        migrate.migrate(database_url)
