"""What stories promise: copies come together, whatever the order, the writer or the accident."""

import itertools
import random
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from services.shared import arabic
from services.shared.contracts import RELATIONS, STORY_LABELS
from services.storage import Connection, connect, results, stories
from services.storage.rows import Processed
from tests.factories import article, at, page, processed
from tests.patience import PATIENCE_S
from worker import stories as worker_stories
from worker.deduplicate import Document
from worker.fingerprint import SIGNATURE_VERSION
from worker.stories import Documents

SEEDS = Path(__file__).resolve().parents[2] / "seeds"
VERSION = 1
#: Letters only: a word with digits counts as a number.
WORDS = ["".join(letters) for letters in itertools.product("بتجدرسعفقلمن", repeat=3)]


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    """A worker's connection."""
    with connect(database_url) as opened:
        yield opened


def words(seed: object, count: int) -> list[str]:
    """So many words, others for each seed."""
    generator = random.Random(f"words {seed}")
    return [generator.choice(WORDS) for _ in range(count)]


def story(seed: object, count: int = 200) -> str:
    """A text that shares nothing with that of another seed."""
    return " ".join(words(seed, count))


def copied(host: str, text: str, *, hour: int = 1, path: object = 1, **fields: object) -> Processed:
    """A page of an outlet with this text."""
    url = f"https://{host}/{path}"
    raw = page(text + host + str(hour), requested_url=url, fetched_at=at(hour))
    return processed(raw, article(url, text, **fields))


def save(connection: Connection, *items: Processed) -> list[int]:
    """Store a chunk without looking for copies; return the article of each page."""
    decisions = results.save(connection, items, VERSION)
    return [decision.article_id for decision in decisions if decision.article_id]


def tell(connection: Connection, *items: Processed) -> list[int]:
    """Store a chunk as a worker does."""
    ids = save(connection, *items)
    worker_stories.link(connection, Documents(), ids)
    return ids


def rows(connection: Connection, query: str) -> list[tuple[object, ...]]:
    """All rows of a query."""
    return connection.execute(query.encode()).fetchall()


def members(connection: Connection) -> dict[str, set[str]]:
    """The hosts of each story by its representative's host, and nothing that contradicts it."""
    found: dict[str, set[str]] = {}
    for representative, host in rows(
        connection,
        """
        select split_part(r.url, '/', 3), split_part(a.url, '/', 3)
        from media.stories as s
        join media.articles as r on r.id = s.representative_id
        join media.story_articles as m on m.story_id = s.id
        join media.articles as a on a.id = m.article_id and a.story_id = s.id
        """,
    ):
        found.setdefault(str(representative), set()).add(str(host))
    consistent(connection)
    return found


def consistent(connection: Connection) -> None:
    """Each story is what its members say, and its id is their smallest."""
    assert (
        rows(
            connection,
            """
            select s.id, s.articles_count, s.outlets_count, s.representative_id, m.*
            from media.stories as s
            full join (
                select story_id, min(article_id) as first, count(*) as articles_count,
                    count(distinct outlet) as outlets_count, array_agg(article_id) as ids,
                    count(*) filter (where label = 'original') as originals_count
                from media.story_articles group by story_id
            ) as m on m.story_id = s.id
            where s.id is distinct from m.first
                or s.articles_count is distinct from m.articles_count
                or s.outlets_count is distinct from m.outlets_count
                or originals_count is distinct from 1
                or s.representative_id <> all(m.ids)
            """,
        )
        == []
    )


def labels(connection: Connection) -> dict[str, str]:
    """The label of each article by its host and path."""
    query = """
        select substring(url from '//(.*)'), label from media.story_articles
        join media.articles on id = article_id
    """
    return {str(url): str(label) for url, label in rows(connection, query)}


