"""Pages read again: an article follows the page it was last seen on, in whatever order."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from services import replay
from services.queue import Queue
from services.queue.bodies import ticket
from services.shared.contracts import Article, RawPage, Rejection, Result
from services.shared.settings import Settings
from services.storage import (
    Connection,
    Database,
    connect,
    dead_letters,
    replay_pages,
    replays,
    results,
)
from services.storage.replays import Choice
from services.storage.rows import Processed
from tests.factories import article, at, page, processed
from tests.patience import PATIENCE_S
from worker import pipeline

URL = "https://a/1"
WORDS = {"a": "harbour council", "b": "library bridge", "c": "market river", "d": "school garden"}


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    """A connection to a migrated database."""
    with connect(database_url) as opened:
        yield opened


def rows(connection: Connection, query: str) -> list[tuple[Any, ...]]:
    """All rows of a query."""
    return connection.execute(query.encode()).fetchall()


def read(body: str, hour: int, says: str | None) -> Processed:
    """A page of one address, fetched at an hour, and what is read of it; None for a rejection."""
    raw = page(body, requested_url=URL, fetched_at=at(hour))
    text = says and WORDS.get(says, says)
    result: Result = article(URL, text) if text else Rejection(reason="too_short")
    return processed(raw, result)


def arrive(connection: Connection, item: Processed, version: int) -> str:
    """Save a page that has just been fetched."""
    return results.save(connection, [item], version)[0].status


def again(connection: Connection, item: Processed, version: int) -> str:
    """Save a page that is read again."""
    return results.save(connection, [replace(item, replay_id=1)], version)[0].status


PAGES = st.lists(
    st.tuples(
        st.sampled_from("pqrs"), st.sampled_from([*WORDS, None]), st.sampled_from([*WORDS, None])
    ),
    min_size=1,
    max_size=4,
)


def clear(connection: Connection) -> None:
    """Forget all pages and articles."""
    names = ", ".join(
        f"rasid.{name}"
        for name in (
            "articles",
            "texts",
            "raw_pages",
            "article_versions",
            "worse_copies",
            "captures",
        )
    )
    connection.execute(f"truncate {names} cascade".encode())


@hypothesis_settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(pages=PAGES, live=st.sampled_from([*WORDS, None]), data=st.data())
def test_any_order_ends_the_same(
    connection: Connection, pages: list[tuple[str, Any, Any]], live: Any, data: st.DataObject
) -> None:
    """Whenever each page is read again, before or after a new one: the same texts at the end."""
    first = [read(f"{body}{n}", n + 1, before) for n, (body, before, _) in enumerate(pages)]
    second = [read(f"{body}{n}", n + 1, after) for n, (body, _, after) in enumerate(pages)]
    new = read("live", 20, live)
    steps: list[Processed | None] = [*second, None]
    order = data.draw(st.permutations(steps))
    ends = []
    for sequence in (steps, order, [*order, *second]):
        clear(connection)
        for item in first:
            arrive(connection, item, 1)
        for step in sequence:
            if step is None:
                arrive(connection, new, 2)
            else:
                again(connection, step, 2)
        ends.append(
            rows(
                connection,
                "select normalized_url, text, observed_at, duplicate_of from rasid.articles",
            )
        )

    assert ends[0] == ends[1] == ends[2]


def news(number: int, sentence: str = "met for the {n}th time on the new bridge") -> RawPage:
    """A page with an article, of a source."""
    body = "".join(
        f"<p>On day {number} the council of the town {sentence.format(n=n)}.</p>" for n in range(9)
    )
    return page(
        f"<h1>News {number}</h1><article>{body}</article>",
        requested_url=f"https://example.org/{number}",
        source="example",
        fetched_at=at(number % 20),
    )


def process_all(connection: Connection, settings: Settings) -> None:
    """Be the worker, until nothing waits."""
    queue = Queue(settings)
    bodies = queue.bodies
    for lane in ("live", "bulk", "replay"):
        while ids := [i.decode() for i in bodies.zrange(f"rasid:pending:{lane}", 0, 9)]:  # type: ignore[union-attr]
            pipeline.process(ids, lane, queue, connection, settings)


def read_again(
    connection: Connection, settings: Settings, choice: Choice, **sources: Any
) -> dict[str, Any]:
    """Feed and work until the replay has ended; return what has come of it."""
    begun, _ = replays.begin(connection, choice)
    # A page's time is bound by a signal, which only the main thread gets: the feeder is beside it.
    opened = Database(settings.database_url or "")
    feeding = threading.Thread(
        target=replay.feed,
        args=(Queue(settings), opened, begun.id, sources),
        kwargs={"pace": replay.Pace()},
    )
    feeding.start()
    end = time.monotonic() + PATIENCE_S
    while feeding.is_alive():
        assert time.monotonic() < end, "the replay does not end"
        process_all(connection, settings)
        time.sleep(0.01)
    feeding.join()
    opened.close()
    return replays.end(connection, begun.id)


@pytest.fixture
def newer(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[RawPage], RawPage]], None]:
    """Make the extractor another version, which reads a page as if it were another."""

    def make(reads: Callable[[RawPage], RawPage]) -> None:
        old = pipeline.read
        monkeypatch.setattr(pipeline, "EXTRACTOR_VERSION", 2)
        monkeypatch.setattr(replays, "EXTRACTOR_VERSION", 2)
        monkeypatch.setattr(pipeline, "read", lambda raw, limit: old(reads(raw), limit))

    return make


def test_what_a_newer_extractor_changes(
    connection: Connection, settings: Settings, newer: Any
) -> None:
    """Texts and titles that differ, rejections that are articles and the other way round."""
    pages = [news(number) for number in range(12)]
    short = replace(news(20), body=b"<p>nothing HIDDEN</p>")
    Queue(settings).publish([*pages, short], "live")
    process_all(connection, settings)
    events = rows(connection, "select max(position) from media.change_feed")

    def reads(raw: RawPage) -> RawPage:
        body = raw.body.replace(b"News 3<", b"Better news 3<").replace(b"day 4 ", b"Monday ")
        if raw.requested_url == "https://example.org/5":
            body = b"<p>too little</p>"
        if b"HIDDEN" in body:
            body = news(20).body
        return replace(raw, body=body)

    newer(reads)
    choice = Choice(older_than=2, sources=("example",))
    chosen = replays.choose(connection, choice)
    assert (chosen.pages, chosen.without_body) == (13, 0)
    assert chosen.by_outcome == {("created", ""): 12, ("rejected", "too_short"): 1}

    summary = read_again(connection, settings, choice)

    assert summary["done"] == 13
    assert summary["fields_changed"] == {"text": 1, "title": 1}
    kinds = {name: summary[name] for name in ("became_articles", "now_rejected", "cured")}
    assert kinds == {"became_articles": 1, "now_rejected": 1, "cured": 0}
    (title,) = (found for found in summary["examples"] if found["field"] == "title")
    assert (title["before"], title["after"]) == ("News 3", "Better news 3")
    # What is refused now stays; what others read of the rest has changed.
    assert rows(connection, "select count(*) from media.articles") == [(13,)]
    told = rows(
        connection,
        "select kind, a.url, detail from media.change_feed"
        " join media.articles as a on a.id = article_id"
        f" where position > {events[0][0]} and kind in ('created', 'updated') order by 2",
    )
    assert told == [
        ("created", "https://example.org/20", {"cause": "replay"}),
        (
            "updated",
            "https://example.org/3",
            {"reason": "extractor", "changed": ["title"], "cause": "replay"},
        ),
        (
            "updated",
            "https://example.org/4",
            {"reason": "extractor", "changed": ["text"], "cause": "replay"},
        ),
    ]
    found = rows(connection, "select url from media.search('Monday')")
    assert found == [("https://example.org/4",)]
    assert rows(connection, "select distinct extractor_version from rasid.raw_pages") == [(2,)]
    assert replays.choose(connection, choice).pages == 0
    assert Queue(settings).depth().total == 0


def test_read_again_twice_is_once(connection: Connection, settings: Settings, newer: Any) -> None:
    """A worker killed after its commit does the page again: nothing is there twice."""
    Queue(settings).publish([news(1)], "live")
    process_all(connection, settings)
    newer(lambda raw: replace(raw, body=raw.body.replace(b"council", b"mayor")))
    begun, _ = replays.begin(connection, Choice(older_than=2))
    queue = Queue(settings)
    (waiting,) = replay_pages.next_pages(connection, begun.id, after=0, limit=10)
    assert waiting.message is not None
    for _ in range(2):
        queue.publish_again({ticket(waiting.page_id, begun.id): waiting.message})
        process_all(connection, settings)
    summary = replays.end(connection, begun.id)

    assert rows(connection, "select version, reason from media.article_versions order by 1") == [
        (1, "first"),
        (2, "extractor"),
    ]
    assert summary["fields_changed"] == {"text": 1}
    assert replays.end(connection, begun.id) == summary
    kinds = (
        "select kind from media.change_feed where kind in ('created', 'updated') order by position"
    )
    assert rows(connection, kinds) == [("created",), ("updated",)]


def test_the_same_command_goes_on(connection: Connection, settings: Settings, newer: Any) -> None:
    """A feeder killed halfway, or a Redis that lost all: what is left is read, once."""
    Queue(settings).publish([news(number) for number in range(15)], "live")
    process_all(connection, settings)
    newer(lambda raw: replace(raw, body=raw.body.replace(b"council", b"mayor")))
    begun, is_new = replays.begin(connection, Choice(older_than=2))
    queue = Queue(settings)
    first = replay_pages.next_pages(connection, begun.id, after=0, limit=10)
    queue.publish_again({ticket(w.page_id, begun.id): w.message for w in first if w.message})
    process_all(connection, settings)
    rest = replay_pages.next_pages(connection, begun.id, after=10, limit=3)
    queue.publish_again({ticket(w.page_id, begun.id): w.message for w in rest if w.message})
    queue.bodies.flushall()

    summary = read_again(connection, settings, Choice(older_than=2))

    assert is_new
    assert [(r.id, r.left_count) for r in replays.listing(connection)] == [(begun.id, 0)]
    assert summary["fields_changed"] == {"text": 15}
    assert rows(connection, "select distinct version from media.articles") == [(2,)]


def test_dead_letters_are_cured(
    connection: Connection, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only those asked for are read again; what fails again counts one more failure."""
    good, bad = news(1), news(2)
    old = pipeline.read

    def failing(raw: RawPage, limit: int) -> Article | Rejection:
        if raw.id == bad.id:
            raise ZeroDivisionError
        return old(raw, limit)

    with monkeypatch.context() as broken:
        broken.setattr(pipeline, "read", lambda *_: 1 / 0)
        Queue(settings).publish([good, bad], "live")
        process_all(connection, settings)
    monkeypatch.setattr(pipeline, "read", failing)
    Queue(settings).publish([news(3)], "live")
    process_all(connection, settings)
    assert len(dead_letters.listing(connection)) == 2
    assert replays.choose(connection, Choice()).pages == 1

    summary = read_again(connection, settings, Choice(dead_letters=True))

    assert (summary["done"], summary["cured"]) == (2, 1)
    (letter,) = dead_letters.listing(connection)
    assert (letter.page_id, letter.failures_count, letter.replayed_at) == (bad.id, 2, None)
    outcomes = dict(rows(connection, "select id, outcome from rasid.raw_pages"))
    assert outcomes == {good.id: "created", bad.id: "dead_letter", news(3).id: "created"}


