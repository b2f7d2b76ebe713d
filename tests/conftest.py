"""Real servers for the tests: one Postgres and two Redis a run, an empty database for each test."""

import itertools
import os
import signal
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
import redis
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from psycopg import sql

from services.local import Stack, start
from services.shared import settings as settings_module
from services.shared.settings import Settings
from tests.roles import let_in

TEMPLATE = "rasid_template"

# The same examples each time, so that what fails here fails everywhere; others where they are
# asked for. How long it takes to make one or to try it says how busy the machine is.
hypothesis_settings.register_profile(
    "rasid",
    deadline=None,
    database=None,
    derandomize="RASID_FUZZ_EXAMPLES" not in os.environ,
    max_examples=int(os.environ.get("RASID_FUZZ_EXAMPLES", "100")),
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
hypothesis_settings.load_profile("rasid")


def pytest_configure() -> None:
    """Undo what `nohup` and `&` do: what ignores Ctrl-C has all ignore it that it starts."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_IGN:
            python = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
            signal.signal(number, python)


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name bytes by their length: gzip writes the time into them, and every process has its own."""
    return f"{len(val)}_bytes" if isinstance(val, bytes) else None


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Embedded servers in a temporary directory; they end with the run, also when it is killed."""
    with start(None, durable=False) as running:
        yield running


@pytest.fixture(scope="session")
def template(stack: Stack) -> str:
    """The name of a migrated database that holds nothing yet."""
    from services.storage.migrate import migrate

    admin(stack, "create database {}", TEMPLATE)
    migrate(url_of(stack, TEMPLATE))
    let_in(url_of(stack, TEMPLATE))
    return TEMPLATE


@pytest.fixture(scope="session")
def database_names() -> Iterator[str]:
    """Names that were not used yet in this run."""
    return (f"test_{number}" for number in itertools.count(1))


@pytest.fixture
def empty_database_url(stack: Stack, database_names: Iterator[str]) -> Iterator[str]:
    """The address of a database without any schema, for this test alone."""
    name = next(database_names)
    admin(stack, "create database {}", name)
    yield url_of(stack, name)
    admin(stack, "drop database if exists {} with (force)", name)


@pytest.fixture
def database_url(stack: Stack, template: str, database_names: Iterator[str]) -> Iterator[str]:
    """The address of a migrated database, for this test alone."""
    name = next(database_names)
    # A copy of files is faster here than one through the log, and needs no checkpoint's safety.
    admin(stack, "create database {} template {} strategy file_copy", name, template)
    with psycopg.connect(url_of(stack, name)) as connection:
        # Else the feed notices that it is a copy, and lets its positions jump, and ids as well.
        connection.execute("update rasid.feed_timelines set server = rasid.feed_server()")
        connection.execute("update rasid.id_timeline set server = rasid.feed_server()")
    yield url_of(stack, name)
    admin(stack, "drop database if exists {} with (force)", name)


@pytest.fixture
def empty_redis(stack: Stack) -> Stack:
    """The stack, with nothing in its two Redis."""
    for path in (stack.broker_socket, stack.bodies_socket):
        with redis.Redis(unix_socket_path=str(path)) as client:
            client.flushall()
    return stack


@pytest.fixture
def settings(empty_redis: Stack, database_url: str) -> Settings:
    """Settings that lead to this test's database and to two empty Redis."""
    return settings_module.load(
        database_url=database_url,
        redis_url=empty_redis.redis_url,
        redis_bodies_url=empty_redis.redis_bodies_url,
    )


def admin(stack: Stack, statement: str, *names: str) -> None:
    """Run a statement that no transaction may hold, with names put in for its braces."""
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def url_of(stack: Stack, database: str) -> str:
    """Return the address of another database of the same server."""
    return urlunsplit(urlsplit(stack.database_url)._replace(path=f"/{database}"))
