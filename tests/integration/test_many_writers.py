"""Many writers at once, each at random: afterwards all is as if one had come after the other.

Seeded: RASID_WRITERS_SEED=N is one run, RASID_WRITERS_SEEDS=20 so many of them,
RASID_WRITERS_STEPS=25 longer ones. What is drawn is the same each time; who comes first is not.
"""

import os
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from services.shared import arabic
from services.shared.errors import TransientError
from services.storage import Connection, change_feed, changes, connect, purges, withdrawals
from services.storage.rows import Processed
from tests.factories import article, at, page, processed
from tests.integration.test_stories import consistent, rows, words
from worker import pipeline
from worker import stories as worker_stories
from worker.fingerprint import text_sha256
from worker.stories import Documents

FIRST = int(os.environ.get("RASID_WRITERS_SEED", "1"))
COUNT = int(os.environ.get("RASID_WRITERS_SEEDS", "1"))
STEPS = int(os.environ.get("RASID_WRITERS_STEPS", "4"))
WRITERS = 8
#: Texts of one family are one story; those of the last two are too short for anything but equality.
FAMILIES, SHORT = 6, 2
ADDRESSES = 20

EVENTS = "select article_id, kind, version, story_id from media.change_feed order by position"
#: What is wrong, where a row comes back.
WRONG = {
    "a version is missing": """
        select a.id from rasid.articles as a
        left join rasid.article_versions as v on v.article_id = a.id
        group by a.id having count(v.version) <> a.version - 1 or max(v.version) >= a.version
    """,
    "it copies one that has not its text first": """
        select a.id from rasid.articles as a left join rasid.texts as t using (text_sha256)
        where t.article_id is null or a.duplicate_of is distinct from nullif(t.article_id, a.id)
    """,
    "a text of nobody": """
        select t.article_id from rasid.texts as t
        left join rasid.articles as a on a.id = t.article_id and a.text_sha256 = t.text_sha256
        where a.id is null
    """,
    "it was not looked up": """
        select article_id from rasid.story_articles where looked_version is distinct from version
    """,
    "a dead letter": "select page_id from rasid.dead_letters",
    "bands of nobody": """
        select article_id from rasid.bands where article_id not in (select id from rasid.articles)
    """,
}


class Writers:
    """What they have sent so far, and what went wrong."""

    def __init__(self, database_url: str, seed: int) -> None:
        self.url, self.seed = database_url, seed
        self.sent: list[Processed] = []
        self.family_of: dict[str, int] = {}
        self.errors: list[BaseException] = []
        self.read: list[int] = []
        self.done = threading.Event()

    def page(self, random: random.Random) -> Processed:
        """Some address with a copy of some family's text, fetched about now."""
        family, address = random.randrange(FAMILIES), random.randrange(ADDRESSES)
        length = 12 if family >= FAMILIES - SHORT else 150
        tail = words(random.random(), random.choice([0, 0, 4])) if length > 12 else []
        text = " ".join([*words(family, length), *tail])
        self.family_of[text] = family
        url = f"https://{address}.example/{address}"
        fetched_at = at(1) + timedelta(seconds=len(self.sent) + random.randrange(-9, 1))
        raw = page(f"{text} {fetched_at}", requested_url=url, fetched_at=fetched_at)
        found = article(url, text, title=f"Title {random.randrange(3)}")
        return processed(raw, replace(found, text_sha256=text_sha256(arabic.tokens(text))))

    def write(self, number: int) -> None:
        """Do some steps, each until it is done, as the queue would have it."""
        chosen = random.Random(f"{self.seed} {number}")
        try:
            with connect(self.url) as connection:
                documents = Documents(20_000)
                for _ in range(STEPS):
                    self.until_done(self.step(chosen, documents), connection)
        except BaseException as error:  # noqa: BLE001 - told at the end
            self.errors.append(error)

    def until_done(self, step: Callable[[Connection], object], connection: Connection) -> None:
        for _ in range(50):
            try:
                step(connection)
                changes.publish(connection)
            except TransientError:
                time.sleep(random.random() / 10)
            else:
                return
        raise AssertionError("one writer is in the others' way all the time")

    def step(self, chosen: random.Random, documents: Documents) -> Callable[[Connection], object]:
        """Return what to do next."""
        what = chosen.choices(
            ["new", "again", "killed", "withdraw", "restore", "purge"], [65, 12, 8, 4, 4, 7]
        )[0]
        ids = [chosen.randrange(1, ADDRESSES) for _ in range(3)]
        if what == "withdraw":
            return lambda connection: withdrawals.withdraw(connection, ids, "not_found")
        if what == "restore":
            return lambda connection: withdrawals.restore(connection, ids)
        if what == "purge":
            address = chosen.randrange(ADDRESSES)
            return lambda connection: purge(connection, f"https://{address}.example/{address}")
        pages = [self.page(chosen) for _ in range(chosen.choice([1, 1, 2, 3, 6, 10]))]
        if what == "again" and len(self.sent) > 4:
            pages = chosen.sample(self.sent, 4)
        pages = list({item.page_id: item for item in pages}.values())
        self.sent += pages
        return lambda connection: store(connection, pages, None if what == "killed" else documents)

    def follow(self) -> None:
        """Read the feed as a consumer does, until all have written."""
        try:
            reader, ended = change_feed.Reader(self.url), False
            while not ended:
                ended = self.done.is_set()
                while found := reader.read(self.read[-1] if self.read else 0, 100):
                    self.read += [int(change["position"]) for change in found]
                reader.wait(0.05)
            reader.close()
        except BaseException as error:  # noqa: BLE001 - told at the end
            self.errors.append(error)

    def run(self) -> None:
        """Have all of them do their steps; then what was killed comes again."""
        threads = [threading.Thread(target=self.write, args=(n,)) for n in range(WRITERS)]
        reader = threading.Thread(target=self.follow)
        for thread in [*threads, reader]:
            thread.start()
        for thread in threads:
            thread.join()
        with connect(self.url) as connection:
            pages = list({item.page_id: item for item in self.sent}.values())
            for first in range(0, len(pages), 10):
                store(connection, pages[first : first + 10], Documents())
            changes.publish(connection)
        self.done.set()
        reader.join()


