"""What watches promise: they find what the same search finds, each article once."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from services.shared.errors import RasidError
from services.storage import Connection, changes, connect, results, watches
from services.storage.search import Search, search
from tests.factories import stored

LONG_AGO = datetime(1900, 1, 1, tzinfo=UTC)
WORDS = ["أمريكا", "الأميركيون", "بلبنان", "لبنان", "the", "running", "runs", "run", "東京", "2,5"]


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    """A connection to a migrated database."""
    with connect(database_url) as opened:
        yield opened


def save(
    connection: Connection, name: str, text: str, source: str | None = None, **fields: Any
) -> None:
    """Store an article with this text."""
    item = stored(f"https://{name}/1", text, **{"title": None, "language": "ar", **fields})
    results.save(connection, [replace(item, page=replace(item.page, source=source))], 1)


def add(connection: Connection, name: str, query: str, **filters: str | None) -> int:
    """Save a watch and return its id."""
    return watches.add(connection, name, query, **{"language": None, "source": None, **filters})


def found(connection: Connection) -> list[tuple[object, ...]]:
    """Watch, article and version of every match."""
    return connection.execute(
        "select watch, url, m.version from media.watch_matches as m"
        " join media.articles as a on a.id = m.article_id order by 1, 2"
    ).fetchall()


def test_matched_as_they_arrive(connection: Connection) -> None:
    """An article is matched when it is stored, in any spelling, and with all filters."""
    save(connection, "before", "قالت أمريكا")
    add(connection, "america", "أميركا")
    add(connection, "english", "أميركا", language="en")
    add(connection, "ours", "أميركا", source="ours")
    add(connection, "not", "أميركا -قالت")
    add(connection, "prefix", "أمير*")
    add(connection, "or", '"no such" or أمريكا')

    save(connection, "a", "قالت أَمـريكا اليوم")
    save(connection, "b", "أمريكا", source="ours")

    assert found(connection) == [
        *[("america", f"https://{name}/1", 1) for name in "ab"],
        ("not", "https://b/1", 1),
        *[("or", f"https://{name}/1", 1) for name in "ab"],
        ("ours", "https://b/1", 1),
        *[("prefix", f"https://{name}/1", 1) for name in "ab"],
    ]


def test_in_the_change_feed(connection: Connection) -> None:
    """A match follows the article it is about, with the watch's name."""
    add(connection, "w", "word")
    save(connection, "a", "word")
    changes.publish(connection)

    events = connection.execute("select kind, version, detail from media.changes()").fetchall()
    assert events == [("created", 1, None), ("watch_matched", 1, {"watch": "w"})]


def test_each_article_once(connection: Connection) -> None:
    """Done twice, or changed and still matching, an article is not matched again."""
    add(connection, "w", "word")
    save(connection, "a", "other", hour=1)
    save(connection, "a", "word", hour=2)
    save(connection, "a", "word", hour=2)
    save(connection, "a", "word again", hour=3)

    assert found(connection) == [("w", "https://a/1", 2)]
    kinds = connection.execute("select kind from rasid.outbox order by id").fetchall()
    assert [str(kind) for (kind,) in kinds].count("watch_matched") == 1


def test_the_past(connection: Connection) -> None:
    """With a time, what was published since and is stored already is matched, once."""
    for year in (2024, 2025):
        save(connection, str(year), "word", published_at=datetime(year, 5, 1, tzinfo=UTC))
    watch = add(connection, "w", "word")

    since = datetime(2025, 1, 1, tzinfo=UTC)
    assert watches.match_past(connection, watch, since) == 1
    assert watches.match_past(connection, watch, since) == 0
    assert found(connection) == [("w", "https://2025/1", 1)]
    kinds = connection.execute("select kind from media.changes()").fetchall()
    assert kinds[-1] == ("watch_matched",)


def test_names_and_empty_queries(connection: Connection) -> None:
    """A name is given once, and a watch that could find nothing is refused."""
    add(connection, "w", "word")
    with pytest.raises(RasidError, match="already"):
        add(connection, "w", "other")
    for query in ("", "-word", '"', "*", "\0"):
        with pytest.raises(RasidError, match="asks for nothing"):
            add(connection, "x", query)
    (row,) = watches.listing(connection)
    assert (row["name"], row["matches"]) == ("w", 0)


def test_long_query(connection: Connection) -> None:
    """A query as long as they come, in all languages at once, is saved and finds its article."""
    words = [f"elections{n}" for n in range(80)]
    add(connection, "w", " or ".join(words))
    save(connection, "a", words[50], language="en")

    assert found(connection) == [("w", "https://a/1", 1)]


def test_removed(connection: Connection) -> None:
    """A removed watch finds nothing any more, and what it found is gone with it."""
    add(connection, "w", "word")
    save(connection, "a", "word")
    watches.remove(connection, "w")
    save(connection, "b", "word")

    assert found(connection) == []
    assert watches.listing(connection) == []
    assert connection.execute("select from rasid.watch_matches").fetchall() == []


@hypothesis_settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    text=st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join),
    language=st.sampled_from(["ar", "en", "zh", None]),
    queries=st.lists(
        st.lists(
            st.tuples(
                st.sampled_from(["", "", "", "-"]),
                st.sampled_from(
                    [*WORDS, "or", "ru*", "لبن*", '"runs the"', '"run ru*"', "京", "الوزير"]
                ),
            ).map("".join),
            min_size=1,
            max_size=4,
        ).map(" ".join),
        min_size=1,
        max_size=5,
    ),
    only=st.sampled_from([None, "ar", "en"]),
)
def test_a_watch_finds_what_a_search_finds(
    connection: Connection, text: str, language: str | None, queries: list[str], only: str | None
) -> None:
    """Whatever is asked of whatever text, both agree."""
    for watch in watches.listing(connection):
        watches.remove(connection, str(watch["name"]))
    names = {}
    for number, query in enumerate(queries):
        try:
            names[str(number)] = query
            add(connection, str(number), query, language=only)
        except RasidError:
            pass
    ((stored_before,),) = connection.execute("select count(*) from rasid.articles").fetchall()
    save(connection, str(stored_before), text, language=language)

    url = f"https://{stored_before}/1"
    watched = {watch for watch, where, _ in found(connection) if where == url}
    searched = {
        name
        for name, query in names.items()
        if url
        in {
            row["url"]
            for row in search(
                connection, Search(query=query, language=only, sort="newest", limit=1000)
            )
        }
    }
    assert watched == searched


def test_added_while_articles_are_stored(database_url: str) -> None:
    """With --since, no article is missed however the watch and its storage fall together."""
    stop = threading.Event()
    failures: list[BaseException] = []

    def write(writer: int) -> None:
        with connect(database_url) as connection:
            number = 0
            while not stop.is_set() or number < 5:
                try:
                    save(connection, f"{writer}-{number}", f"word {writer} {number}")
                except BaseException as error:  # noqa: BLE001 - told below
                    failures.append(error)
                number += 1

    writers = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for writer in writers:
        writer.start()
    with connect(database_url) as connection:
        for number in range(5):
            watch = add(connection, f"w{number}", "word")
            watches.match_past(connection, watch, LONG_AGO)
        watches.remove(connection, "w0")
        stop.set()
        for writer in writers:
            writer.join()
        counts = connection.execute(
            "select count(*) from rasid.articles union all"
            " select count(*) from media.watch_matches group by watch"
        ).fetchall()

    assert failures == []
    assert len(counts) == 5
    assert len(set(counts)) == 1
