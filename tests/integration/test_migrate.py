"""Migrations: safe to run by several at once, and never on a schema they do not know."""

from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import psycopg
import pytest

from services.shared.errors import NotMigrated, RasidError
from services.storage import connect, migrate


def test_several_at_once(empty_database_url: str) -> None:
    """Each migration is applied by one of them, once; all of them see the newest schema."""
    with ThreadPoolExecutor(4) as pool:
        applied = list(pool.map(migrate.migrate, [empty_database_url] * 4))

    assert sorted(chain.from_iterable(applied)) == [
        migration.name for migration in migrate.migrations()
    ]
    connect(empty_database_url).close()


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
