"""What docs/consumers.md says of logical replication, tried on two servers."""

import os
import re
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from services.local import Stack, start
from services.storage import changes, connect, migrate, results
from tests.factories import stored
from tests.patience import until

PAGE = Path(__file__).resolve().parents[2] / "docs" / "consumers.md"
BLOCK = re.compile(r"^```sql (publisher|subscriber)\n(.*?)^```", re.MULTILINE | re.DOTALL)
CONNECTION = "host=rasid.example dbname=rasid user=replica password=secret"
ARTICLES = "select id, title, version from rasid.articles order by id"


def statements(side: str) -> list[list[str]]:
    """Return the statements of each block of a side; some can only run outside a transaction."""
    found = [block for name, block in BLOCK.findall(PAGE.read_text("utf-8")) if name == side]
    return [[s for s in re.split(r";\n", block) if s.strip()] for block in found]


def eventually(true: Callable[[], object]) -> None:
    """Return once it holds, on a server that may be restarting."""

    def holds() -> bool:
        with suppress(psycopg.OperationalError):
            return bool(true())
        return False

    until(holds, "it never happened")


def ask(stack: Stack, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        return connection.execute(query.encode()).fetchall()


def tell(stack: Stack, *orders: str) -> None:
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        for order in orders:
            connection.execute(order.encode())


def save(stack: Stack, url: str, text: str, hour: int) -> None:
    with connect(stack.database_url) as connection:
        results.save(connection, [stored(url, text, hour=hour, title=text)], 1)
        changes.publish(connection)


@pytest.mark.slow
def test_a_copy_keeps_up() -> None:
    """A subscriber has the articles and their changes: those that were there, and what comes."""
    with start(None, durable=False) as rasid, start(None, durable=False) as yours:
        migrate.migrate(rasid.database_url)
        (wal_level,), publish = statements("publisher")
        tell(rasid, wal_level)
        os.kill(rasid.pids()["postgres"], signal.SIGINT)
        eventually(lambda: ask(rasid, "show wal_level") == [("logical",)])
        tell(rasid, *publish)
        save(rasid, "https://a.example/1", "before", 1)

        (subscribe,) = statements("subscriber")
        host = parse_qs(urlsplit(rasid.database_url).query)["host"][0]
        tell(
            yours,
            *(s.replace(CONNECTION, f"host={host} dbname=rasid user=replica") for s in subscribe),
        )
        eventually(lambda: ask(yours, ARTICLES) == [(1, "before", 1)])
        eventually(lambda: ask(yours, "select position from rasid.changes") == [(1,)])

        save(rasid, "https://a.example/2", "new", 1)
        save(rasid, "https://a.example/1", "changed", 2)
        kinds = "select kind, article_id, version from rasid.changes order by position"
        eventually(lambda: len(ask(yours, kinds)) == 3)

        assert ask(yours, ARTICLES) == [(1, "changed", 2), (2, "new", 1)]
        assert ask(yours, kinds) == [("created", 1, 1), ("created", 2, 1), ("updated", 1, 2)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            tell(rasid, "set role replica", "select * from rasid.raw_pages")
        tell(yours, "drop subscription rasid")
        assert ask(rasid, "select slot_name from pg_replication_slots") == []