class TestCopies:
    def test_reprint_joins(self, connection: Connection) -> None:
        """A reprint with another head, a credit and furniture is in its original's story."""
        text = story(1)
        tell(connection, copied("a.example", text))
        tell(connection, copied("b.example", f"رويترز {text} شارك هذا المقال على فيسبوك وتويتر"))
        tell(connection, copied("c.example", story(2)))

        assert members(connection) == {
            "a.example": {"a.example", "b.example"},
            "c.example": {"c.example"},
        }
        assert len(rows(connection, "select from media.distinct_articles")) == 2

    def test_any_order_and_chunk(self, connection: Connection) -> None:
        """Copies are joined whether they come one by one, together, or the longest last."""
        text = words(1, 300)
        copies = [
            copied(f"{name}.example", " ".join(part))
            for name, part in (("cut", text[:200]), ("half", text[:240]), ("full", text))
        ]
        tell(connection, *copies)
        tell(connection, copied("late.example", " ".join(text[:280])))

        assert [len(hosts) for hosts in members(connection).values()] == [4]

    def test_seeds_stay_apart(self, connection: Connection) -> None:
        """The five seeds share a topic, an agency and a statement, and are five stories."""
        for path in sorted(SEEDS.glob("*.txt")):
            tell(connection, copied(f"{path.stem[:3]}.example", path.read_text("utf-8")))

        assert [len(hosts) for hosts in members(connection).values()] == [1] * 5

    def test_templates_stay_apart(self, connection: Connection) -> None:
        """Yesterday's and today's prices in one frame are two stories, of one outlet or of two."""
        frame = words(1, 120)

        def report(day: int) -> str:
            numbers = random.Random(day)
            return " ".join(
                str(numbers.randint(1000, 9999)) if place % 8 == 0 else word
                for place, word in enumerate(frame)
            )

        for day in range(4):
            tell(connection, copied("daily.example", report(day), path=day))
        tell(connection, copied("other.example", report(5)))

        assert len(rows(connection, "select from media.stories")) == 5
        relations = rows(connection, "select distinct relation from media.article_overlaps")
        assert relations == [("template",)]

    def test_one_outlet_needs_more(self, connection: Connection) -> None:
        """An outlet that uses much of an article again tells another story."""
        shared, own = words(1, 200), words(2, 70)
        follow_up = " ".join([*shared, *own[:35], *own[35:]])
        tell(connection, copied("a.example", " ".join([*shared, *words(3, 70)])))
        tell(connection, copied("a.example", follow_up, path=2))
        assert len(rows(connection, "select from media.stories")) == 2

        tell(connection, copied("b.example", story(4)))
        tell(connection, copied("c.example", story(4) + " " + story(5, 60)))
        assert len(rows(connection, "select from media.stories")) == 3

    def test_short_exact_copy(self, connection: Connection) -> None:
        """A text of five words has no reprints, but its exact copy is in its story."""
        tell(connection, copied("a.example", story(1, 5)))
        tell(connection, copied("b.example", story(1, 5)))
        tell(connection, copied("c.example", story(1, 5) + " سادسة"))

        assert sorted(map(len, members(connection).values())) == [1, 2]

    def test_two_stories_become_one(self, connection: Connection) -> None:
        """A copy that holds both halves of a text joins the stories of both, under the first id."""
        text = words(1, 400)
        halves = " ".join(text[:200]), " ".join(text[200:])
        first, second = tell(
            connection, copied("a.example", halves[0]), copied("b.example", halves[1])
        )
        tell(connection, copied("c.example", " ".join(text)))

        assert members(connection) == {"c.example": {"a.example", "b.example", "c.example"}} or (
            [len(hosts) for hosts in members(connection).values()] == [3]
        )
        assert rows(connection, "select id from media.stories") == [(min(first, second),)]

    def test_far_months_are_not_looked_into(self, connection: Connection) -> None:
        """What arrived before the last month is not found any more."""
        tell(connection, copied("a.example", story(1)))
        connection.execute(b"update rasid.bands set arrived_on = current_date - 70")
        tell(connection, copied("b.example", story(1) + " وكالات"))

        assert len(rows(connection, "select from media.stories")) == 2


