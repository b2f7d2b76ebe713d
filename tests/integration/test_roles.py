"""Roles: each process may do in the database what it needs for its work, and nothing else.

The crawls, commands and workers of the other tests log in as these roles, too: what they may not
do there fails.
"""

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import errors as pg
from psycopg import sql

from services.dashboard import run
from services.shared.settings import Settings
from services.storage import HERE, connect, queries, results, roles
from services.storage import migrate as storage_migrate
from services.storage.migrate import migrate
from tests.dashboard import wait_for_stores
from tests.factories import stored
from tests.roles import as_role

Connection = psycopg.Connection[Any]
SECURITY = Path(__file__).resolve().parents[2] / "docs" / "security.md"

#: Which role runs the queries of a file, where not commands alone do; below, of single queries.
FILES = {
    "addresses": "operator",
    "articles": "worker",
    "change_feed": "reader",
    "changes": "worker operator",
    "dead_letters": "operator",
    "export": "operator",
    "hosts": "crawler",
    "imports": "importer",
    "jobs": "crawler",
    "links": "crawler",
    "partitions": "reconciler",
    "prune": "operator",
    "quotations": "worker",
    "raw_pages": "worker",
    "robots": "crawler",
    "search": "worker",
    "sources": "crawler",
    "status": "dashboard",
    "stories": "worker",
    "trace": "operator",
    "versions": "worker",
    "watches": "operator",
    "withdrawals": "operator",
}
QUERIES = {
    "articles.list": "operator",
    "articles.one": "operator",
    "changes.publish": "worker reconciler operator",
    "dead_letters.add": "worker",
    "dead_letters.resolve": "worker",
    "partitions.roll_captures": "reconciler operator",
    "quotations.newest": "operator",
    "quotations.of_article": "operator",
    "raw_pages.known": "worker importer",
    "raw_pages.newest": "operator",
    "search.search": "operator",
    "sources.feeds_of": "operator",
    "status.set_aside": "operator",
    "stories.add_bands": "worker operator",
    "stories.add_overlap": "worker operator",
    "stories.candidates": "worker operator",
    "stories.delete_bands": "worker operator",
    "stories.link": "worker operator",
    "stories.listing": "operator",
    "stories.mark": "worker operator",
    "stories.members": "operator",
    "stories.outdated": "operator",
    "stories.outdated_count": "operator",
    "stories.refresh": "operator",
    "stories.texts": "worker operator",
    "stories.waiting": "worker operator",
    "watches.match": "worker operator",
    "withdrawals.of_links": "crawler",
    "withdrawals.represent_stories": "worker operator",
}
#: Where null alone does not tell a type.
VALUES = dict.fromkeys(("retry_after_s", "base_s", "most_s"), "null::float8")
#: The owner's; and no queries but parts of some.
NOT_ASKED = {"migrate", "roles", "export.that_match", "export.rows"}


@pytest.fixture
def owner(database_url: str) -> Iterator[Connection]:
    """A connection of who migrates."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def asked() -> Iterator[tuple[str, str, str]]:
    """Return each query's name, its text, and each role that runs it."""
    for path in sorted((HERE / "sql").glob("*.sql")):
        if path.stem in NOT_ASKED:
            continue
        for name, text in queries(path.stem)._queries.items():
            full = f"{path.stem}.{name}"
            for role in QUERIES.get(full, FILES.get(path.stem, "operator")).split():
                if full not in NOT_ASKED:
                    yield full, text.decode(), role


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


def test_each_query_is_allowed_to_who_runs_it(owner: Connection) -> None:
    """A role may do what its process does; what runs other queries than commands is named above."""
    refused, parts = [], set()
    for name, text, role in asked():
        query = re.sub(r"--.*", "", text)
        if not re.match(r"\s*(select|with|insert|update|delete)\b", query):
            continue
        # Permissions are looked at before anything is done, and a plan needs no values.
        plan = re.sub(r"%\((\w+)\)s", lambda found: VALUES.get(found[1], "null"), query)
        plan = plan.replace("%s", "null").replace("%%", "%")
        owner.execute(sql.SQL("set role {}").format(sql.Identifier(roles.PREFIX + role)))
        try:
            owner.execute(f"explain {plan}")
        except pg.InsufficientPrivilege as error:
            refused.append(f"{name} as {role}: {error}")
        except (pg.UndefinedTable, pg.SyntaxError):
            parts.add(name)  # of a query, put together when it is asked
        owner.execute("reset role")

    assert refused == []
    assert len(parts) < 8