def store(connection: Connection, pages: list[Processed], documents: Documents | None) -> None:
    """Store a chunk as a worker does; without documents he is killed before he looks for copies."""
    decisions = pipeline._save(connection, pages)
    if documents:
        found = [one.article_id for one in decisions if one.article_id is not None]
        worker_stories.link(connection, documents, found)


def purge(connection: Connection, url: str) -> None:
    """Remove what is behind an address, and let it come again."""
    planned = purges.plan(connection, [], [url], copies=False)
    purges.forbid(connection, planned.keys, "test")
    planned = purges.plan(connection, planned.article_ids, [url], copies=False)
    purges.purge(connection, planned, "test")
    purges.lift(connection, [url])


@pytest.fixture
def stumbling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who speaks with Postgres stops now and then before he goes on."""
    for name in ("execute", "executemany"):
        real = getattr(psycopg.Cursor, name)

        def slowly(*args: Any, real: Callable[..., Any] = real, **kwargs: Any) -> Any:
            if random.random() < 0.25:
                time.sleep(random.random() / 50)
            return real(*args, **kwargs)

        monkeypatch.setattr(psycopg.Cursor, name, slowly)


@pytest.mark.usefixtures("stumbling")
@pytest.mark.parametrize("seed", range(FIRST, FIRST + COUNT))
def test_as_if_one_came_after_the_other(database_url: str, seed: int) -> None:
    """Copies are one story and others are not, versions, exact copies and the feed are whole."""
    writers = Writers(database_url, seed)
    writers.run()

    assert writers.errors == []
    with connect(database_url) as connection:
        consistent(connection)
        assert {
            what: found for what, query in WRONG.items() if (found := rows(connection, query))
        } == {}
        stories = rows(connection, "select story_id, text from media.articles")
        events = rows(connection, EVENTS)
        told = rows(connection, "select id, version, story_id from media.articles order by id")
    families = defaultdict(set)
    for story, text in stories:
        families[writers.family_of[str(text)]].add(story)
    assert sorted(map(len, families.values())) == [1] * len(families)
    assert len(set.union(*families.values())) == len(families)
    assert writers.read == list(range(1, len(events) + 1))
    assert after(events) == told


def after(events: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    """What a consumer knows of the articles who has read all changes: id, version and story."""
    known: dict[int, tuple[object, ...]] = {}
    for number, kind, version, story in events:
        article_id = int(str(number))
        if kind == "created":
            assert article_id not in known
            known[article_id] = article_id, version, article_id
        elif kind == "purged":
            del known[article_id]
        elif kind == "updated":
            known[article_id] = article_id, version, known[article_id][2]
        elif kind == "story_changed":
            known[article_id] = article_id, known[article_id][1], story
    return [known[article_id] for article_id in sorted(known)]
