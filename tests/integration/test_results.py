"""What the store promises: one article for a normalized URL, first of its text, nothing twice."""

import itertools
import random
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta, timezone

import pytest

from services.shared.contracts import (
    DEAD_LETTER_REASONS,
    REJECTION_REASONS,
    DeadLetter,
    RawPage,
    Rejection,
)
from services.storage import Connection, connect, dead_letters, results
from services.storage.rows import Processed
from tests.factories import article, at, page, processed, stored

VERSION = 1


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    """A connection to a migrated database."""
    with connect(database_url) as opened:
        yield opened


def save(connection: Connection, *items: Processed) -> list[str]:
    """Save a chunk and return the statuses."""
    return [decision.status for decision in results.save(connection, items, VERSION)]


def rows(connection: Connection, query: str) -> list[tuple[object, ...]]:
    """All rows of a query."""
    return connection.execute(query.encode()).fetchall()


class TestArticles:
    def test_same_page_twice_changes_nothing(self, connection: Connection) -> None:
        """A page that is done again after a crash leaves every table as it was."""
        one = stored("https://a/1", "text one")
        assert save(connection, one) == ["created"]
        tables = "articles", "texts", "raw_pages", "captures", "article_versions"
        before = [rows(connection, f"select * from rasid.{table}") for table in tables]

        assert save(connection, one) == ["unchanged"]

        assert [rows(connection, f"select * from rasid.{table}") for table in tables] == before

    def test_new_text_is_a_version(self, connection: Connection) -> None:
        """A changed text under the same URL replaces the old one, which is kept."""
        save(connection, stored("https://a/1", "old", hour=1))

        assert save(connection, stored("https://a/1", "new", hour=2)) == ["updated"]

        expected = [(1, "old", False), (2, "new", True)]
        assert expected == rows(
            connection,
            "select version, text, superseded_at is null from media.article_versions order by 1",
        )

    def test_older_page_arriving_late_changes_nothing(self, connection: Connection) -> None:
        """Pages may arrive in any order; the one fetched last wins."""
        save(connection, stored("https://a/1", "new", hour=2))

        assert save(connection, stored("https://a/1", "old", hour=1)) == ["outdated"]

        assert rows(connection, "select version, text from media.articles") == [(1, "new")]

    def test_same_url_twice_in_a_chunk(self, connection: Connection) -> None:
        """Two states of one article in one chunk become two versions of one row."""
        statuses = save(
            connection,
            stored("https://a/1", "old", hour=1),
            stored("https://a/1", "new", hour=2),
        )

        assert sorted(statuses) in (["created", "outdated"], ["created", "updated"])
        assert rows(connection, "select text from media.articles") == [("new",)]

    def test_text_that_a_chunk_replaces_is_nobodys(self, connection: Connection) -> None:
        """A text an article had only within one chunk makes no later article its duplicate."""
        save(
            connection,
            stored("https://a/1", "old", hour=1),
            stored("https://a/1", "new", hour=2),
        )

        assert save(connection, stored("https://b/1", "old", hour=3)) == ["created"]
        assert save(connection, stored("https://b/2", "new", hour=3)) == ["duplicate"]

    @pytest.mark.parametrize("new", ["B", "C", "D", "E"])
    def test_copy_that_changes_within_a_chunk(self, connection: Connection, new: str) -> None:
        """An article that was a copy only within one chunk is none afterwards."""
        save(connection, stored("https://b/1", "A"))

        save(connection, stored("https://a/1", "A", hour=1), stored("https://a/1", new, hour=2))

        assert rows(connection, "select url from media.distinct_articles order by id") == [
            ("https://b/1",),
            ("https://a/1",),
        ]

    def test_text_postgres_cannot_hold(self, connection: Connection) -> None:
        """NUL and lone surrogates are replaced, in every field, and the rest is kept."""
        raw = page(origin="a\udce4b\0", requested_url="https://a/\ud800", headers={"x": "\0"})
        result = article(
            "https://a/1", "t\0e\ud800xt", title="\0", authors=("\ud800",), witnesses={"a": "\0"}
        )

        assert save(connection, processed(raw, result)) == ["created"]

        assert rows(connection, "select text, title, authors[1], origin from media.articles") == [
            ("t\ufffde\ufffdxt", "\ufffd", "\ufffd", "a\ufffdb\ufffd")
        ]

    def test_long_title_and_url_are_not_cut(self, connection: Connection) -> None:
        """A title of a megabyte and a URL of 20,000 characters are stored whole."""
        title, url = "ع" * 500_000, "https://a/" + "%D8%B9" * 3000

        save(connection, processed(page(requested_url=url), article(url, "t", title=title)))

        assert rows(connection, "select title, url from media.articles") == [(title, url)]


