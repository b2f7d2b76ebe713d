"""Roles: each process may do in the database what it needs for its work, and nothing else."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from services.storage import roles

Connection = psycopg.Connection[Any]


@pytest.fixture
def owner(database_url: str) -> Iterator[Connection]:
    """A connection of who migrates."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def test_grants_name_what_there_is(owner: Connection) -> None:
    """Each table has a line in grants.toml, and what stands there is in the schema."""
    wanted = roles.grants()
    known = roles.tables(owner)
    views = {view for (view,) in owner.execute(roles.SQL.views)}
    names = {"names": list(wanted.functions)}
    functions = {name for _, name in owner.execute(roles.SQL.functions, names)}

    assert set(wanted.tables) == set(known)
    assert [r for r in roles.rights(wanted) if not r.columns <= known[r.table]] == []
    assert set(wanted.media) - views == {"all"}
    assert functions == set(wanted.functions)
    callers = [
        role for by in (wanted.media, wanted.functions) for row in by.values() for role in row
    ]
    assert set(callers) <= set(wanted.roles)
