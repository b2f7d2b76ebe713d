"""Who waits for whom: writers, linkers, watches and pruning take their locks in one order."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime

import psycopg
import pytest

from services.shared.contracts import Place
from services.shared.errors import TransientError
from services.shared.frontier import LinkOutcome, ListedLink
from services.shared.sources import Feed, Source
from services.storage import (
    Connection,
    connect,
    links,
    open_connection,
    partitions,
    quotations,
    results,
    sources,
    transient_errors,
    watches,
)
from services.storage.quotations import Found
from tests.factories import stored
from tests.patience import until

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
BY_KEY = b"select id from rasid.articles order by normalized_url_sha256"
BLOCKED = b"""
    select count(*) from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'
"""


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    """A connection to a migrated database."""
    with connect(database_url) as opened:
        yield opened


def articles_by_key(connection: Connection) -> list[int]:
    """Ids in the order in which writers lock articles."""
    return [int(str(article)) for (article,) in connection.execute(BY_KEY)]


def wait_until_blocked(connection: Connection) -> None:
    """Return when some session of the database waits for a lock."""
    until(lambda: connection.execute(BLOCKED).fetchone() != (0,), "nobody waits")


def is_locked(connection: Connection, article: int) -> bool:
    """Whether somebody holds an article's row."""
    query = b"select from rasid.articles where id = %s for no key update nowait"
    try:
        connection.execute(query, [article])
    except psycopg.errors.LockNotAvailable:
        return True
    return False


def locks_first(
    connection: Connection, database_url: str, act: Callable[[Connection], object]
) -> bool:
    """Whether `act` locks the article with the smallest key before that with the largest."""
    first, *_, last = articles_by_key(connection)
    with connect(database_url) as holder, connect(database_url) as actor:
        thread = threading.Thread(target=act, args=[actor])
        with holder.transaction():
            holder.execute(b"select from rasid.articles where id = %s for no key update", [first])
            thread.start()
            wait_until_blocked(connection)
            early = is_locked(connection, last)
        thread.join()
    return not early


def test_quotations_do_not_wait_for_watches(connection: Connection, database_url: str) -> None:
    """An article that is being stored, and was matched with watches, holds up no quotation."""
    for name in "ab":
        results.save(connection, [stored(f"https://{name}/1", f"text {name}")], 1)
    one, other = articles_by_key(connection)

    def decide(_known: object) -> Found:
        places = [Place(article_id=i, version=1, start=0, end=4) for i in (one, other)]
        return Found([], [places])

    with connect(database_url) as linker:
        linker.execute(b"set lock_timeout = '200ms'")
        with connection.transaction():
            watches.match(connection, [one])
            quotations.link(linker, [one, other], decide)
        assert linker.execute(b"select count(*) from rasid.quotations").fetchone() == (1,)


def test_too_deep_for_postgres(connection: Connection) -> None:
    """A value that is too deep will be so for ever: its page must not be tried for ever."""
    with pytest.raises(psycopg.errors.StatementTooComplex), transient_errors():
        connection.execute(b"select repeat('[', 1000000)::jsonb")


def test_the_past_is_matched_in_the_order_of_writers(
    connection: Connection, database_url: str
) -> None:
    """Old articles are locked by their keys, as those are that are stored meanwhile."""
    # Ids grow against the keys.
    urls = sorted((f"https://{n}/1" for n in range(6)), key=_key, reverse=True)
    for url in urls:
        results.save(connection, [stored(url, f"word {url}")], 1)
    watch = watches.add(connection, "w", "word", language=None, source=None)

    assert locks_first(
        connection, database_url, lambda mine: watches.match_past(mine, watch, LONG_AGO)
    )


def _key(url: str) -> bytes:
    return hashlib.sha256(url.encode()).digest()


def test_withdrawn_in_the_order_of_writers(connection: Connection, database_url: str) -> None:
    """Pages that ended for different reasons lock their articles in one order."""
    feed = Feed(url="https://a.example/rss")
    paper = Source(name="a", title="A", home_page="https://a.example/", feeds=(feed,))
    sources.save(connection, [paper])
    due = sources.take_due(connection, ["a.example"], ["a"], ("feed",), lease_s=60)
    urls = [f"https://a.example/{n}" for n in range(6)]
    links.add(connection, due[0].id, [ListedLink(url=url) for url in urls])
    ended = []
    urls.sort(key=_key)
    for link in links.take_due(connection, ["a.example"], ["a"], per_host=10):
        item = stored(link.url, f"text {link.url}")
        links.end(
            connection,
            [LinkOutcome(link_id=link.id, state="fetched", status=200, page_id=item.page_id)],
        )
        results.save(connection, [item], 1)
        status = 410 if link.url == urls[0] else 404
        ended.append(
            LinkOutcome(link_id=link.id, state="failed", reason=f"http_{status}", status=status)
        )

    def end(mine: Connection) -> None:
        with mine.transaction():
            links.end(mine, ended)

    assert locks_first(connection, database_url, end)


def test_partitions_wait_for_nobody_long(connection: Connection, database_url: str) -> None:
    """Where a dump holds the tables, old partitions stay a little longer; articles are stored."""
    old = b"""
        create table rasid.bands_2001_01 partition of rasid.bands
            for values from ('2001-01-01') to ('2001-02-01');
        create table rasid.passages_2001_01_01 partition of rasid.passages
            for values from ('2001-01-01') to ('2001-01-08');
        insert into rasid.captures (captured_on, sha256, body) values ('2001-01-01', '', '')
    """
    connection.execute(old)
    for table in partitions.TABLES:
        with open_connection(database_url) as dump, connect(database_url) as roller:
            with dump.transaction():
                dump.execute(b"select from rasid.bands, rasid.passages, rasid.captures limit 1")
                given_up = threading.Event()
                thread = threading.Thread(target=_rolling, args=[table, roller, given_up])
                thread.start()
                try:
                    wait_until_blocked(connection)
                    _store(connection)
                finally:
                    given_up.set()
            thread.join()


def _store(connection: Connection) -> None:
    connection.execute(b"insert into rasid.bands (article_id) values (1)")
    connection.execute(b"insert into rasid.passages (hash, article_id) values (1, 1)")
    connection.execute(
        b"insert into rasid.captures (sha256, body) values (uuid_send(gen_random_uuid()), '')"
    )


def _rolling(table: str, connection: Connection, given_up: threading.Event) -> None:
    """Try again and again: each time is over soon, perhaps before anybody has seen it."""
    while not given_up.is_set():
        with suppress(TransientError):
            partitions.roll(connection, table)
