"""Schema media is a contract: it changes with its version, and its readers read nothing else."""

import copy
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import psycopg
import pytest
from psycopg import errors as pg
from psycopg import sql

from tests.contract.make import Contract, breakages, describe, path_of, recorded, write

Connection = psycopg.Connection[Any]

COLUMNS_WITHOUT = """
    select c.relname || '.' || a.attname
    from pg_class as c
    join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where c.relnamespace = 'media'::regnamespace and col_description(c.oid, a.attnum) is null
    union all
    select relname from pg_class
    where relnamespace = 'media'::regnamespace and obj_description(oid, 'pg_class') is null
    union all
    select proname from pg_proc
    where pronamespace = 'media'::regnamespace and obj_description(oid, 'pg_proc') is null
"""
VIEWS = "select relname from pg_class where relnamespace = 'media'::regnamespace"
TABLES = """
    select relnamespace::regnamespace::text, relname from pg_class
    where relkind in ('r', 'p', 'v', 'm', 'S', 'f')
        and relnamespace::regnamespace::text not in ('media', 'pg_catalog', 'information_schema')
        and relnamespace::regnamespace::text !~ '^pg_toast'
"""
FUNCTIONS = """
    select proname, pronargs, proargtypes::oid[]::regtype[]::text[], prosecdef, proconfig, prokind
    from pg_proc where pronamespace = 'media'::regnamespace
"""


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    """A connection of the owner."""
    with psycopg.connect(database_url) as connection:
        yield connection


def as_reader(connection: Connection) -> Connection:
    """Become what consumers are."""
    connection.execute("set role rasid_reader")
    return connection


def test_a_change_needs_a_new_version(connection: Connection) -> None:
    """Views and functions are those that the file of their version has.

    Give media.schema_version() a new version in your migration; then, and also where the version
    was not released yet: `PYTHONPATH=. python -m tests.contract.make` (there with --again).
    """
    there = describe(connection)
    path = path_of(there["version"])

    assert path.exists(), f"run python -m tests.contract.make to write {path.name}"
    assert write(there) == path.read_text("utf-8")


def test_minor_versions_only_add() -> None:
    """Whoever reads 1.2 can read 1.3: within a major version nothing goes or moves."""
    contracts = recorded()
    for older, newer in pairwise(contracts):
        if older["version"].split(".")[0] == newer["version"].split(".")[0]:
            assert breakages(older, newer) == [], (older["version"], newer["version"])


VERSION = "schema_version"
BREAKING: dict[str, Callable[[Contract], object]] = {
    "view gone": lambda new: new["views"].pop("sources"),
    "column gone": lambda new: new["views"]["articles"].pop(3),
    "column in between": lambda new: new["views"]["articles"].insert(3, ["new", "text"]),
    "type": lambda new: new["views"]["articles"][3].__setitem__(1, "integer"),
    "function gone": lambda new: new["functions"].pop(VERSION),
    "argument": lambda new: new["functions"][VERSION]["arguments"].append(["of", "text", False]),
    "result": lambda new: new["functions"][VERSION].update(result="integer"),
}
HARMLESS: dict[str, Callable[[Contract], object]] = {
    "column added": lambda new: new["views"]["articles"].append(["new", "text"]),
    "view added": lambda new: new["views"].update(new=[["id", "bigint"]]),
    "argument": lambda new: new["functions"][VERSION]["arguments"].append(["of", "text", True]),
}


@pytest.mark.parametrize("change", BREAKING.values(), ids=BREAKING.keys())
def test_what_breaks_consumers(change: Callable[[Contract], object]) -> None:
    """What a consumer relies on is noticed when it goes."""
    newest = recorded()[-1]
    new = copy.deepcopy(newest)
    change(new)
    assert breakages(newest, new)


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS.keys())
def test_what_does_not(change: Callable[[Contract], object]) -> None:
    """What comes after the rest breaks nobody, and yet is a change."""
    newest = recorded()[-1]
    new = copy.deepcopy(newest)
    change(new)
    assert new != newest
    assert breakages(newest, new) == []


def test_everything_has_a_comment(connection: Connection) -> None:
    """Each view, column and function of schema media says what it is."""
    assert connection.execute(COLUMNS_WITHOUT).fetchall() == []


def test_readers_may_read_the_contract(connection: Connection) -> None:
    """Each view can be read and each function called by rasid_reader."""
    views = [name for (name,) in connection.execute(VIEWS)]
    functions = connection.execute(FUNCTIONS).fetchall()
    reader = as_reader(connection)
    for view in views:
        reader.execute(sql.SQL("select * from media.{}").format(sql.Identifier(view)))
    for name, _, kinds, _, _, _ in functions:
        nothing = sql.SQL(", ").join(sql.SQL("null::" + kind) for kind in kinds)
        call = sql.SQL("select * from media.{}({})").format(sql.Identifier(name), nothing)
        try:
            with reader.transaction():
                reader.execute(call)
        except pg.InsufficientPrivilege:
            raise
        except (pg.DataError, pg.RaiseException, pg.NullValueNotAllowed):
            pass  # it was called, and does not like null


def test_readers_may_read_what_comes(connection: Connection) -> None:
    """A view that a later migration adds needs no grant of its own."""
    connection.execute("create view media.later as select 1 as one")
    assert as_reader(connection).execute("select one from media.later").fetchone() == (1,)


def test_readers_may_do_nothing_else(connection: Connection) -> None:
    """rasid_reader reads no table, changes nothing, and creates nothing."""
    tables = connection.execute(TABLES).fetchall()
    views = [name for (name,) in connection.execute(VIEWS)]
    reader = as_reader(connection)
    refused: list[sql.SQL | sql.Composed] = [
        *(
            sql.SQL("select * from {}").format(sql.Identifier(schema, name))
            for schema, name in tables
        ),
        *(sql.SQL("delete from media.{}").format(sql.Identifier(view)) for view in views),
        sql.SQL("update media.articles set title = 'x'"),
        sql.SQL("insert into media.sources (name) values ('x')"),
        sql.SQL("create table media.mine (id int)"),
        sql.SQL("create table rasid.mine (id int)"),
        sql.SQL("create table public.mine (id int)"),
        sql.SQL("create schema mine"),
        sql.SQL("drop view media.sources"),
        sql.SQL("select rasid.publish_changes()"),
        sql.SQL("copy (select 1) to program 'true'"),
        sql.SQL("create role mine"),
    ]

    assert len(tables) > 15
    for statement in refused:
        with pytest.raises((pg.InsufficientPrivilege, pg.ObjectNotInPrerequisiteState)):  # noqa: SIM117
            with reader.transaction():
                reader.execute(statement)


def test_functions_of_the_owner_look_nowhere_else(connection: Connection) -> None:
    """A function that runs with its owner's rights has a search path of its own."""
    for name, _, _, owners_rights, settings, _ in connection.execute(FUNCTIONS):
        if owners_rights:
            assert any(s.startswith("search_path=") for s in settings or ()), name
