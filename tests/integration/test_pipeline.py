"""The whole pipeline on real servers: what is taken is stored before it is let go of."""

import random
import string
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
import redis

from services.queue import Queue
from services.queue.broker import redis_url
from services.shared import compression
from services.shared.contracts import Decision, RawPage
from services.shared.errors import TransientError
from services.shared.settings import Settings
from services.storage import (
    Connection,
    Database,
    Limits,
    connect,
    dead_letters,
    raw_pages,
    transient_errors,
)
from tests.factories import page
from worker import pipeline, tasks


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    """A worker's connection."""
    with connect(database_url) as opened:
        yield opened


def news(number: int) -> RawPage:
    """A page with an article."""
    sentences = "".join(
        f"<p>On day {number} the council met for the {n}th time on the new bridge.</p>"
        for n in range(9)
    )
    url = f"https://example.org/{number}"
    return page(f"<h1>News {number}</h1><article>{sentences}</article>", requested_url=url)


def process(
    pages: Sequence[RawPage], connection: Connection, settings: Settings
) -> dict[str, Decision]:
    """Run one chunk."""
    ids = [raw.id for raw in pages]
    done = pipeline.process(ids, "live", Queue(settings), connection, settings)
    return {decision.page_id: decision for decision in done}


def outcomes(database_url: str) -> dict[object, object]:
    """What another connection sees of the pages."""
    with connect(database_url) as other:
        rows = other.execute(b"select id, outcome from rasid.raw_pages").fetchall()
        return {page_id: outcome for page_id, outcome in rows}  # noqa: C416 - for the type checker


def test_message_without_a_body(connection: Connection, settings: Settings) -> None:
    """A page that was announced, and whose body nobody has, is a counted dead letter."""
    (lost, there) = (news(1), news(2))
    queue = Queue(settings)
    queue.publish([lost, there], "live")
    with redis.Redis.from_url(redis_url(settings.bodies_url)) as client:
        client.delete(f"rasid:body:{lost.id}")

    assert process([lost, there], connection, settings)[lost.id].status == "dead_letter"
    assert outcomes(settings.database_url or "") == {lost.id: "dead_letter", there.id: "created"}
    ((reason, attempts),) = connection.execute(
        b"select reason, attempts from rasid.dead_letters"
    ).fetchall()
    assert (reason, attempts) == ("body_missing", 1)
    assert queue.depth().total == 0


def test_frozen_postgres_is_away(database_url: str) -> None:
    """A statement that is not answered ends as one of a server that is away; the next one works."""
    database = Database(database_url, Limits(patience_s=0.3))
    opened = database.connection()
    with (
        pytest.raises(TransientError, match="no answer within"),
        transient_errors(),
        opened.transaction(),
    ):
        opened.execute(b"select pg_sleep(60)")

    assert database.connection().execute(b"select 1").fetchall() == [(1,)]
    database.close()


def test_stored_for_others_to_see(connection: Connection, settings: Settings) -> None:
    """When a chunk is done its articles are committed and the queue is empty."""
    pages = [news(number) for number in range(3)]
    queue = Queue(settings)
    queue.publish(pages, "live")

    process(pages, connection, settings)

    assert outcomes(settings.database_url or "") == {raw.id: "created" for raw in pages}
    assert queue.depth().total == 0


def test_attempts_that_were_none(connection: Connection, settings: Settings) -> None:
    """A dead letter counts tries, and none of the workers lost while they wrote it down.

    It says how the last one was lost, in few words, whatever was noted.
    """
    (deadly, missing) = (news(1), news(2))
    queue = Queue(settings)
    queue.publish([deadly, missing], "live")
    with redis.Redis.from_url(redis_url(settings.bodies_url)) as client:
        client.delete(f"rasid:body:{missing.id}")
    for _ in range(settings.max_attempts + 2):
        queue.attempts.count([deadly.id, missing.id])
        queue.attempts.note_lost([deadly.id], "it ended\0 with \x1b[2J" + "signal" * 1000)

    for raw in (deadly, missing):  # each alone, as suspects are
        process([raw], connection, settings)

    letters = {letter.reason: letter.attempts for letter in dead_letters.listing(connection)}
    assert letters == dict.fromkeys(("worker_lost", "body_missing"), settings.max_attempts)
    (detail,) = (x.detail for x in dead_letters.listing(connection, reason="worker_lost"))
    assert "3 times with this page; the last time: it ended" in detail
    assert len(detail) < 200
    assert queue.attempts.last_lost(deadly.id) == ""


