"""Quotations through the real pipeline: who carries which passage, where exactly, and who first."""

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from services.importer import texts
from services.queue import Queue
from services.shared import arabic
from services.shared.contracts import Decision, RawPage
from services.shared.errors import TransientError
from services.shared.settings import Settings
from services.storage import Connection, connect, quotations, results
from services.storage.rows import Processed
from tests.factories import at, page, processed
from worker import pipeline, stories
from worker import quotations as looking

SEEDS = Path(__file__).parents[2] / "seeds"
LETTERS = "bcdfghjklmnprstvw"
RANDOM = random.Random(4)

Row = dict[str, Any]


def words(count: int) -> str:
    """So many words that no other text has."""
    return " ".join("".join(RANDOM.choices(LETTERS + "aeiou", k=9)) for _ in range(count))


def sentence(count: int = 25) -> str:
    """A sentence nobody else has written."""
    return f"{words(count).capitalize()}."


def news(  # an article and where it is published
    outlet: str, *paragraphs: str, hour: int = 1, number: int | None = None, fresh: int = 6
) -> RawPage:
    """A page of an outlet: these paragraphs among some of its own."""
    own = [sentence() for _ in range(fresh)]
    half = fresh // 2
    body = "".join(f"<p>{text}</p>" for text in (*own[:half], *paragraphs, *own[half:]))
    number = RANDOM.getrandbits(40) if number is None else number
    return page(
        f"<html><body><article><h1>{words(5)}</h1>{body}</article></body></html>",
        requested_url=f"https://{outlet}.example/news/{number}",
        fetched_at=at(hour),
    )


@pytest.fixture(autouse=True)
def _same_words() -> None:
    """Have each test the same words, whichever came before it."""
    RANDOM.seed(4)


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    """A worker's connection."""
    with connect(database_url) as opened:
        yield opened


@pytest.fixture
def store(connection: Connection, settings: Settings) -> "Store":
    """An empty store with a worker."""
    return Store(connection, settings)


class Store:
    """The pipeline and what consumers see behind it."""

    def __init__(self, connection: Connection, settings: Settings) -> None:
        self.connection = connection
        self.settings = settings

    def take(self, *pages: RawPage) -> list[int]:
        """Process pages as one chunk and return the ids of their articles."""
        found: dict[str, Decision] = {}
        Queue(self.settings).publish(pages, "live")
        for first in range(0, len(pages), 10):
            ids = [raw.id for raw in pages[first : first + 10]]
            queue = Queue(self.settings)
            done = pipeline.process(ids, "live", queue, self.connection, self.settings)
            found.update({decision.page_id: decision for decision in done})
        return [found[raw.id].article_id or 0 for raw in pages]

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        return self.connection.execute(query.encode(), values).fetchall()

    def carriers(self) -> list[dict[int, str]]:
        """The quotations: which article has which words, the first one first."""
        found: dict[int, dict[int, str]] = {}
        for quotation, article, text in self.rows(
            "select quotation_id, article_id, text from media.quotation_articles "
            "order by quotation_id, not is_first, article_id"
        ):
            found.setdefault(quotation, {})[article] = text
        return list(found.values())


def test_of_the_seeds_two_share_a_statement(store: Store) -> None:
    """000 and 003 carry one sentence of the state department; nothing else is shared."""
    names = sorted(SEEDS.glob("*.txt"))
    ids = store.take(
        *(
            RawPage(body=texts.page(path.read_text("utf-8")), origin=f"seeds/{path.name}")
            for path in names
        )
    )

    (carriers,) = store.carriers()
    assert set(carriers) == {ids[0], ids[3]}
    assert {tuple(arabic.tokens(text)) for text in carriers.values()} == {
        tuple(arabic.tokens(carriers[ids[0]]))
    }
    assert carriers[ids[0]].startswith("نحن ملتزمون")


