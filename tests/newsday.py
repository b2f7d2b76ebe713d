"""A day of news from a seed goes in; what the store and its feed are to show of it comes out."""

import random
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from services.shared.contracts import RawPage
from services.storage import Connection, changes, watches
from tests.factories import at, page

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


def news(seed: int, stories: int = 45) -> tuple[list[RawPage], list[RawPage], list[str]]:
    """Some three pages a story, new versions of some of them, and words to watch for.

    Stories of one to five outlets, word for word or with more at the end; statements that stand in
    several stories.
    """
    chance = random.Random(seed)
    said = [words(chance, 35) for _ in range(9)]
    first, second, asked = [], [], []
    for story in range(stories):
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