def test_the_dashboard_reads_what_it_tells_and_no_more(owner: Connection) -> None:
    """Without any one of its rights some query of its own is refused."""
    tables = [
        (r.table, column)
        for r in roles.rights(roles.grants())
        if r.role == "dashboard"
        for column in r.columns
    ]
    texts = [
        query.replace("%(since_id)s", "1").replace("%(first_ids)s", "'{1}'")
        for name, query, role in asked()
        if role == "dashboard"
    ]

    def is_allowed() -> bool:
        owner.execute("set role rasid_dashboard")
        try:
            for text in texts:
                owner.execute(f"explain {text}")
        except pg.InsufficientPrivilege:
            return False
        finally:
            owner.execute("reset role")
        return True

    spare = []
    for table, column in tables:
        names = (sql.Identifier(column), sql.Identifier(table))
        owner.execute(sql.SQL("revoke select ({}) on rasid.{} from rasid_dashboard").format(*names))
        if is_allowed():
            spare.append((table, column))
        owner.execute(sql.SQL("grant select ({}) on rasid.{} to rasid_dashboard").format(*names))

    assert is_allowed()
    assert all(r.columns for r in roles.rights(roles.grants()) if r.role == "dashboard")
    assert spare == []


def test_the_dashboard_writes_nothing_whoever_it_is(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on one machine, where all log in as the owner: each of its connections only reads."""
    told = []

    def migrated(connection: Connection) -> int:
        for statement in ("delete from rasid.links", "create table mine ()", "select lo_create(0)"):
            with pytest.raises(pg.ReadOnlySqlTransaction):
                connection.execute(statement)
            told.append(statement)
        return version(connection)

    version = storage_migrate.version
    wait_for_stores(monkeypatch)
    with closing(run.Stores(settings)) as stores:
        monkeypatch.setattr(storage_migrate, "version", migrated)  # asked by each that is opened
        assert stores.ready() == ""
        assert stores.look().store is not None

    assert len(told) == 6


#: What each must not do, with what it would need for it.
FORBIDDEN = {
    "crawler": """
        select text from rasid.articles
        select title, text from media.articles
        select body from rasid.captures
        select headers from rasid.raw_pages
        insert into rasid.articles (url) values ('x')
        update rasid.articles set withdrawn_at = null
        delete from rasid.articles
        insert into rasid.outbox (kind, article_id) values ('created', 1)
        delete from rasid.links
        delete from rasid.sources
        select rasid.withdraw_articles('{1}', 'legal', '{}')
        select rasid.publish_changes()
        select rasid.prune_changes(now())
    """,
    "worker": """
        update rasid.sources set enabled = true
        insert into rasid.sources (name, enabled) values ('x', true)
        delete from rasid.sources
        select * from rasid.links
        update rasid.links set state = 'due'
        insert into rasid.feeds (source, url, host, kind) values ('x', 'x', 'x', 'feed')
        select body from rasid.captures
        delete from rasid.captures
        delete from rasid.articles
        delete from rasid.raw_pages
        delete from rasid.changes
        insert into rasid.changes select * from rasid.changes
        select * from rasid.watches
        select rasid.withdraw_articles('{1}', 'legal', '{}')
        select rasid.prune_changes(now())
        select rasid.roll_bands('2000-01-01')
    """,
    "reconciler": """
        select text from rasid.articles
        select * from media.articles
        select * from rasid.outbox
        delete from rasid.changes
        select rasid.describe_story(1)
    """,
    "importer": """
        select text from rasid.articles
        select headers from rasid.raw_pages
        update rasid.raw_pages set reason = null
        select * from rasid.links
        delete from rasid.imports
    """,
    "dashboard": """
        select text from rasid.articles
        select title from rasid.articles
        select url from rasid.articles
        select * from media.articles
        select body from rasid.captures
        select header from rasid.dead_letters
        select page_id from rasid.dead_letters
        select url from rasid.links
        select detail from rasid.import_refusals
        select * from rasid.hosts
        select * from rasid.jobs
        select * from rasid.imports
        select * from rasid.replays
        select body from rasid.robots
        select headers from rasid.raw_pages
        delete from rasid.dead_letters
        update rasid.feeds set enabled = false
        insert into rasid.sources (name) values ('x')
        select rasid.publish_changes()
        select * from media.search('x')
    """,
    "operator": """
        insert into rasid.articles (url) values ('x')
        update rasid.articles set text = ''
        update rasid.sources set title = ''
        insert into rasid.changes select * from rasid.changes
        delete from rasid_migrations.applied
    """,
    "reader": """
        select * from rasid.articles
        select * from rasid_migrations.applied
        update media.sources set enabled = false
        select rasid.publish_changes()
        select rasid.snippet('', '{}', '{}', '', '')
    """,
}
#: What nobody may do but who migrates: make, change, remove; be another, see secrets.
NOBODY = """
    create table rasid.mine ()
    create table media.mine ()
    create table public.mine ()
    create temporary table mine ()
    create schema mine
    create function public.mine() returns int language sql as 'select 1'
    create extension pg_trgm
    create role mine
    alter table rasid.articles add column mine int
    alter table rasid.links disable trigger all
    create index on rasid.articles (title)
    drop table rasid.links
    drop view media.articles
    truncate rasid.links
    alter function rasid.publish_changes security invoker
    create or replace view media.articles as select 1
    insert into rasid_migrations.applied values (9999, 'x', '')
    set role rasid
    set session authorization rasid
    select rolpassword from pg_authid
    select pg_read_file('/etc/passwd')
    copy rasid.links to program 'true'
    alter role rasid_worker superuser
"""


@pytest.mark.parametrize("role", roles.grants().roles)
def test_what_a_role_must_not_do(role: str, database_url: str) -> None:
    """Whoever has stolen the password of a process is refused all that is not its work."""
    lines = (FORBIDDEN[role] + NOBODY).splitlines()
    others = [f"set role {roles.PREFIX}{other}" for other in roles.grants().roles if other != role]
    allowed = []
    migrate(database_url)  # what is said of the database itself is not copied from its template
    with psycopg.connect(as_role(database_url, role), autocommit=True) as connection:
        for statement in [*filter(None, map(str.strip, lines)), *others]:
            try:
                connection.execute(statement)
                allowed.append(statement)
            except pg.InsufficientPrivilege as error:
                print(error)
            except psycopg.Error as error:
                allowed.append(f"{statement}: {error}")

    assert allowed == []


def test_functions_that_run_as_owner_are_closed(owner: Connection) -> None:
    """They find only what they name, and a function is nobody's to call unless it is given."""
    open_path = owner.execute("""
        select oid::regprocedure::text from pg_proc
        where pronamespace in ('rasid'::regnamespace, 'media'::regnamespace) and prosecdef
            and not coalesce(proconfig, '{}') @> '{"search_path=pg_catalog, pg_temp"}'
    """).fetchall()
    owner.execute("create function rasid.later() returns int language sql return 1")
    for_all = owner.execute("""
        select p.oid::regprocedure::text from pg_proc p
        left join lateral aclexplode(coalesce(proacl, acldefault('f', proowner))) a on a.grantee = 0
        where pronamespace in ('rasid'::regnamespace, 'media'::regnamespace) and a.grantee = 0
    """).fetchall()

    assert (open_path, for_all) == ([], [])


def test_limits_of_sessions(database_url: str) -> None:
    """A consumer's statement ends after half a minute, an idle transaction after five."""
    with psycopg.connect(as_role(database_url, "reader")) as reader:
        shown = [
            reader.execute(f"show {name}").fetchone()
            for name in ("statement_timeout", "idle_in_transaction_session_timeout")
        ]
    with connect(as_role(database_url, "worker")) as worker:
        shown.append(worker.execute(b"show idle_in_transaction_session_timeout").fetchone())

    assert shown == [("30s",), ("5min",), ("5min",)]


def test_large_objects_can_be_forbidden(owner: Connection, database_url: str) -> None:
    """Postgres lets everybody make them; after the statement of docs/security.md nobody may."""
    (statement,) = re.findall(
        r"`(revoke execute on function lo_[^`]+)`", SECURITY.read_text("utf-8")
    )
    attempts = ("select lo_create(0)", "select lo_creat(0)", "select lo_from_bytea(0, 'x')")
    with psycopg.connect(as_role(database_url, "reader"), autocommit=True) as reader:
        for attempt in attempts:
            reader.execute(attempt)
        owner.execute(statement)
        for attempt in attempts:
            with pytest.raises(pg.InsufficientPrivilege):
                reader.execute(attempt)


def test_rights_are_what_the_file_says(owner: Connection, database_url: str) -> None:
    """What somebody has given by hand, migrate takes away; what he has taken, it gives."""
    owner.execute("grant all on all tables in schema rasid to rasid_dashboard, public")
    owner.execute("revoke all on rasid.articles from rasid_worker")
    migrate(database_url)

    with (
        psycopg.connect(as_role(database_url, "dashboard")) as connection,
        pytest.raises(pg.InsufficientPrivilege),
    ):
        connection.execute("select text from rasid.articles")
    with connect(as_role(database_url, "worker")) as connection:
        (decision,) = results.save(connection, [stored("https://a.example/1", "نص")], 1)
    assert decision.status == "created"


def test_where_roles_cannot_be_made(owner: Connection, empty_database_url: str) -> None:
    """An owner who may make no roles migrates all the same, and works on with his one login."""
    owner.execute("create role plain login")
    try:
        with psycopg.connect(empty_database_url, autocommit=True) as connection:
            name = sql.Identifier(connection.info.dbname)
            connection.execute(sql.SQL("alter database {} owner to plain").format(name))
        plain = empty_database_url.replace("//rasid@", "//plain@")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(roles, "PREFIX", "elsewhere_")
            assert migrate(plain)[-1] == migrate_latest()
            with connect(plain) as connection:
                assert len(roles.apply(connection)) == len(roles.grants().roles)
                (decision,) = results.save(connection, [stored("https://a.example/1", "نص")], 1)
        assert decision.status == "created"
    finally:
        owner.execute(
            sql.SQL("drop database {} with (force)").format(
                sql.Identifier(empty_database_url.rpartition("/")[2].partition("?")[0])
            )
        )
        owner.execute("drop role plain")


def migrate_latest() -> str:
    from services.storage.migrate import migrations

    return migrations()[-1].name