def test_who_carried_a_statement_and_who_first(store: Store) -> None:
    """The earliest is first, whenever it came; each place is exact in the text as published."""
    said = f"“{words(20)}”"
    late, early, other = store.take(
        news("evening", f"He said: {said}", hour=9),
        news("morning", f"{said} was what they heard.", hour=3),
        news("weekly"),
    )
    third = store.take(news("midday", f"Again {said} she said", hour=5))[0]

    assert store.carriers() == [dict.fromkeys((early, late, third), said.strip("“”"))]
    assert store.rows(
        "select first_article_id, first_outlet, first_at, text, articles_count, stories_count, "
        "outlets_count from media.quotations"
    ) == [(early, "morning.example", at(3), said.strip("“”"), 3, 3, 3)]
    for article, text, start, end in store.rows(
        "select article_id, a.text, text_start, text_end "
        "from media.quotation_articles join media.articles as a on a.id = article_id"
    ):
        assert text[start:end] == said.strip("“”"), article
    assert other not in store.carriers()[0]


def test_a_sentence_of_a_paragraph(store: Store) -> None:
    """Who carries only a sentence meets the others in it; the rest of the paragraph is theirs."""
    before, said, after = sentence(20), sentence(30), sentence(20)
    whole = store.take(news("one", said), news("two", f"{before} {said} {after}"))
    (third,) = store.take(news("three", f"{before} {said} {after}"))

    assert store.carriers() == [
        dict.fromkeys((*whole, third), said.rstrip(".")),
        dict.fromkeys((whole[1], third), before.rstrip(".")),
        dict.fromkeys((whole[1], third), after.rstrip(".")),
    ]


def test_a_paragraph_of_which_one_carries_a_sentence(store: Store) -> None:
    """It stands in the quotation of the paragraph, with the place of what it has."""
    before, said, after = sentence(20), sentence(30), sentence(20)
    first, second = store.take(
        news("one", f"{before} {said} {after}"), news("two", f"{before} {said} {after}")
    )
    (third,) = store.take(news("three", said))

    whole = f"{before} {said} {after}".rstrip(".")
    assert store.carriers() == [{first: whole, second: whole, third: said.rstrip(".")}]


@pytest.mark.parametrize("seed", [0, 4, 6, 12])
def test_what_outlets_say_again_and_again_does_not_count(store: Store, seed: int) -> None:
    """What stands in ten stories, three of each outlet, is boilerplate; it was none before.

    Also where the tenth comes together with more, whatever the words around it are.
    """
    RANDOM.seed(seed)
    line = sentence(40)
    store.take(*(news(f"outlet{n % 3}", line) for n in range(9)))
    assert len(store.carriers()) == 1

    store.take(*(news(f"outlet{n % 3}", line) for n in range(9, 13)))

    assert store.carriers() == []
    assert store.rows("select count(*) from media.quotations") == [(0,)]


def test_what_everybody_carries_counts(store: Store) -> None:
    """A statement that thirty outlets quote, some in a second story, is one quotation of all."""
    said = sentence(40)
    ids = store.take(*(news(f"outlet{n % 30}", said) for n in range(40)))

    assert store.carriers() == [dict.fromkeys(ids, said.rstrip("."))]
    assert store.rows("select stories_count, outlets_count from media.quotations") == [(40, 30)]


def test_boilerplate_of_unknown_outlets_does_not_count(store: Store) -> None:
    """Documents of which nobody knows the outlet are taken for one outlet's."""
    line = sentence(40)
    pages = [replace(news("x", line), requested_url=None) for _ in range(12)]
    store.take(*pages[:9])
    assert len(store.carriers()) == 1

    store.take(*pages[9:])

    assert store.carriers() == []


def test_furniture_of_a_source_does_not_count(store: Store) -> None:
    """An outlet that repeats itself quotes nobody; another that repeats it does."""
    line = sentence(40)
    store.take(*(news("one", line) for _ in range(4)))
    assert store.carriers() == []

    (other,) = store.take(news("two", line))

    (carriers,) = store.carriers()
    assert other in carriers
    assert len(carriers) == 5


def test_reprints_do_not_count(store: Store) -> None:
    """Articles of one story share all they have: that is no quotation."""
    paragraphs = [sentence() for _ in range(8)]
    store.take(news("one", *paragraphs, fresh=0), news("two", *paragraphs, fresh=2))

    assert store.rows("select count(distinct story_id) from media.articles") == [(1,)]
    assert store.carriers() == []