def test_known_and_missing_pages_in_a_chunk(connection: Connection, settings: Settings) -> None:
    """A page done before is left alone, one without a body is a dead letter, the rest is stored."""
    pages = [news(number) for number in range(3)]
    queue = Queue(settings)
    queue.publish(pages[:1], "live")
    process(pages[:1], connection, settings)
    queue.publish(pages[1:], "live")
    redis.Redis.from_url(redis_url(settings.bodies_url)).delete(f"rasid:body:{pages[1].id}")

    decisions = process(pages, connection, settings)

    assert {i: d.status for i, d in decisions.items()} == {
        pages[1].id: "dead_letter",
        pages[2].id: "created",
    }
    assert outcomes(settings.database_url or "") == {
        pages[0].id: "created",
        pages[1].id: "dead_letter",
        pages[2].id: "created",
    }
    assert queue.depth().total == 0


def test_page_postgres_refuses(connection: Connection, settings: Settings) -> None:
    """A row that Postgres does not take becomes a dead letter; its chunk-mates are stored."""
    pages = [news(number) for number in range(3)]
    Queue(settings).publish(pages, "live")
    connection.execute(b"alter table rasid.articles add check (title <> 'News 1')")

    decisions = process(pages, connection, settings)

    assert [decisions[raw.id].status for raw in pages] == ["created", "dead_letter", "created"]
    with connect(settings.database_url or "") as other:
        row = other.execute(b"select reason, detail from rasid.dead_letters").fetchone()
    assert row is not None
    assert row[0] == "not_storable"
    assert "violates check constraint" in str(row[1])


#: More than an index holds, and not to be compressed.
LONG = "".join(random.Random(1).choices(string.ascii_letters, k=6000))


@pytest.mark.parametrize("field", [{"source": ""}, {"source": LONG}, {"status": 99_999}], ids=str)
def test_page_of_which_postgres_refuses_even_the_row(
    connection: Connection, settings: Settings, field: dict[str, object]
) -> None:
    """Its body becomes a dead letter; it does not come back for ever."""
    bad = replace(news(1), **field)  # type: ignore[arg-type] # one field each
    Queue(settings).publish([bad, news(2)], "live")

    decisions = process([bad, news(2)], connection, settings)

    assert [decisions[raw.id].status for raw in (bad, news(2))] == ["dead_letter", "created"]
    kept = dead_letters.raw_page(connection, bad.id)
    assert kept is not None
    assert (kept.body, kept.requested_url) == (bad.body, bad.requested_url)
    assert Queue(settings).depth().total == 0


def test_page_whose_body_was_lost(connection: Connection, settings: Settings) -> None:
    """It has nothing to be replayed with, and may be imported again."""
    lost = news(1)
    Queue(settings).publish([lost], "live")
    redis.Redis.from_url(redis_url(settings.bodies_url)).delete(f"rasid:body:{lost.id}")

    process([lost], connection, settings)

    assert len(dead_letters.listing(connection)) == 1
    assert raw_pages.known(connection, [lost.id]) == set()
    Queue(settings).publish([lost], "live")
    assert process([lost], connection, settings)[lost.id].status == "created"
    assert dead_letters.listing(connection) == []


def test_table_that_somebody_locks(connection: Connection, settings: Settings) -> None:
    """The wait for a lock ends before the task does, so that no page is blamed for it."""
    Queue(settings).publish([news(1)], "live")
    with connect(settings.database_url or "") as other, other.transaction():
        other.execute(b"lock table rasid.articles")

        with pytest.raises(TransientError, match="lock timeout"):
            process([news(1)], connection, settings)

    assert process([news(1)], connection, settings)[news(1).id].status == "created"


def test_no_memory_for_a_while(
    connection: Connection, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages that could not be unpacked are read once there is memory, and each round waits."""
    edges, waits = tasks.Edges.of(settings), list[float]()
    ids = [raw.id for raw in (news(1), news(2))]
    edges.queue.publish([news(1), news(2)], "live")

    def unpack(*_: object) -> bytes:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(compression, "decompress", unpack)
        patch.setattr("worker.tasks.time.sleep", waits.append)
        tasks.run(edges, "live", ids)

        assert edges.queue.attempts.so_far(ids) == [0, 0]
        for _ in range(settings.max_attempts - 1):
            for page_id in ids:
                tasks.run(edges, "live", [page_id])

        assert edges.queue.attempts.so_far(ids) == [settings.max_attempts - 1] * 2
        assert len(waits) == 1 + 2 * (settings.max_attempts - 1)
        assert edges.queue.depth().total == 2
    for page_id in ids:
        tasks.run(edges, "live", [page_id])

    assert outcomes(settings.database_url or "") == dict.fromkeys(ids, "created")
    assert dead_letters.listing(connection) == []
    edges.database.close()
