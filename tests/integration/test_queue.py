"""What the queue promises: a published page is never lost, whatever Celery forgets."""

import itertools
import logging
import socket
import time
from contextlib import suppress
from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from kombu.connection import Connection

from services.queue import Queue
from services.queue.attempts import ATTEMPTS
from services.queue.bodies import Taken, Unreadable, ticket
from services.queue.broker import CELERY_QUEUES, celery_url, redis_url
from services.queue.messages import OurChannel
from services.queue.reconcile import Reconciler
from services.shared import page_header
from services.shared.contracts import RawPage
from services.shared.errors import InvalidMessage, TransientError
from services.shared.settings import MIB, Settings
from tests.factories import at, page


@pytest.fixture
def queue(settings: Settings) -> Queue:
    """A queue on empty Redis servers, where everything pending is old at once."""
    return Queue(settings.model_copy(update={"requeue_after_s": 0.01}))


def bodies(settings: Settings) -> redis.Redis:
    """A plain client of the Redis for bodies."""
    return redis.Redis.from_url(redis_url(settings.bodies_url))


def broker(settings: Settings) -> redis.Redis:
    """A plain client of the broker."""
    return redis.Redis.from_url(redis_url(settings.redis_url or ""))


def messages(settings: Settings) -> int:
    """How many messages wait for workers."""
    return sum(broker(settings).llen(name) for name in CELERY_QUEUES.values())


def pages(count: int) -> list[RawPage]:
    """Different raw pages."""
    return [page(f"body {n}", requested_url=f"https://a/{n}") for n in range(count)]


texts = st.text(st.characters(), max_size=30)


@given(
    body=st.binary(max_size=200),
    origin=texts,
    requested_url=st.none() | texts,
    headers=st.dictionaries(texts, texts, max_size=3),
    fetched_at=st.none() | st.just(at(1)),
    status=st.none() | st.integers(100, 599),
)
def test_header_and_body_give_back_the_page(body: bytes, **fields: object) -> None:
    """Any raw page, lone surrogates and newlines included, comes back as it was sent."""
    raw = RawPage(body=body, **fields)  # type: ignore[arg-type]

    assert page_header.decode(page_header.encode(raw), body) == raw


@given(st.binary(max_size=100))
def test_garbage_is_an_invalid_message(garbage: bytes) -> None:
    """Whatever lies in the queue, decoding it raises one error only."""
    with pytest.raises(InvalidMessage):
        page_header.decode(garbage, b"")


class TestPublish:
    def test_pages_come_back_whole(self, queue: Queue) -> None:
        """What is taken is what was published; taking removes nothing."""
        sent = pages(3)
        assert queue.publish(sent, "live") == 3

        for _ in range(2):
            taken = queue.take([raw.id for raw in sent])
            assert [t.page for t in taken.values() if isinstance(t, Taken)] == sent

    def test_published_twice_is_once(self, queue: Queue, settings: Settings) -> None:
        """A producer that repeats itself adds neither pages nor messages."""
        queue.publish(pages(3), "bulk")
        assert queue.publish(pages(3), "bulk") == 0

        assert queue.depth().pages == {"live": 0, "bulk": 3, "replay": 0}
        assert messages(settings) == 1

    def test_ten_ids_a_message(self, queue: Queue, settings: Settings) -> None:
        """Twenty-five pages are three messages."""
        queue.publish(pages(25), "live")

        assert messages(settings) == 3

    def test_done_leaves_nothing(self, queue: Queue, settings: Settings) -> None:
        """After done no body, pending id or attempt is left, and done may be repeated."""
        ids = [raw.id for raw in pages(3)]
        queue.publish(pages(3), "live")
        queue.attempts.count(ids)

        for _ in range(2):
            queue.done(ids)

        assert bodies(settings).keys() == []
        assert broker(settings).exists(ATTEMPTS) == 0
        assert set(queue.take(ids).values()) == {None}

    def test_broker_away(self, settings: Settings) -> None:
        """Without a broker pages are stored all the same, and the reconciler sends them later."""
        away = settings.model_copy(update={"redis_url": "redis+socket:///nowhere/broker.sock"})
        Queue(away).publish(pages(3), "live")

        queue = Queue(settings.model_copy(update={"requeue_after_s": 0.001}))
        time.sleep(0.01)
        assert Reconciler(queue).reconcile() == {"live": 3, "bulk": 0, "replay": 0}
        assert messages(settings) == 1

    def test_bodies_full(self, queue: Queue, settings: Settings) -> None:
        """A full Redis refuses new pages whole, and lets finished ones go."""
        queue.publish(pages(3), "live")
        client = bodies(settings)
        limit = str(client.config_get("maxmemory")["maxmemory"])
        client.config_set("maxmemory", 1)
        try:
            with pytest.raises(TransientError, match="memory limit"):
                queue.publish([page("new", requested_url="https://new/")], "live")
            queue.done([raw.id for raw in pages(3)])
        finally:
            client.config_set("maxmemory", limit)

        assert queue.depth().total == 0

    def test_unreadable_body(self, queue: Queue, settings: Settings) -> None:
        """Garbage under a page's id comes out as such, with its bytes."""
        queue.publish(pages(1), "live")
        (raw,) = pages(1)
        bodies(settings).set(f"rasid:body:{raw.id}", b"garbage")

        assert isinstance(queue.take([raw.id])[raw.id], Unreadable)