class TestLabels:
    def test_labels(self, connection: Connection) -> None:
        """The earliest is the original; the others are told by outlet and length."""
        text = words(1, 400)
        whole = " ".join(text)
        tell(connection, copied("cut.example", " ".join(text[:250]), hour=3))
        tell(connection, copied("extended.example", whole + " " + story(2, 120), hour=4))
        tell(connection, copied("first.example", whole, hour=1))
        tell(connection, copied("first.example", whole + " " + story(3, 30), hour=5, path=2))
        tell(connection, copied("reprint.example", whole + " وكالات", hour=6))
        tell(connection, copied("first.example", whole, hour=7, path=3))

        assert labels(connection) == {
            "cut.example/1": "cut",
            "extended.example/1": "extended",
            "first.example/1": "original",
            "first.example/2": "update",
            "first.example/3": "reprint",
            "reprint.example/1": "reprint",
        }
        assert [representative for representative in members(connection)] == ["first.example"]  # noqa: C416

    def test_published_before_arrival_counts(self, connection: Connection) -> None:
        """A date exact to the minute decides who was first; one of a day, or to come, does not."""
        for host, hour, fields in (
            ("early.example", 9, {"published_at": at(2), "published_at_precision": "minute"}),
            ("day.example", 5, {"published_at": at(0), "published_at_precision": "day"}),
            ("future.example", 4, {"published_at": at(23), "published_at_precision": "second"}),
        ):
            tell(connection, copied(host, story(1) + f" {host}", hour=hour, **fields))

        order = "select outlet from media.story_articles order by dated_at"
        assert rows(connection, order) == [
            ("early.example",),
            ("future.example",),
            ("day.example",),
        ]


class TestWords:
    @pytest.mark.parametrize(
        ("table", "column", "words_of"),
        [("story_articles", "label", STORY_LABELS), ("article_overlaps", "relation", RELATIONS)],
    )
    def test_closed_sets(
        self, connection: Connection, table: str, column: str, words_of: tuple[str, ...]
    ) -> None:
        """The words the store takes are those of the contract."""
        ((check,),) = rows(
            connection,
            "select pg_get_constraintdef(oid) from pg_constraint "
            f"where conname = '{table}_{column}_check'",
        )
        assert set(re.findall(r"'(\w+)'", str(check))) == set(words_of)


class TestChanges:
    def test_story_changed_is_told_once(self, connection: Connection) -> None:
        """An article whose story changed has one event with both ids; doing it again adds none."""
        (first,) = tell(connection, copied("a.example", story(1)))
        again = copied("b.example", story(1) + " وكالات")
        (second,) = tell(connection, again)
        tell(connection, again)

        assert rows(
            connection,
            "select article_id, story_id, detail from rasid.outbox where kind = 'story_changed'",
        ) == [(second, first, {"former_story_id": second})]

    def test_new_text_leaves_its_story(self, connection: Connection) -> None:
        """An address that tells something else now is in another story, or in one of its own."""
        tell(
            connection,
            copied("a.example", story(1), hour=1),
            copied("b.example", story(1) + " وكالات", hour=2),
            copied("c.example", story(1) + " رويترز", hour=3),
        )
        tell(connection, copied("other.example", story(2), hour=4))
        tell(connection, copied("a.example", story(2) + " وكالات", hour=5))

        assert members(connection) == {
            "a.example": {"a.example", "other.example"},
            "b.example": {"b.example", "c.example"},
        }
        tell(connection, copied("a.example", story(3), hour=6))
        assert sorted(map(len, members(connection).values())) == [1, 1, 2]

    def test_corrected_text_stays(self, connection: Connection) -> None:
        """A correction of a few words leaves the story as it is, with new bands."""
        tell(connection, copied("a.example", story(1)))
        (corrected,) = tell(connection, copied("b.example", story(1) + " وام"))
        before = rows(connection, "select * from rasid.bands order by 1, 3, 4")
        tell(connection, copied("b.example", story(1) + " وكالة الأنباء", hour=2))

        assert [len(hosts) for hosts in members(connection).values()] == [2]
        after = rows(connection, "select * from rasid.bands order by 1, 3, 4")
        assert len(after) == len(before)
        assert rows(
            connection,
            f"select looked_version from rasid.story_articles where article_id = {corrected}",
        ) == [(2,)]