def test_stories_that_are_joined_later(store: Store) -> None:
    """When two stories turn out to be one, what they share is a quotation no more."""
    one, two = store.take(news("one", line := sentence(40)), news("two", line))
    assert len(store.carriers()) == 1

    store.connection.execute(
        b"update rasid.story_articles set story_id = %s where article_id = %s", (one, two)
    )

    assert store.carriers() == []


def test_a_new_version(store: Store) -> None:
    """Places are those of the newest text; who carries a passage no more is left out."""
    said = sentence(30)
    first = news("one", said, number=1, hour=2)
    one, two, three = store.take(first, news("two", said, hour=3), news("three", said, hour=4))
    (before,) = store.rows("select id from media.quotations")

    longer = replace(
        news("one", sentence(30), sentence(30), said, number=1, hour=6), fetched_at=at(6)
    )
    assert store.take(longer) == [one]

    assert store.rows("select id from media.quotations") == [before]
    assert store.carriers() == [dict.fromkeys((one, two, three), said.rstrip("."))]
    assert store.rows(
        "select version from media.quotation_articles where article_id = %s", one
    ) == [(2,)]

    assert store.take(news("one", number=1, hour=8, fresh=9)) == [one]

    assert store.carriers() == [dict.fromkeys((two, three), said.rstrip("."))]


def test_a_new_headline_leaves_the_places(store: Store) -> None:
    """A version with the same text has the same quotations, without being compared again."""
    said = sentence(30)
    first = news("one", said, number=1, hour=2)
    one, two = store.take(first, news("two", said, hour=3))
    before = store.rows("select article_id, text_start, text_end from media.quotation_articles")
    passages = store.rows("select count(*) from rasid.passages")

    title = first.body.split(b"<h1>")[1].split(b"</h1>")[0]
    changed = first.body.replace(b"<h1>" + title, b"<h1>" + words(6).encode())
    assert store.take(replace(first, body=changed, fetched_at=at(7))) == [one]

    assert store.rows("select version from media.articles where id = %s", one) == [(2,)]
    assert sorted(before) == sorted(
        store.rows("select article_id, text_start, text_end from media.quotation_articles")
    )
    assert store.rows("select count(*) from rasid.passages") == passages
    assert {one, two} == set(store.carriers()[0])


