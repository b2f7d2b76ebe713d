"""What anybody could put on the queue or ask of the search, with real servers."""

import pytest
import redis
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from services.queue import BODY, PENDING, Queue
from services.queue.broker import redis_url
from services.queue.reconcile import Reconciler
from services.shared import compression, page_header
from services.shared.contracts import RawPage
from services.shared.settings import Settings
from services.storage import connect
from services.storage.search import Search, search
from tests.fuzz.bombs import zstd_bomb
from worker import pipeline

PAGE = RawPage(body=b"<p>x</p>", origin="test", requested_url="https://news.example/1")
WORDS = (
    *(
        '"',
        "'",
        "\\",
        "&",
        "|",
        "!",
        "(",
        ")",
        "<->",
        ":*",
        "*",
        "-",
        "OR",
        "AND",
        ":",
        "@l/ar",
        "=x",
    ),
    *(
        "قالت",
        "الوزارة",
        "ﷺ",
        "\u0301" * 40,
        "\u202e",
        "\u200c",
        "a" * 3000,
        "新闻",
        "١٢٫٥",
        "1.5",
        "%",
    ),
    *("''", '""', "$$", ";", "--", "/*", "\x01", "\ufffe", "\U000e0041", "-bridge", '"a b"*'),
)


@pytest.fixture
def bodies(settings: Settings) -> redis.Redis:
    return redis.Redis.from_url(redis_url(settings.bodies_url))


def test_what_lies_under_a_page_is_no_page(settings: Settings, bodies: redis.Redis) -> None:
    """A bomb, rubbish and what is too large become dead letters; the page beside them is done."""
    queue = Queue(settings)
    queue.publish([PAGE], "live")
    header = page_header.encode(PAGE) + b"\n"
    bodies.set(f"{BODY}bomb", header + zstd_bomb())
    bodies.set(f"{BODY}rubbish", b"\xff" * 100)
    bodies.set(f"{BODY}large", b"x" * (2 * settings.max_body_bytes + 10))
    bodies.rpush(f"{BODY}list", "x")
    other = header.replace(b'"headers": {}', b'"headers": [1]') + compression.compress(b"x")
    bodies.set(f"{BODY}typed", other)
    ids = ["bomb", "rubbish", "large", "list", "typed"]
    with connect(settings.database_url or "") as connection:
        done = pipeline.process([*ids, PAGE.id], "live", queue, connection, settings)

    assert [decision.status for decision in done] == [*["dead_letter"] * 5, "rejected"]
    assert list(bodies.scan_iter(f"{BODY}*")) == []


def test_what_is_pending_is_no_page(settings: Settings, bodies: redis.Redis) -> None:
    """Foreign members of a pending set are taken out and told; the pages behind them are sent."""
    queue = Queue(settings.model_copy(update={"requeue_after_s": 1e-6}))
    queue.publish([PAGE], "live")
    foreign: dict[bytes, float] = {
        b"\xff\xfe": 0,
        b"": 0,
        b"a b\n": 0,
        b"x" * 10_000: 0,
        "قال".encode(): 0,
    }
    bodies.zadd(PENDING["live"], foreign)
    bodies.set(BODY.encode() + b"\xff", b"x")

    assert Reconciler(queue).reconcile()["live"] == 1
    assert bodies.zrange(PENDING["live"], 0, -1) == [PAGE.id.encode()]
    bodies.zadd(PENDING["bulk"], foreign)
    assert Reconciler(queue).send_all() == 1


def test_search_takes_any_query(database_url: str) -> None:
    """Whatever is asked, by a search or a watch, finds something or nothing, and is no error."""
    with connect(database_url) as connection:
        connection.execute("set statement_timeout = '5s'")

        @hypothesis_settings(max_examples=80, suppress_health_check=list(HealthCheck))
        @given(st.lists(st.sampled_from(WORDS) | st.text(max_size=4), max_size=12))
        def ask(words: list[str]) -> None:
            for query in (" ".join(words), "".join(words)):
                assert search(connection, Search(query=query)) == []
                with connection.transaction(force_rollback=True):
                    connection.execute(
                        "select rasid.add_watch(%s, %s, null, null)",
                        ("w", query.replace("\0", "")),
                    )

        ask()
