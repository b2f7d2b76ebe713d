"""grants.toml goes in; roles and their rights on the database come out as it says.

Applied by every migrate run, in one transaction: nobody is without the rights he has before and
after it.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from psycopg import errors as pg
from psycopg import sql

from services.storage import Connection, queries

SQL = queries("roles")
PREFIX = "rasid_"
SCHEMAS = ("rasid", "rasid_migrations", "media")
#: Who holds a transaction open and does nothing is sent away.
LIMITS = {"idle_in_transaction_session_timeout": "5min"}
#: A consumer's statement ends after this; one that reads everything sets its own limit.
READER_LIMITS = LIMITS | {"statement_timeout": "30s"}
RIGHT = re.compile(r"(select|insert|update|delete)(?:\(([\w, ]+)\))?(?:, |$)")

Part = sql.Composable


@dataclass(frozen=True, slots=True)
class Grants:
    """Who may do what: role names without their prefix, rights on tables as written."""

    roles: Mapping[str, str]
    media: Mapping[str, Sequence[str]]
    tables: Mapping[str, Mapping[str, str]]
    functions: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Right:
    """One right of a role on a table; on all columns where none are named."""

    table: str
    role: str
    name: str
    columns: frozenset[str]


@cache
def grants() -> Grants:
    """Return what grants.toml says."""
    text = Path(__file__).with_name("grants.toml").read_text("utf-8")
    return Grants(**tomllib.loads(text))


def rights(wanted: Grants) -> Iterator[Right]:
    """Return the rights on tables, one by one.

    Raises:
        ValueError: a line is not understood.
    """
    for table, by_role in wanted.tables.items():
        for role, text in by_role.items():
            if RIGHT.sub("", text) or role not in wanted.roles:
                raise ValueError(f"grants.toml: {table}: {role} = {text!r}")
            for name, columns in RIGHT.findall(text):
                yield Right(table, role, name, frozenset(re.findall(r"\w+", columns)))


def tables(connection: Connection) -> dict[str, frozenset[str]]:
    """Return the columns of each table of schema rasid; partitions are not tables of their own."""
    rows: list[tuple[str, list[str]]] = connection.execute(SQL.columns).fetchall()  # type: ignore[assignment]
    return {table: frozenset(columns) for table, columns in rows}


def apply(connection: Connection) -> list[str]:
    """Make the roles that are missing and give each its rights; return those that cannot be made.

    What the schema does not have (yet) is passed over.
    """
    wanted = grants()
    there = {role for role in wanted.roles if _make(connection, role)}
    with connection.transaction():
        _close(connection, there)
        _open(connection, wanted, there)
    return [PREFIX + role for role in wanted.roles if role not in there]


def _make(connection: Connection, role: str) -> bool:
    """Return whether the role is there now. Roles are the server's: others may make it as well."""
    values = {"role": PREFIX + role}
    try:
        if not connection.execute(SQL.role_exists, values).fetchone():
            _run(connection, SQL.create_role, role=_role(role))
    except (pg.DuplicateObject, pg.UniqueViolation):
        pass
    except pg.InsufficientPrivilege:
        return False
    for name, value in (READER_LIMITS if role == "reader" else LIMITS).items():
        if connection.execute(SQL.has_limit, {**values, "name": name}).fetchone():
            continue
        try:
            parts = {"name": sql.Identifier(name), "value": sql.Literal(value)}
            _run(connection, SQL.limit, role=_role(role), **parts)
        except (pg.InsufficientPrivilege, pg.InternalError):
            pass  # an administrator made the role; or another does this at the same instant
    return True


def _close(connection: Connection, roles: set[str]) -> None:
    """Take away all that anybody may have been given."""
    database = sql.Identifier(connection.info.dbname)
    for query in (SQL.close_public, SQL.close_temporary):
        try:
            with connection.transaction():
                _run(connection, query, database=database)
        except pg.InsufficientPrivilege:
            pass  # the administrator's to take
    connection.execute(SQL.close_functions_to_come)
    takers = sql.SQL(", ").join([sql.SQL("public"), *map(_role, sorted(roles))])
    kinds = [sql.SQL("all tables in"), sql.SQL("all sequences in"), sql.SQL("all functions in")]
    for schema in map(sql.Identifier, SCHEMAS):
        for what in (*kinds, sql.SQL("")):
            _run(connection, SQL.close, what=what, schema=schema, roles=takers)


def _open(connection: Connection, wanted: Grants, roles: set[str]) -> None:
    """Give each role what it is to have."""
    known = tables(connection)
    for right in rights(wanted):
        columns = known.get(right.table)
        if right.role in roles and columns and right.columns <= columns:
            _grant(connection, right)
    names = {"names": list(wanted.functions)}
    for signature, name in connection.execute(SQL.functions, names).fetchall():
        function = sql.SQL(str(signature))  # as Postgres writes it
        _run(connection, SQL.run_as_owner, function=function)
        for role in roles.intersection(wanted.functions[str(name)]):
            _run(connection, SQL.grant_function, function=function, role=_role(role))
    views = [str(view) for (view,) in connection.execute(SQL.views)]
    for role in sorted(roles):
        _run(connection, SQL.open_media, role=_role(role))
        if role != "reader":
            _run(connection, SQL.open_process, role=_role(role))
            _run(connection, SQL.open_version, role=_role(role))
        if role in wanted.media["all"]:
            _run(connection, SQL.grant_media, role=_role(role))
            _run(connection, SQL.grant_media_functions, role=_role(role))
        for view in views:
            if role in wanted.media.get(view, ()):
                _run(connection, SQL.grant_view, view=sql.Identifier(view), role=_role(role))


def _grant(connection: Connection, right: Right) -> None:
    name: Part = sql.SQL(right.name)  # one of four words
    if right.columns:
        columns = sql.SQL(", ").join(map(sql.Identifier, sorted(right.columns)))
        name = sql.SQL("{} ({})").format(name, columns)
    table = sql.Identifier(right.table)
    _run(connection, SQL.grant_table, right=name, table=table, role=_role(right.role))


def _role(name: str) -> Part:
    return sql.Identifier(PREFIX + name)


def _run(connection: Connection, template: bytes, **parts: Part) -> None:
    connection.execute(sql.SQL(template.decode()).format(**parts))