def test_frozen_redis_is_away(settings: Settings) -> None:
    """A Redis that takes connections and never answers is away, as one that is not there."""
    with socket.create_server(("127.0.0.1", 0)) as frozen:
        address = f"redis://127.0.0.1:{frozen.getsockname()[1]}/0"
        queue = Queue(settings.model_copy(update={"redis_url": address, "task_time_limit_s": 0.6}))
        with pytest.raises(TransientError, match="Timeout"):
            queue.attempts.count(["a"])


def test_no_answer_is_taken_for_another(settings: Settings) -> None:
    """A connection on which an answer was left, whatever broke off, is never used again."""
    admin = bodies(settings)
    port = _listening(admin)
    try:
        tcp = {"redis_bodies_url": f"redis://127.0.0.1:{port}/0"}
        queue = Queue(settings.model_copy(update=tcp))
        (raw,) = pages(1)
        queue.publish([raw], "live")
        pool = queue.bodies.connection_pool
        connection = pool.get_connection()
        connection.send_command("ECHO", "left behind")  # type: ignore[no-untyped-call]
        assert connection.can_read(5)
        pool.release(connection)

        assert isinstance(queue.take([raw.id])[raw.id], Taken)
    finally:
        admin.config_set("port", 0)


def _listening(admin: redis.Redis) -> int:
    """Have a server listen on a port, and return it."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = int(free.getsockname()[1])
        # Somebody else may have taken it in between.
        with suppress(redis.ResponseError):
            admin.config_set("port", port)
            return port


class TestReconcile:
    def test_lost_message(self, queue: Queue, settings: Settings) -> None:
        """A page whose message Celery lost is sent again."""
        queue.publish(pages(15), "live")
        broker(settings).flushall()
        time.sleep(0.02)

        assert Reconciler(queue).reconcile()["live"] == 15
        assert messages(settings) == 2

    def test_body_without_pending_id(self, settings: Settings) -> None:
        """A body of which nothing tells is published again: bulk, or replay where it was one."""
        queue = Queue(settings)
        queue.publish(pages(3), "live")
        queue.publish_again({ticket(raw.id, 7): raw for raw in pages(2)})
        bodies(settings).zrem("rasid:pending:live", *(raw.id for raw in pages(2)))
        bodies(settings).zrem("rasid:pending:replay", ticket(pages(1)[0].id, 7))
        broker(settings).flushall()

        assert Reconciler(queue).reconcile() == {"live": 0, "bulk": 2, "replay": 1}
        assert queue.depth().pages == {"live": 1, "bulk": 2, "replay": 2}
        assert [broker(settings).llen(f"rasid-{lane}") for lane in ("bulk", "replay")] == [1, 1]
        assert set(Reconciler(queue).reconcile().values()) == {0}

    def test_wrong_clock(self, settings: Settings) -> None:
        """Pages that a machine published in the future do not wait until then."""
        queue = Queue(settings)
        queue.publish(pages(3), "live")
        tomorrow = dict.fromkeys([raw.id for raw in pages(2)], time.time() + 86400)
        bodies(settings).zadd("rasid:pending:live", tomorrow)

        assert [Reconciler(queue).reconcile()["live"] for _ in range(2)] == [2, 0]

    def test_young_page_is_left_alone(self, settings: Settings) -> None:
        """A page that was published just now is on its way."""
        queue = Queue(settings)
        queue.publish(pages(3), "live")

        assert Reconciler(queue).reconcile()["live"] == 0

    def test_not_again_at_once(self, settings: Settings) -> None:
        """What was sent again has as long as before to be worked on."""
        queue = Queue(settings)
        queue.publish(pages(3), "live")
        long_ago = dict.fromkeys([raw.id for raw in pages(3)], time.time() - 86400)
        bodies(settings).zadd("rasid:pending:live", long_ago)

        assert [Reconciler(queue).reconcile()["live"] for _ in range(2)] == [3, 0]

    def test_tried_pages_go_alone(self, queue: Queue, settings: Settings) -> None:
        """A page that may have killed its worker does not take neighbours with it again."""
        queue.publish(pages(10), "bulk")
        queue.attempts.count([raw.id for raw in pages(4)])
        broker(settings).delete(*CELERY_QUEUES.values())
        time.sleep(0.02)

        Reconciler(queue).reconcile()
        assert messages(settings) == 4 + 1

    def test_notes_of_a_killed_worker_are_swept(self, queue: Queue) -> None:
        """Attempts noted for pages that are done are forgotten; those of pending pages stay."""
        pending, done = pages(2)
        queue.publish([pending], "bulk")
        queue.attempts.count([pending.id, done.id])

        Reconciler(queue).reconcile()

        assert queue.attempts.so_far([pending.id, done.id]) == [1, 0]

    def test_busy_broker_is_left_alone(self, queue: Queue, settings: Settings) -> None:
        """With many messages waiting, old pages are merely waiting their turn."""
        queue.publish(pages(3), "live")
        broker(settings).rpush(CELERY_QUEUES["live"], *itertools.repeat("x", 100))
        time.sleep(0.02)

        assert Reconciler(queue).reconcile()["live"] == 0


class TestFullness:
    def test_pages(self, settings: Settings) -> None:
        """Full at the high-water mark, room below half of it, neither in between."""
        queue = Queue(settings.model_copy(update={"queue_max_pages": 10}))

        seen = []
        for raw in pages(10):
            queue.publish([raw], "live")
            now = queue.fullness()
            seen.append((now.full, now.room))

        assert seen == [(False, True)] * 4 + [(False, False)] * 5 + [(True, False)]
        assert "10 pages" in queue.fullness().reason

    def test_age(self, settings: Settings) -> None:
        """A page that nobody works on stops the producers, however short the queue."""
        queue = Queue(settings.model_copy(update={"queue_max_age_s": 0.01}))
        queue.publish(pages(1), "live")
        time.sleep(0.02)

        assert queue.fullness().full

    def test_bytes(self, settings: Settings) -> None:
        """The memory of the bodies' Redis counts, whatever the number of pages."""
        queue = Queue(settings.model_copy(update={"queue_max_mb": 16}))
        bodies(settings).set("filler", b"x" * 20 * MIB)

        assert queue.fullness().full

    def test_wait_for_room(self, settings: Settings) -> None:
        """A producer waits until the low-water mark, and is told once why."""
        queue = Queue(settings.model_copy(update={"queue_max_pages": 10}))
        queue.publish(pages(10), "live")
        told: list[str] = []

        def work_off(reason: str) -> None:
            told.append(reason)
            queue.done([raw.id for raw in pages(6)])

        queue.wait_for_room(work_off)

        assert len(told) == 1
        assert queue.depth().total == 4