class Meanwhile(Documents):
    """Texts of which one thing happens elsewhere as soon as some have been read for comparing."""

    def __init__(self, step: Callable[[], object]) -> None:
        super().__init__()
        self._steps = [step]

    def get(self, connection: Connection, article_ids: Iterable[int]) -> dict[int, Document]:
        """Return the documents as they were before that."""
        found = super().get(connection, article_ids)
        while self._steps:
            self._steps.pop()()
        return found


class TestTextsThatChange:
    """Whoever is in one story by the texts of today, whatever was compared when they changed."""

    @pytest.fixture
    def other(self, database_url: str) -> Iterator[Connection]:
        """Another worker's connection."""
        with connect(database_url) as opened:
            yield opened

    def test_corrected_while_compared(self, connection: Connection, other: Connection) -> None:
        """A copy does not join an article that has quite another text by the time it is linked."""
        tell(connection, copied("a.example", story(1)))
        ids = save(connection, copied("b.example", story(1) + " وكالات"))
        corrected = copied("a.example", story(2), hour=2)

        worker_stories.link(connection, Meanwhile(lambda: tell(other, corrected)), ids)

        assert members(connection) == {"a.example": {"a.example"}, "b.example": {"b.example"}}

    def test_corrected_a_little_while_compared(
        self, connection: Connection, other: Connection
    ) -> None:
        """If its new text is alike as well, the two are one story none the less."""
        tell(connection, copied("a.example", story(1)))
        ids = save(connection, copied("b.example", story(1) + " وكالات"))
        corrected = copied("a.example", story(1) + " رويترز", hour=2)

        worker_stories.link(connection, Meanwhile(lambda: tell(other, corrected)), ids)

        assert [len(hosts) for hosts in members(connection).values()] == [2]

    def test_story_joined_while_looked_up(
        self, connection: Connection, other: Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An article leaves its story also where that is joined with another just then."""
        (low,) = tell(connection, copied("low.example", story(3)))
        tell(connection, copied("a.example", story(1)), copied("b.example", story(1) + " وكالات"))
        save(connection, copied("low.example", story(1) + " رويترز", hour=2))
        ids = save(connection, copied("b.example", story(2), hour=2))
        real = stories.waiting

        def waiting(own: Connection, article_ids: Sequence[int]) -> list[stories.Waiting]:
            found = real(own, article_ids)
            monkeypatch.setattr(stories, "waiting", real)
            worker_stories.link(other, Documents(), [low])
            return found

        monkeypatch.setattr(stories, "waiting", waiting)
        worker_stories.link(connection, Documents(), ids)

        assert sorted(map(sorted, members(connection).values())) == [
            ["a.example", "low.example"],
            ["b.example"],
        ]

    @pytest.mark.parametrize("tail", ["", " وكالات"])
    def test_two_change_together(self, connection: Connection, tail: str) -> None:
        """Two that tell the same from now on leave both their stories, and nobody comes along."""
        tell(connection, copied("a.example", story(1)), copied("a1.example", story(1) + " قنا"))
        tell(connection, copied("b.example", story(2)), copied("b1.example", story(2) + " قنا"))
        tell(
            connection,
            copied("a.example", story(3), hour=2),
            copied("b.example", story(3) + tail, hour=2),
        )

        assert sorted(map(sorted, members(connection).values())) == [
            ["a.example", "b.example"],
            ["a1.example"],
            ["b1.example"],
        ]

    def test_two_of_one_story_change_together(self, connection: Connection) -> None:
        """Two of one story that tell the same of another from now on do not keep each other."""
        for number in range(2):
            tell(connection, copied(f"{number}.example", story(number)))
        for host in "a.example", "b.example":
            tell(connection, copied(host, story(0) + f" {host}"))
        tell(
            connection,
            *(copied(host, story(1) + f" {host}", hour=2) for host in ("a.example", "b.example")),
        )

        assert sorted(map(sorted, members(connection).values())) == [
            ["0.example"],
            ["1.example", "a.example", "b.example"],
        ]

    @pytest.mark.parametrize("count", [2, 3, 5])
    def test_corrected_alike_together(self, connection: Connection, count: int) -> None:
        """Those of a story that are corrected together stay with who was not, however alike."""
        hosts = ["a.example", "b.example", "c.example", "d.example", "e.example"]
        tell(connection, *(copied(host, story(1) + f" {host}") for host in hosts))
        corrected = story(1) + " " + " ".join(words("corrected", 12))
        tell(connection, *(copied(host, corrected, hour=2) for host in hosts[:count]))

        assert [len(found) for found in members(connection).values()] == [5]

    def test_changed_before_it_was_looked_up(self, connection: Connection) -> None:
        """Nor does an article stay with who joined it by its first text before it was looked up."""
        ids = save(connection, copied("a.example", story(1)))
        tell(connection, copied("b.example", story(1) + " وكالات"))
        save(connection, copied("a.example", story(2), hour=2))
        worker_stories.link(connection, Documents(), ids)

        assert sorted(map(len, members(connection).values())) == [1, 1]

    def test_joined_before_it_has_left(self, connection: Connection) -> None:
        """Who joins an article with a new text does not come into the story this is to leave."""
        tell(connection, copied("a.example", story(1)), copied("b.example", story(1) + " وكالات"))
        ids = save(connection, copied("b.example", story(2), hour=2))
        tell(connection, copied("c.example", story(2) + " رويترز"))
        worker_stories.link(connection, Documents(), ids)

        assert sorted(map(sorted, members(connection).values())) == [
            ["a.example"],
            ["b.example", "c.example"],
        ]

    def test_joined_when_it_has_changed_again(
        self, connection: Connection, other: Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Also where that one has still another text by the time who joins it is looked up."""
        tell(connection, copied("a.example", story(1)), copied("b.example", story(1) + " وكالات"))
        ids = save(connection, copied("b.example", story(2), hour=2), copied("c.example", story(2)))
        once_more = copied("b.example", story(2) + " رويترز", hour=3)
        real = stories.waiting

        def waiting(own: Connection, article_ids: Sequence[int]) -> list[stories.Waiting]:
            found = real(own, article_ids)
            monkeypatch.setattr(stories, "waiting", real)
            save(other, once_more)
            return found

        monkeypatch.setattr(stories, "waiting", waiting)
        worker_stories.link(connection, Documents(), ids)
        worker_stories.link(connection, Documents(), ids)

        assert sorted(map(sorted, members(connection).values())) == [
            ["a.example"],
            ["b.example", "c.example"],
        ]

    @pytest.mark.parametrize("first", ["b.example", "c.example"])
    def test_exact_copy_before_it_has_left(self, connection: Connection, first: str) -> None:
        """Nor does an exact copy that is too short to be compared, whoever had the text first."""
        tell(connection, copied("a.example", story(1)), copied("b.example", story(1) + " وكالات"))
        changed, short = copied("b.example", story(2, 5), hour=2), copied("c.example", story(2, 5))
        if first == "b.example":
            ids = save(connection, changed)
            tell(connection, short)
        else:
            (again,) = save(connection, short)
            ids = save(connection, changed)
            worker_stories.link(connection, Documents(), [again])
        worker_stories.link(connection, Documents(), ids)

        assert sorted(map(sorted, members(connection).values())) == [
            ["a.example"],
            ["b.example", "c.example"],
        ]

    def test_exact_copies_of_one_that_changes(self, connection: Connection) -> None:
        """Exact copies stay together also where the first of them changes before one is linked."""
        tell(connection, copied("a.example", story(1, 5)))
        ids = save(connection, copied("b.example", story(1, 5)))
        tell(connection, copied("c.example", story(1, 5)))
        tell(connection, copied("a.example", story(2), hour=2))
        worker_stories.link(connection, Documents(), ids)

        assert sorted(map(sorted, members(connection).values())) == [
            ["a.example"],
            ["b.example", "c.example"],
        ]

    def test_looked_up_by_two(self, connection: Connection, other: Connection) -> None:
        """An article that two look up leaves its story once, not the one that it has come into."""
        tell(connection, copied("a.example", story(1)), copied("b.example", story(1) + " وكالات"))
        ids = save(connection, copied("b.example", story(2), hour=2))

        def elsewhere() -> None:
            worker_stories.link(other, Documents(), ids)
            tell(other, copied("c.example", story(2) + " رويترز"))

        worker_stories.link(connection, Meanwhile(elsewhere), ids)

        assert sorted(map(sorted, members(connection).values())) == [
            ["a.example"],
            ["b.example", "c.example"],
        ]

    def test_new_fingerprint_before_it_has_left(self, connection: Connection) -> None:
        """An article that is to leave its story does so also where its fingerprint is made anew."""
        tell(connection, copied("a.example", story(1)), copied("b.example", story(1) + " وكالات"))
        ids = save(connection, copied("b.example", story(2), hour=2))
        connection.execute(
            b"update rasid.story_articles set signature_version = 0 where version > 1"
        )
        worker_stories.refresh(connection, Documents())
        worker_stories.link(connection, Documents(), ids)

        assert sorted(map(len, members(connection).values())) == [1, 1]


class TestAccidents:
    def test_killed_between_save_and_link(self, connection: Connection) -> None:
        """A page that was stored and not looked up is looked up when it comes again."""
        tell(connection, copied("a.example", story(1)))
        again = copied("b.example", story(1) + " وكالات")
        save(connection, again)
        assert len(rows(connection, "select from media.stories")) == 2

        tell(connection, again)

        assert len(rows(connection, "select from media.stories")) == 1

    def test_twice_changes_nothing(self, connection: Connection) -> None:
        """Doing a chunk again, or looking it up again, leaves every table as it was."""
        chunk = [copied(f"{n}.example", story(n % 2) + f" {n} {n}") for n in range(5)]
        ids = tell(connection, *chunk)
        tables = "stories", "story_articles", "bands", "article_overlaps", "outbox"
        before = [rows(connection, f"select * from rasid.{t} order by 1, 2, 3") for t in tables]

        tell(connection, *chunk)
        found = stories.waiting(connection, ids)
        links = [
            stories.Link(article_id=i, version=1, matches={min(ids): 1} if n % 2 == 0 else {})
            for n, i in enumerate(sorted(ids))
        ]

        assert found == []
        assert before == [
            rows(connection, f"select * from rasid.{t} order by 1, 2, 3") for t in tables
        ]
        assert len(links) == 5

    def test_link_of_an_older_text_is_void(self, connection: Connection) -> None:
        """What was found for a text that has been replaced meanwhile links nothing."""
        (first,) = tell(connection, copied("a.example", story(1)))
        (second,) = save(connection, copied("b.example", story(1) + " وكالات"))
        save(connection, copied("b.example", story(2), hour=2))
        late = stories.Link(article_id=second, version=1, matches={first: 1})
        stories.link(connection, [late], [], [])

        assert len(rows(connection, "select from media.stories")) == 2
        assert [w.article_id for w in stories.waiting(connection, [first, second])] == [second]

    def test_writers_at_the_same_instant(self, database_url: str) -> None:
        """Copies stored by eight at once are one story, whoever commits first."""

        def work(own: Connection, number: int, writer: int, documents: Documents) -> None:
            text = story(number) + f" {writer} {writer} {writer}"
            ids = save(own, copied(f"{writer}.example", text, path=number))
            worker_stories.link(own, documents, ids)

        at_once(database_url, work)

    def test_more_copies_than_are_compared_at_first(self, connection: Connection) -> None:
        """Copies that come all at once leave none out, not even the one least like them."""
        tell(connection, copied("first.example", story(1) + " " + " ".join(words("tail", 30))))
        tell(connection, *(copied(f"{n}.example", story(1) + " وكالات" * n) for n in range(9)))

        assert [len(hosts) for hosts in members(connection).values()] == [10]

    def test_chains_at_the_same_instant(self, database_url: str) -> None:
        """Where each of eight is only linked with its neighbours, all of them are one story."""

        def work(own: Connection, number: int, writer: int, _: Documents) -> None:
            (me,) = save(own, copied(f"{writer}.example", f"{number} {writer}", path=number))
            neighbours = [f"https://{n}.example/{number}" for n in (writer - 1, writer + 1)]
            found = own.execute(
                b"select id from media.articles where url = any(%s)", (neighbours,)
            ).fetchall()
            matches = {int(str(i)): 1 for (i,) in found}
            stories.link(own, [stories.Link(article_id=me, version=1, matches=matches)], [], [])

        at_once(database_url, work)


def at_once(database_url: str, work: Callable[[Connection, int, int, Documents], None]) -> None:
    """Have eight writers tell twelve stories, one after the other; each must become one."""
    writers, count = 8, 12
    barrier = threading.Barrier(writers)
    errors: list[Exception] = []

    def run(writer: int) -> None:
        try:
            with connect(database_url) as own:
                documents = Documents()
                for number in range(count):
                    barrier.wait(PATIENCE_S)
                    work(own, number, writer, documents)
        except Exception as error:  # noqa: BLE001 - shown below
            errors.append(error)
            barrier.abort()

    threads = [threading.Thread(target=run, args=(writer,)) for writer in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    with connect(database_url) as own:
        consistent(own)
        assert rows(own, "select articles_count from media.stories") == [(writers,)] * count


class TestUpkeep:
    def test_restored_from_a_backup(self, connection: Connection) -> None:
        """A text is compared as it is stored, also where another was of that version before."""
        documents = Documents()
        tell(connection, copied("a.example", story(1)))
        worker_stories.link(
            connection, documents, save(connection, copied("b.example", story(1) + " وكالات"))
        )
        found = documents.get(connection, [1, 2])
        connection.execute(
            b"update rasid.articles set text = %s, text_sha256 = %s where id = 1", (story(2), b"2")
        )
        again = documents.get(connection, [1, 2])

        assert again[2].words is found[2].words
        assert not np.array_equal(again[1].words, found[1].words)

    def test_partitions_ahead_and_behind(self, connection: Connection) -> None:
        """Months are made before they begin, early rows move in, and old months go."""
        tell(connection, copied("a.example", story(1)))
        bands = rows(connection, "select * from rasid.bands order by 1, 3")
        connection.execute(
            b"insert into rasid.bands (article_id, arrived_on) values (0, '2031-05-02')"
        )
        connection.execute(b"select rasid.roll_bands('2031-05-01')")
        connection.execute(b"select rasid.roll_bands('2031-05-31')")

        names = [
            name
            for (name,) in rows(
                connection,
                "select relname from pg_inherits join pg_class on oid = inhrelid "
                "where inhparent = 'rasid.bands'::regclass order by 1",
            )
        ]
        assert names == [
            f"bands_{name}" for name in ("2031_04", "2031_05", "2031_06", "2031_07", "default")
        ]
        assert rows(connection, "select article_id from rasid.bands_2031_05") == [(0,)]
        assert bands

    def test_other_signatures_never_meet(self, connection: Connection) -> None:
        """Bands of another version of the signature find nobody, until they are made anew."""
        (first,) = tell(connection, copied("a.example", story(1)))
        connection.execute(b"update rasid.story_articles set signature_version = 0")
        (second,) = tell(connection, copied("b.example", story(1) + " وكالات"))
        assert len(rows(connection, "select from media.stories")) == 2
        assert stories.outdated_count(connection, SIGNATURE_VERSION) == 1

        assert worker_stories.refresh(connection, Documents()) == 1

        assert stories.outdated_count(connection, SIGNATURE_VERSION) == 0
        assert rows(connection, "select id, articles_count from media.stories") == [(first, 2)]
        assert second > first
        assert worker_stories.refresh(connection, Documents()) == 0


def total(texts: Sequence[str]) -> int:
    """How many words there are."""
    return sum(len(arabic.tokens(text)) for text in texts)


def test_documents_are_bounded(connection: Connection) -> None:
    """A process keeps the texts it compared last, and no more words than it may."""
    texts = [story(number, 100) for number in range(5)]
    ids = save(connection, *(copied(f"{n}.example", text) for n, text in enumerate(texts)))
    documents = Documents(words_kept=250)

    for _ in range(2):
        found = documents.get(connection, ids)
        assert sum(len(document.words) for document in found.values()) == total(texts)

    assert documents.words == 200
