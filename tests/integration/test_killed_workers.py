"""Workers are killed between any two words with Postgres; the store ends as if none had been."""

import multiprocessing
import os
import random
import signal
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from services.queue import Queue
from services.shared.contracts import RawPage
from services.shared.errors import TransientError
from services.shared.settings import Settings
from services.storage import Connection, changes, connect, watches
from services.storage.migrate import migrate
from tests.factories import at, page
from worker import pipeline

LETTERS = "bcdfghjklmnprstvw"
WATCHES = 12

Row = tuple[Any, ...]


def words(chance: random.Random, count: int) -> str:
    """So many words that no other text has."""
    return " ".join("".join(chance.choices(LETTERS + "aeiou", k=9)) for _ in range(count))


def article(url: str, heading: str, text: Sequence[str], fetched_at: datetime) -> RawPage:
    """A page with these paragraphs."""
    body = "".join(f"<p>{paragraph.capitalize()}.</p>" for paragraph in text)
    html = f"<html><body><article><h1>{heading}</h1>{body}</article></body></html>"
    return page(html, requested_url=url, fetched_at=fetched_at)


def news(seed: int) -> tuple[list[RawPage], list[RawPage], list[str]]:
    """Some 130 pages, new versions of some of them, and a word of each of some.

    Stories of one to five outlets, word for word or with more at the end; statements that stand in
    several stories.
    """
    chance = random.Random(seed)
    said = [words(chance, 35) for _ in range(9)]
    first, second, asked = [], [], []
    for story in range(45):
        own = [words(chance, 30) for _ in range(6)]
        statements = [chance.choice(said)] if story % 2 else []
        asked.append(own[0].split()[0])
        for copy in range(1 + story % 5):
            more = [words(chance, 9)] if copy == 1 else [words(chance, 70)] if copy == 2 else []
            heading = words(chance, 5)
            # No two at the same instant: of those the one stored first is the first.
            delay = timedelta(seconds=story)

            url = f"https://outlet{story * 7 + copy * 11}.example/{story}"
            text = [*own[:3], *statements, *own[3:], *more]
            first.append(article(url, heading, text, at(1 + copy) + delay))
            if copy == 0 and story % 7 == 0:
                fresh = [*(words(chance, 30) for _ in range(7)), chance.choice(said)]
                second.append(article(url, heading, fresh, at(12) + delay))
    chance.shuffle(first)
    return first, second, asked[:WATCHES]


def work(settings: Settings, chunks: Sequence[Sequence[str]], words_left: int | None) -> None:
    """Do the chunks as a worker does; be killed after so many words with Postgres."""
    left = words_left

    def killed() -> None:
        nonlocal left
        if left is not None:
            left -= 1
            if left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)

    wait = psycopg.Connection.wait

    def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
        killed()
        found = wait(self, *args, **kwargs)
        killed()
        return found

    queue = Queue(settings)
    with connect(settings.database_url or "") as connection:
        psycopg.Connection.wait = counted  # type: ignore[method-assign]
        try:
            for chunk in chunks:
                try:
                    pipeline.process(chunk, "live", queue, connection, settings)
                except TransientError:  # as a worker: the pages are done again
                    continue
        finally:
            psycopg.Connection.wait = wait  # type: ignore[method-assign]


def disturbed(settings: Settings, pages: Sequence[RawPage], chance: random.Random) -> int:
    """Have two workers at a time do the pages, each killed sooner or later; return how many."""
    queue = Queue(settings)
    queue.publish(pages, "live")
    context = multiprocessing.get_context("fork")
    kills = 0
    while pending := [i for i, taken in queue.take([p.id for p in pages]).items() if taken]:
        tried = dict(zip(pending, queue.attempts(pending), strict=True))
        workers = []
        for _ in range(2):
            fresh = [i for i in pending if not tried[i]]
            again = [i for i in pending if tried[i]]
            chance.shuffle(fresh)
            chance.shuffle(again)
            chunks = [[i] for i in again[:12]]
            chunks += [fresh[at : at + 10] for at in range(0, min(len(fresh), 40), 10)]
            workers.append(
                context.Process(target=work, args=(settings, chunks, chance.randint(1, 140)))
            )
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(60)
            assert worker.exitcode in (0, -signal.SIGKILL)
            kills += worker.exitcode != 0
    return kills