class TestDuplicates:
    def test_same_text_under_another_url(self, connection: Connection) -> None:
        """The copy is a row that names the first, and distinct_articles leaves it out."""
        assert save(connection, stored("https://a/1", "same")) == ["created"]
        assert save(connection, stored("https://b/2", "same")) == ["duplicate"]

        (first, second) = rows(connection, "select id, duplicate_of from media.articles order by 1")
        assert (first[1], second[1]) == (None, first[0])
        assert rows(connection, "select url from media.distinct_articles") == [("https://a/1",)]

    def test_first_changes_its_text(self, connection: Connection) -> None:
        """When the first article changes, its oldest copy becomes the first with that text."""
        for name in "abc":
            save(connection, stored(f"https://{name}/1", "same"))

        save(connection, stored("https://a/1", "other", hour=2))

        ids = {str(url): i for url, i in rows(connection, "select url, id from media.articles")}
        assert rows(connection, "select url, duplicate_of from media.articles order by url") == [
            ("https://a/1", None),
            ("https://b/1", None),
            ("https://c/1", ids["https://b/1"]),
        ]

    def test_copy_changes_its_text(self, connection: Connection) -> None:
        """A copy that gets a text of its own is no copy any more."""
        save(connection, stored("https://a/1", "same"), stored("https://b/1", "same"))

        save(connection, stored("https://b/1", "other", hour=2))

        assert rows(connection, "select duplicate_of from media.articles") == [(None,), (None,)]

    def test_article_changes_into_a_copy(self, connection: Connection) -> None:
        """An article whose new text another had first becomes its duplicate."""
        save(connection, stored("https://a/1", "same"), stored("https://b/1", "other"))

        save(connection, stored("https://b/1", "same", hour=2))

        (a, b) = rows(connection, "select id, duplicate_of from media.articles order by url")
        assert (a[1], b[1]) == (None, a[0])


class TestFailures:
    @pytest.mark.parametrize("reason", REJECTION_REASONS)
    def test_rejection_is_counted(self, connection: Connection, reason: str) -> None:
        """Every reason of the contract can be stored, with its detail."""
        result = Rejection(reason=reason, detail="seen")  # type: ignore[arg-type]

        assert save(connection, processed(page(), result)) == ["rejected"]

        expected = [("rejected", reason, "seen")]
        assert rows(connection, "select outcome, reason, detail from rasid.raw_pages") == expected

    def test_a_result_stands(self, connection: Connection) -> None:
        """A page that fails when it is done once more has its result, and no dead letter."""
        one = stored("https://a/1", "text one")
        save(connection, one)
        outcome = "select outcome, reason from rasid.raw_pages"
        before = rows(connection, outcome)

        failed = processed(one.page, DeadLetter(reason="worker_lost", attempts=3))
        other = processed(page("body"), DeadLetter(reason="error"))
        said = save(connection, failed, other)

        assert said == ["unchanged", "dead_letter"]  # which the log and the brake count
        assert rows(connection, f"{outcome} where id = '{one.page_id}'") == before
        letters = dead_letters.listing(connection)
        assert [letter.page_id for letter in letters] == [other.page_id]

    @pytest.mark.parametrize("reason", DEAD_LETTER_REASONS)
    def test_dead_letter_keeps_the_page(self, connection: Connection, reason: str) -> None:
        """A dead letter gives back the very raw page, body and all."""
        raw = page("body", requested_url="https://a/\ud800", fetched_at=at(3))
        letter = DeadLetter(reason=reason, detail="d", traceback="t")  # type: ignore[arg-type]

        assert save(connection, processed(raw, letter)) == ["dead_letter"]

        assert dead_letters.raw_page(connection, raw.id) == raw

    def test_replay_that_succeeds_removes_the_letter(self, connection: Connection) -> None:
        """A dead letter that becomes an article is gone, and its raw page says created."""
        good = stored("https://a/1", "text")
        save(connection, processed(good.page, DeadLetter(reason="error")))

        assert save(connection, good) == ["created"]

        assert dead_letters.listing(connection) == []
        assert rows(connection, "select outcome from rasid.raw_pages") == [("created",)]

    def test_discarded_letter_leaves_a_trace(self, connection: Connection) -> None:
        """What a person gave up is gone from the letters and still counted."""
        raw = page()
        save(connection, processed(raw, DeadLetter(reason="error", detail="d")))

        dead_letters.discard(connection, [raw.id])

        assert dead_letters.listing(connection) == []
        ((outcome, detail),) = rows(connection, "select outcome, detail from rasid.raw_pages")
        assert (outcome, detail) == ("dead_letter", "discarded by hand; d")