def test_a_page_that_fails_now_keeps_its_article(
    connection: Connection, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a newer extractor cannot read is a dead letter, and what was read of it stays."""
    Queue(settings).publish([news(1)], "live")
    process_all(connection, settings)
    monkeypatch.setattr(pipeline, "read", lambda *_: 1 / 0)

    summary = read_again(connection, settings, Choice(sources=("example",)))

    assert summary["now_dead_letters"] == 1
    assert rows(connection, "select outcome, article_id is null from rasid.raw_pages") == [
        ("created", False)
    ]
    (letter,) = dead_letters.listing(connection)
    assert letter.reason == "error"
    dead_letters.discard(connection, [letter.page_id])
    assert rows(connection, "select detail from rasid.raw_pages") == [(None,)]


def test_a_message_nobody_could_read(connection: Connection, settings: Settings) -> None:
    """It goes back on the queue as it was: a newer Rasid, which wrote it, will read it."""
    queue = Queue(settings)
    queue.publish([news(1)], "live")
    key = f"rasid:body:{news(1).id}"
    stored = bytes(queue.bodies.get(key) or b"")  # type: ignore[arg-type]
    queue.bodies.set(key, newer_form := stored.replace(b'n": 1,', b'n": 99,'))
    process_all(connection, settings)
    (letter,) = dead_letters.listing(connection)
    assert letter.reason == "invalid_message"

    begun, _ = replays.begin(connection, Choice(dead_letters=True, page_ids=(letter.page_id,)))
    (waiting,) = replay_pages.next_pages(connection, begun.id, after=0, limit=10)

    assert waiting.message == newer_form


def test_bytes_that_came_twice(connection: Connection) -> None:
    """A page that came back is one page with its first time; read again it stays the newest."""
    one, other = read("one", 1, "a"), read("other", 2, "b")
    back = replace(one, page=replace(one.page, fetched_at=at(3)))
    for item in (one, other, back):
        arrive(connection, item, 1)
    assert again(connection, read("other", 2, "d"), 2) == "outdated"
    assert again(connection, read("one", 1, "c"), 2) == "updated"

    found = rows(connection, "select text, fetched_at, observed_at from rasid.articles")
    assert found == [(WORDS["c"], at(3), at(3))]
    assert arrive(connection, read("late", 2, "d"), 2) == "outdated"


def test_pages_of_an_archive_keep_their_time(connection: Connection) -> None:
    """What an archive says was had before is older when it is read again, whenever it came in."""

    def imported(body: str, year: int, result: Result) -> Processed:
        had = datetime(year, 5, 6, tzinfo=UTC)
        return processed(page(body, requested_url=URL, received_at=had), result)

    new = imported("new", 2021, article(URL, WORDS["b"]))
    old = imported("old", 2020, Rejection(reason="too_short"))
    for item in (new, old):
        arrive(connection, item, 1)

    choice = Choice(until=datetime(2020, 12, 31, tzinfo=UTC))
    begun, _ = replays.begin(connection, choice)
    (waiting,) = replay_pages.next_pages(connection, begun.id, after=0, limit=10)
    assert waiting.message == old.page
    replays.stop(connection, begun.id)
    whole = replays.begin(connection, Choice())[0].id
    order = [one.page_id for one in replay_pages.next_pages(connection, whole, after=0, limit=10)]
    assert order == [old.page_id, new.page_id]

    better = replace(old, result=article(URL, WORDS["a"]))
    # Also on the way since before a page carried this time with it.
    bare = replace(better, page=replace(old.page, received_at=None))
    assert again(connection, bare, 2) == again(connection, better, 2) == "outdated"
    assert rows(connection, "select text, observed_at from rasid.articles") == [
        (WORDS["b"], datetime(2021, 5, 6, tzinfo=UTC))
    ]


def test_what_no_version_keeps(connection: Connection) -> None:
    """Where only a tag differs there is no new version, and consumers hear of it all the same."""
    raw = page("x", requested_url=URL, fetched_at=at(1))
    arrive(connection, processed(raw, article(URL, "text")), 1)

    better = processed(raw, article(URL, "text", tags=("sport",), section="News"))
    assert again(connection, better, 2) == "unchanged"
    assert again(connection, better, 2) == "unchanged"

    assert rows(connection, "select version, tags, section from media.articles") == [
        (1, ["sport"], "News")
    ]
    assert rows(connection, "select kind, version, detail from rasid.outbox order by id")[1:] == [
        (
            "updated",
            1,
            {"reason": "extractor", "changed": ["section", "tags"], "cause": "replay"},
        )
    ]