def prepared(connection: Connection, asked: Sequence[str]) -> None:
    """Save watches."""
    for number, word in enumerate(asked):
        watches.add(connection, f"watch {number}", word, language=None, source=None)


def state(connection: Connection) -> dict[str, Any]:
    """What consumers see, without the numbers that tell who came first."""

    def rows(query: str) -> list[Row]:
        return connection.execute(query.encode()).fetchall()

    def groups(query: str) -> Counter[Any]:
        found: dict[Any, set[Row]] = {}
        for group, *member in rows(query):
            found.setdefault(group, set()).add(tuple(member))
        return Counter(frozenset(members) for members in found.values())

    return {
        "articles": sorted(rows("select url, version, title, text from media.articles")),
        "texts": groups("select coalesce(duplicate_of, id), url from media.articles"),
        "stories": groups(
            "select m.story_id, a.url, m.label, m.outlet, m.dated_at, s.first_seen_at, "
            "s.outlets::text, s.articles_count, a.id = s.representative_id "
            "from media.story_articles as m "
            "join media.articles as a on a.id = m.article_id "
            "join media.stories as s on s.id = m.story_id"
        ),
        "distinct": sorted(rows("select url from media.distinct_articles")),
        "quotations": groups(
            "select q.quotation_id, a.url, q.version, q.text, q.text_start, q.is_first "
            "from media.quotation_articles as q join media.articles as a on a.id = q.article_id"
        ),
        "watches": sorted(
            rows(
                "select watch, url, m.version from media.watch_matches as m "
                "join media.articles as a on a.id = m.article_id"
            )
        ),
    }


def check_feed(connection: Connection) -> None:
    """The change feed tells all that is in the store, once; who follows it knows the stories."""
    changes.publish(connection)
    told = connection.execute(
        b"select position, kind, article_id, version, story_id, detail ->> 'watch' "
        b"from media.changes(0, 100000)"
    ).fetchall()
    assert [position for position, *_ in told] == list(range(1, len(told) + 1))
    assert connection.execute(b"select count(*) from rasid.outbox").fetchall() == [(0,)]

    versions = Counter((row[2], row[3]) for row in told if row[1] in ("created", "updated"))
    assert versions == Counter(
        connection.execute(b"select article_id, version from media.article_versions").fetchall()
    )
    matched = Counter((row[2], row[5]) for row in told if row[1] == "watch_matched")
    assert matched == Counter(
        connection.execute(b"select article_id, watch from media.watch_matches").fetchall()
    )
    story_of = {row[2]: row[2] for row in told if row[1] == "created"}
    story_of |= {row[2]: row[4] for row in told if row[1] == "story_changed"}
    stored = connection.execute(b"select id, story_id from media.articles").fetchall()
    assert story_of == dict(stored)  # type: ignore[arg-type]


@pytest.mark.timeout(240)
def test_workers_killed_anywhere(settings: Settings, empty_database_url: str) -> None:
    """Stories, labels, quotations, watch matches and the change feed are those of a calm day."""
    settings = settings.model_copy(update={"max_attempts": 1000})
    first, second, asked = news(seed := int(os.environ.get("RASID_TEST_SEED", "4")))
    migrate(empty_database_url)
    with connect(empty_database_url) as connection:
        prepared(connection, asked)
        calm = settings.model_copy(update={"database_url": empty_database_url})
        for batch in (first, second):
            Queue(calm).publish(batch, "live")
            ids = [raw.id for raw in batch]
            work(calm, [ids[at : at + 10] for at in range(0, len(ids), 10)], None)
        expected = state(connection)
        check_feed(connection)
    assert {name: len(found) > 0 for name, found in expected.items()} == dict.fromkeys(
        expected, True
    )

    chance = random.Random(seed)
    with connect(settings.database_url or "") as connection:
        prepared(connection, asked)
        kills = disturbed(settings, first, chance) + disturbed(settings, second, chance)
        found = state(connection)
        check_feed(connection)

    assert kills > 10
    for name, wanted in expected.items():
        assert found[name] == wanted, name
