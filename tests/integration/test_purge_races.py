"""`rasid purge` beside a worker, between any two of its words with Postgres; nothing is left."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from services.queue import Queue
from services.shared.contracts import RawPage
from services.shared.settings import Settings
from services.storage import Connection, changes, connect, purges
from tests.factories import page
from tests.patience import PATIENCE_S
from worker import pipeline

SAID = " ".join(f"said{n}" for n in range(40))
#: Where the number of an article may stand that is there no more: in the feed, and beside the hash.
MAY_NAME_IT = {"changes", "purged"}
COLUMNS = b"""
    select c.table_name, c.column_name from information_schema.columns as c
    join pg_class as t on t.oid = ('rasid.' || quote_ident(c.table_name))::regclass
    where c.table_schema = 'rasid' and not t.relispartition and t.relkind in ('r', 'p')
        and c.column_name in ('article_id', 'other_article_id', 'representative_id', 'longest_id',
                              'duplicate_of', 'story_id')
"""
WAITS = b"""
    select exists (select from pg_locks where not granted and database = (
        select oid from pg_database where datname = current_database()))
"""


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with connect(database_url) as connection:
        yield connection


def chunk(number: int) -> list[RawPage]:
    """A page, one with nearly its text, and one of another story that quotes what both say."""

    def words(name: str, count: int = 120) -> str:
        return " ".join(f"{name}{number}x{n}" for n in range(count))

    def made(host: str, *paragraphs: str) -> RawPage:
        text = "".join(f"<p>{one.capitalize()}.</p>" for one in paragraphs)
        heading = f"<h1>Heading {words('h', 3)}</h1>"
        return page(
            f"<html><body><article>{heading}{text}</article></body></html>",
            requested_url=f"https://{host}.example/{number}",
        )

    said = " ".join(f"{word}of{number}" for word in SAID.split())
    return [
        made("a", words("own"), said),
        made("b", words("own"), said, words("more", 30)),
        made("c", words("other"), said, words("and")),
    ]


def forget(connection: Connection, url: str, gone: threading.Event, linger_s: float) -> int | None:
    """Purge as the command does; return the article's id. `gone` is set before the commit."""
    planned = purges.plan(connection, [], [url], copies=False)
    purges.forbid(connection, planned.keys, "test")
    planned = purges.plan(connection, planned.article_ids, [url], copies=False)
    with connection.transaction():
        purges.purge(connection, planned, "test")
        if linger_s:
            gone.set()
            time.sleep(linger_s)
    changes.publish(connection)
    return planned.article_ids[0] if planned.article_ids else None


def disturbed(connection: Connection, at: int, act: Callable[[], None]) -> Callable[[], int]:
    """Have something done before this word of a connection; the result tells how many it had."""
    wait, count = connection.wait, 0

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal count
        count += 1
        if count == at:
            act()
        return wait(*args, **kwargs)

    connection.wait = counted  # type: ignore[method-assign]
    return lambda: count


def left(connection: Connection, url: str, article_id: int | None) -> list[str]:
    """Return where the article is named still."""
    found = []
    for table, column in connection.execute(COLUMNS).fetchall():
        if table not in MAY_NAME_IT and article_id is not None:
            query = f"select count(*) from rasid.{table} where {column} = %s"
            kinds = " and kind <> 'purged'" if table == "outbox" else ""
            ((count,),) = connection.execute((query + kinds).encode(), [article_id]).fetchall()
            if count:
                found.append(f"{table}.{column}")
    told = b"""
        select id from rasid.articles where url = %s union all select article_id from rasid.changes
        where article_id = %s and detail is not null and kind <> 'purged'
    """
    found += [str(row) for row in connection.execute(told, [url, article_id]).fetchall()]
    lonely = b"""
        select id from rasid.quotations as q where 2 > (
            select count(*) from rasid.quotation_articles where quotation_id = q.id)
    """
    found += [f"quotation {row}" for row in connection.execute(lonely).fetchall()]
    stories = b"""
        select id from rasid.stories as s where articles_count <> (
            select count(*) from rasid.story_articles where story_id = s.id)
    """
    return found + [f"story {row}" for row in connection.execute(stories).fetchall()]


@pytest.mark.parametrize("linger_s", [0.0, 0.05], ids=["whole", "slow"])
def test_between_any_two_words(
    connection: Connection, settings: Settings, database_url: str, linger_s: float
) -> None:
    """Nothing of the article is left, its neighbours are whole, and the worker takes no harm."""
    queue = Queue(settings)
    purged_ids, at, words = [], 0, 1
    with (
        ThreadPoolExecutor(1) as pool,
        connect(database_url) as purger,
        connect(database_url) as looker,
    ):
        while at < words:
            at += 1
            pages = chunk(at)
            url = str(pages[0].requested_url)
            queue.publish(pages, "live")
            gone = threading.Event()
            done: list[Any] = []

            def act(url: str = url, gone: threading.Event = gone, done: list[Any] = done) -> None:
                done.append(pool.submit(forget, purger, url, gone, linger_s))
                while not (done[0].done() or gone.is_set()):
                    if looker.execute(WAITS).fetchone() == (True,):
                        return  # it waits for this worker
                    time.sleep(0.002)

            with connect(database_url) as worker:
                counted = disturbed(worker, at, act)
                decisions = pipeline.process([p.id for p in pages], "live", queue, worker, settings)
                words = counted()
            purged_id = done[0].result(PATIENCE_S)
            purged_ids.append(purged_id)

            assert left(connection, url, purged_id) == [], f"word {at} of {words}"
            assert [one.status for one in decisions[1:]] == ["created", "created"]
            assert sum(queue.depth().pages.values()) == 0
            rest = connection.execute(
                b"select count(*) from media.quotations"
                b" where id in (select quotation_id from rasid.quotation_articles"
                b" where article_id = any(%s))",
                [[one.article_id for one in decisions[1:]]],
            ).fetchall()
            assert rest == [(1,)], f"word {at} of {words}"
    # It was there in most of the cases, and never in some.
    assert words > 20
    assert 0 < purged_ids.count(None) < len(purged_ids) - 10


def test_a_page_that_waits(connection: Connection, settings: Settings) -> None:
    """A page of a purged address that comes from the queue is rejected, and its body is gone."""
    url = "https://a.example/1"
    planned = purges.plan(connection, [], [url], copies=False)
    purges.forbid(connection, planned.keys, "test")
    purges.purge(connection, planned, "test")
    queue = Queue(settings)
    html = f"<html><body><article><p>{'words of it ' * 90}</p></article></body></html>"
    waiting = [page(html, requested_url=f"{url}?utm_source=x"), page("x", final_url=url)]
    queue.publish(waiting, "live")
    ids = [raw.id for raw in waiting]

    decisions = pipeline.process(ids, "live", queue, connection, settings)

    assert [one.status for one in decisions] == ["rejected", "rejected"]
    assert queue.take(ids) == dict.fromkeys(ids)
    assert sum(queue.depth().pages.values()) == 0
    rows = connection.execute(
        b"select reason, requested_url, final_url, headers, capture_sha256 from rasid.raw_pages"
    ).fetchall()
    empty = page("").capture_sha256
    assert rows == [("purged", None, None, {}, empty)] * 2
    assert connection.execute(b"select sha256 from rasid.captures").fetchall() == [(empty,)]
    assert connection.execute(b"select id from rasid.articles").fetchall() == []