@pytest.mark.parametrize("seed", range(3))
def test_writers_at_the_same_instant(database_url: str, seed: int) -> None:
    """Of eight writers with the same texts and URLs at once, one is first for each, none fails."""
    texts = [f"text {n}" for n in range(40)]
    chance = random.Random(seed)
    barrier = threading.Barrier(8)
    failures: list[BaseException] = []

    def write(writer: int) -> None:
        items = [stored(f"https://{writer % 4}/{text}", text) for text in texts]
        random.Random(f"{seed} {writer}").shuffle(items)
        with connect(database_url) as connection:
            barrier.wait()
            for start in range(0, len(items), 10):
                try:
                    results.save(connection, items[start : start + 10], VERSION)
                except BaseException as error:  # noqa: BLE001 - told below
                    failures.append(error)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    chance.shuffle(threads)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    with connect(database_url) as connection:
        found = rows(connection, "select text, duplicate_of is null from media.articles")
    assert Counter(found) == Counter({(t, True): 1 for t in texts} | {(t, False): 3 for t in texts})


LONG = " ".join(f"word{n}" for n in range(200))
PART = " ".join(f"word{n}" for n in range(60))


def versions_of(connection: Connection) -> list[tuple[object, ...]]:
    """Version, reason and what changed, of the one article."""
    query = "select version, reason, changed from media.article_versions order by version"
    return rows(connection, query)


def day(number: int) -> dict[str, object]:
    """A time of fetching."""
    return {"fetched_at": at(1) + timedelta(days=number)}


def fetched(text: str, number: int, **fields: object) -> Processed:
    """A page of the one article, fetched on a day."""
    raw = page(f"{text} {number}", requested_url="https://a/1", **day(number))
    return processed(raw, article("https://a/1", text, **fields))