def test_killed_before_it_looked(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page stored by a worker that died then is looked up when it is done again."""

    def die(*_: object) -> None:
        raise TransientError("Postgres is away")

    said = sentence(30)
    (one,) = store.take(news("one", said))
    late = news("two", said)
    with monkeypatch.context() as patch:
        patch.setattr(looking, "look", die)
        with pytest.raises(TransientError):
            store.take(late)
    assert store.carriers() == []

    (two,) = store.take(late)

    assert store.carriers() == [dict.fromkeys((one, two), said.rstrip("."))]


def test_carriers_at_the_same_instant(store: Store) -> None:
    """Of articles stored at once the later one sees the earlier: all stand in one quotation."""
    for _ in range(5):
        said = sentence(30)
        store_at_once(store.settings, [news(f"outlet{n}", said) for n in range(6)])

    assert [len(carriers) for carriers in store.carriers()] == [6] * 5


def test_who_links_quotations_holds_up_nobody_who_saves(store: Store) -> None:
    """Articles are stored and matched with watches while somebody decides on quotations."""
    raw = news("one", sentence(30))
    item = processed(raw, pipeline.read(raw, 1_000_000))
    with connect(store.settings.database_url or "") as other, other.transaction():
        other.execute(quotations.SQL.lock)
        store.connection.execute(b"set lock_timeout = '200ms'")

        (saved,) = results.save(store.connection, [item], 1)

    assert saved.status == "created"


def store_at_once(settings: Settings, pages: list[RawPage]) -> None:
    """Save, link and look up pages as the pipeline does, each from a thread of its own."""
    barrier = threading.Barrier(len(pages))

    def work(item: Processed) -> None:
        with connect(settings.database_url or "") as own:
            barrier.wait()
            (decision,) = results.save(own, [item], 1)
            stories.link(own, stories.Documents(), [decision.article_id or 0])
            looking.look(own, pipeline._passages([item], [decision]))

    # Read beforehand: its alarm needs the main thread.
    items = [processed(raw, pipeline.read(raw, 1_000_000)) for raw in pages]
    with ThreadPoolExecutor(len(pages)) as pool:
        list(pool.map(work, items))


def test_done_twice(store: Store) -> None:
    """Pages that are done again change nothing."""
    said, other = sentence(30), sentence(30)
    pages = [news("one", said, other), news("two", said), news("three", other, said)]
    store.take(*pages)
    tables = "passages", "quotations", "quotation_articles"
    before = [store.rows(f"select * from rasid.{table} order by 1, 2") for table in tables]
    assert [len(found) for found in before[1:]] == [2, 5]

    Queue(store.settings).publish(pages, "live")
    store.take(*pages)

    assert before == [store.rows(f"select * from rasid.{table} order by 1, 2") for table in tables]


def test_a_passage_repeated_within_an_article(store: Store) -> None:
    """The article stands in its quotation once."""
    said = sentence(30)
    one, two = store.take(news("one", said), news("two", said, sentence(), said))

    assert [set(found) for found in store.carriers()] == [{one, two}]


def test_reports_of_one_template(store: Store) -> None:
    """Forms in which only the numbers differ are no quotations."""

    def report(outlet: str, day: int) -> RawPage:
        rows = [
            f"The central bank said on monday that the price of a tonne of {goods} in the "
            f"northern harbour had gone from {day}{n}40 to {day}{n}75 dinars within the week."
            for n, goods in enumerate(("wheat", "barley", "maize", "rice", "sugar"))
        ]
        return news(outlet, *rows, hour=day, fresh=8)

    store.take(report("one", 1), report("two", 2), report("three", 3))

    assert store.carriers() == []


def test_a_text_that_changed_meanwhile(store: Store) -> None:
    """Places of a text that is not the newest any more are not stored."""
    said = sentence(30)
    one, two = store.take(news("one", said), news("two", said))
    known = []

    def decide(found: Any) -> quotations.Found:
        known.extend(found)
        old = [replace(place, version=9) for _, place in found]
        return quotations.Found([], [old])

    quotations.link(store.connection, [one, two], decide)

    assert len(known) == 2
    assert len(store.carriers()) == 1


def test_passages_are_in_partitions_by_week(store: Store) -> None:
    """Those of five weeks are kept; older ones go, and the next two are there in advance."""
    (today,) = store.rows("select current_date")[0]
    monday = today - timedelta(days=today.weekday())

    def partitions() -> list[str]:
        return [
            name
            for (name,) in store.rows(
                "select relname from pg_class where relname ~ '^passages_[0-9_]+$' "
                "and relkind = 'r' order by 1"
            )
        ]

    def named(*mondays: date) -> list[str]:
        return [f"passages_{day:%Y_%m_%d}" for day in mondays]

    week = timedelta(weeks=1)
    # Perhaps the schema is of last week.
    store.connection.execute(b"select rasid.roll_passages(%s)", (today,))
    assert {*named(monday, monday + week, monday + 2 * week)} <= {*partitions()}
    store.take(news("one"))
    assert store.rows("select count(*) > 0, count(*) = 0 from only rasid.passages_default") == [
        (False, True)
    ]

    later = monday + 5 * week
    store.connection.execute(
        b"insert into rasid.passages values (1, 1, %s)", (later + timedelta(days=2),)
    )
    store.connection.execute(b"select rasid.roll_passages(%s)", (later,))

    assert partitions() == named(
        monday + week, monday + 2 * week, *(later + n * week for n in (-1, 0, 1, 2))
    )
    assert store.rows("select hash from rasid.passages") == [(1,)]
    with pytest.raises(psycopg.errors.UndefinedTable):
        store.rows(f"select from rasid.{named(monday)[0]}")