@pytest.mark.parametrize(
    ("address", "for_redis", "for_celery"),
    [
        ("redis://h:1/0", "redis://h:1/0", "redis://h:1/0"),
        ("rediss://u:p@h/2", "rediss://u:p@h/2", "rediss://u:p@h/2"),
        ("unix:///s?db=1", "unix:///s?db=1", "redis+socket:///s?virtual_host=1"),
        ("redis+socket:///s?virtual_host=1", "unix:///s?db=1", "redis+socket:///s?virtual_host=1"),
    ],
)
def test_addresses(address: str, for_redis: str, for_celery: str) -> None:
    """One address serves both clients, sockets included."""
    assert (redis_url(address), celery_url(address)) == (for_redis, for_celery)


@pytest.mark.parametrize("answer", ["ack_log_error", "reject_log_error", "close"])
def test_answer_after_the_connection(settings: Settings, answer: str) -> None:
    """A task that ends when its connection was closed halfway ends no worker, nor does closing."""
    Queue(settings).publish(pages(1), "live")
    connection: Any = Connection(celery_url(settings.redis_url or ""))  # type: ignore[no-untyped-call]
    connection.transport.Channel = OurChannel
    errors = connection.connection_errors
    message = connection.channel().basic_get(CELERY_QUEUES["live"])
    # What is left where a server goes away while its connection is being closed.
    message.channel._disconnect_pools()
    connection.transport.client = None

    if answer == "close":
        message.channel.close()
    else:
        getattr(message, answer)(logging.getLogger(), errors)

    message.channel.qos._on_collect.cancel()  # else it would try again when the tests end
    with broker(settings) as client:
        assert client.hlen("unacked") == 1