class TestVersions:
    def test_reasons(self, connection: Connection) -> None:
        """What made each version is told: the page, the extractor, its rules, or who knows."""
        raw = page("bytes", requested_url="https://a/1", **day(1))
        other = page("other", requested_url="https://a/1", **day(2))

        def read(page: RawPage, title: str, extractor: int) -> None:
            item = processed(page, article("https://a/1", "text", title=title))
            results.save(connection, [item], extractor)

        read(raw, "a", 1)
        read(raw, "b", 2)
        read(raw, "c", 2)
        read(other, "d", 2)
        read(page("more", requested_url="https://a/1", **day(3)), "e", 3)

        assert versions_of(connection) == [
            (1, "first", []),
            (2, "extractor", ["title"]),
            (3, "context", ["title"]),
            (4, "publisher", ["title"]),
            (5, "undetermined", ["title"]),
        ]

    def test_same_instant_in_another_zone(self, connection: Connection) -> None:
        """A date written in another zone is no change."""
        save(connection, fetched("text", 1, published_at=at(12)))
        there = at(12).astimezone(timezone(timedelta(hours=3)))

        assert save(connection, fetched("text", 2, published_at=there)) == ["unchanged"]

        assert versions_of(connection) == [(1, "first", [])]

    def test_worse_copy(self, connection: Connection) -> None:
        """A teaser of the article leaves it as it is; its page is counted, with why, and kept."""
        save(connection, fetched(LONG, 1))

        assert save(connection, fetched(PART, 2)) == ["worse"]

        assert rows(connection, "select version, text from media.articles") == [(1, LONG)]
        assert rows(connection, "select outcome, detail from rasid.raw_pages where reason is null")[
            1:
        ] == [("worse", "a part of the stored text: 60 words, the stored text has 200")]
        assert rows(connection, "select count(*) from rasid.captures") == [(2,)]

    def test_newer_reading_may_be_shorter(self, connection: Connection) -> None:
        """Of the same bytes the newer extractor's text is taken, however short."""
        raw = page("bytes", requested_url="https://a/1", **day(1))
        save(connection, processed(raw, article("https://a/1", LONG)))

        results.save(connection, [processed(raw, article("https://a/1", PART))], VERSION + 1)

        assert rows(connection, "select version, text from media.articles") == [(2, PART)]

    def test_article_that_was_really_shortened(self, connection: Connection) -> None:
        """The same short text a day later, and never the long one between, is the new version."""
        save(connection, fetched(LONG, 1))

        assert save(connection, fetched(PART, 2)) == ["worse"]
        assert save(connection, fetched(PART + " word60", 3)) == ["worse"]
        assert save(connection, fetched(PART, 3)) == ["updated"]

    def test_long_text_seen_between(self, connection: Connection) -> None:
        """A text that comes and goes was not shortened."""
        save(connection, fetched(LONG, 1))

        for number in range(1, 4):
            assert save(connection, fetched(PART, 2 * number)) == ["worse"]
            assert save(connection, fetched(LONG, 2 * number + 1)) == ["unchanged"]

    def test_seen_as_it_is_and_as_it_was_before(self, connection: Connection) -> None:
        """What an address gave last counts, in whatever order its pages arrive."""
        first, between, last = fetched("one", 1), fetched("two", 2), fetched("one", 3)
        for number, order in enumerate(itertools.permutations([first, between, last])):
            for item in order:
                save(connection, item)
            assert rows(connection, "select text from media.articles") == [("one",)], number
            connection.execute(b"truncate rasid.articles, rasid.raw_pages, rasid.texts cascade")

    def test_pages_without_a_time_done_again(self, connection: Connection) -> None:
        """A page that is done again after a kill does not undo what came after it."""
        old, new = (
            processed(page(text, requested_url="https://a/1"), article("https://a/1", text))
            for text in ("old", "new")
        )
        save(connection, old)
        save(connection, new)

        assert save(connection, old) == ["outdated"]
        assert rows(connection, "select version, text from media.articles") == [(2, "new")]

    def test_pages_of_one_instant_done_again(self, connection: Connection) -> None:
        """The same of pages whose archive tells their times to the second."""
        old, new = fetched("old", 1), fetched("new", 1)
        save(connection, old)
        save(connection, new)

        assert save(connection, old) == ["outdated"]
        assert rows(connection, "select version, text from media.articles") == [(2, "new")]

    def test_copy_that_says_less(self, connection: Connection) -> None:
        """The same text without author or date is worse, until it has lasted."""
        said = {"authors": ("A",), "published_at": at(1)}
        save(connection, fetched(LONG, 1, **said))

        assert save(connection, fetched(LONG, 2, authors=("A",))) == ["worse"]
        assert save(connection, fetched(LONG, 3)) == ["worse"]
        assert save(connection, fetched(LONG, 4, **said)) == ["unchanged"]
        assert save(connection, fetched(LONG, 5)) == ["worse"]
        assert save(connection, fetched(LONG, 6)) == ["updated"]
        assert versions_of(connection)[-1] == (2, "publisher", ["authors", "published_at"])

    def test_coarser_date(self, connection: Connection) -> None:
        """The day alone does not take the place of the minute of that day; another day does."""
        fine = {"published_at": at(12), "published_at_precision": "minute"}
        save(connection, fetched(LONG, 1, **fine))

        for number, (hour, outcome) in enumerate([(0, "worse"), (12, "unchanged"), (0, "worse")]):
            precision = "minute" if hour else "day"
            again = {"published_at": at(hour), "published_at_precision": precision}
            assert save(connection, fetched(LONG, number + 2, **again)) == [outcome], number
        other = {"published_at": at(0) + timedelta(days=3), "published_at_precision": "day"}
        assert save(connection, fetched(LONG, 5, **other)) == ["updated"]

    def test_less_is_known_of_the_same_bytes(self, connection: Connection) -> None:
        """The very same page without the word of its feed changes nothing."""
        raw = page("bytes", requested_url="https://a/1", **day(1))
        save(connection, processed(raw, article("https://a/1", "text", published_at=at(1))))

        assert save(connection, processed(raw, article("https://a/1", "text"))) == ["worse"]
        assert (
            results.save(connection, [processed(raw, article("https://a/1", "text"))], VERSION + 1)[
                0
            ].status
            == "updated"
        )

    def test_worse_without_a_time(self, connection: Connection) -> None:
        """When a page without a time of fetching is read tells nothing of how long it lasted."""
        save(connection, fetched(LONG, 1))
        for _ in range(2):
            raw = page(f"body {_}", requested_url="https://a/1")
            assert save(connection, processed(raw, article("https://a/1", PART))) == ["worse"]
            connection.execute(
                b"update rasid.worse_copies set first_observed_at = now() - interval '9 days'"
            )

    def test_paid_for_all_along(self, connection: Connection) -> None:
        """An article that was free for some days, and said so from the first, keeps its text."""
        save(connection, fetched(LONG, 1, labels=("paywall",)))

        for number in range(2, 9):
            assert save(connection, fetched(PART, number, labels=("paywall",))) == ["worse"]

    def test_older_extractor_comes_late(self, connection: Connection) -> None:
        """While workers of two versions run, the newer one's reading of the same bytes stays."""
        raw = page("bytes", requested_url="https://a/1", **day(1))
        results.save(connection, [processed(raw, article("https://a/1", "better"))], VERSION + 1)

        assert save(connection, processed(raw, article("https://a/1", "worse"))) == ["outdated"]

    def test_paywall_stays_worse(self, connection: Connection) -> None:
        """What a paywall leaves of an article never takes its place, however long it stays."""
        save(connection, fetched(LONG, 1))

        for number in range(2, 9):
            assert save(connection, fetched(PART, number, labels=("paywall",))) == ["worse"]
