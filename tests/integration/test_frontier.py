from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.shared.frontier import (
    DueLink,
    FeedKind,
    FeedPoll,
    LinkOutcome,
    ListedLink,
    ListedSitemap,
    Problem,
)
from services.shared.sources import Feed, Source
from services.storage import Connection, connect, hosts, jobs, links, sources

NOW = datetime.now(UTC)
#: Of a poll that went well.
LISTED: Any = {"outcome": "listed", "status": 200, "detail": None, "failed": False}
FEED = Feed(url="https://a.example/rss")
MAP = Feed(url="https://a.example/map.xml", kind="sitemap")
SOURCE = Source(name="a", title="A", home_page="https://a.example/", feeds=(FEED, MAP))
KINDS: tuple[FeedKind, ...] = ("feed", "sitemap")


@pytest.fixture
def tx(database_url: str) -> Iterator[Connection]:
    """A connection to a store that knows SOURCE."""
    with connect(database_url) as connection:
        sources.save(connection, [SOURCE])
        connection.commit()
        yield connection


def take_feeds(tx: Connection) -> dict[str, int]:
    """Take the due feeds of the source's host; return their ids by address."""
    taken = sources.take_due(tx, ["a.example"], ["a"], KINDS, lease_s=60)
    return {feed.url: feed.id for feed in taken}


def take_links(tx: Connection, *names: str) -> list[DueLink]:
    """Take the due links of these hosts."""
    return links.take_due(tx, names, ["a"], per_host=10)


def test_one_page_is_one_link(tx: Connection) -> None:
    """Twin addresses are one link, known by all feeds that list it."""
    ids = take_feeds(tx)
    first = links.add(
        tx,
        ids[FEED.url],
        [
            ListedLink(url="https://a.example/2026/story-1", title="x"),
            ListedLink(url="http://www.a.example/2026/story-1/amp"),
        ],
    )
    second = links.add(tx, ids[MAP.url], [ListedLink(url="https://m.a.example/2026/story-1")])

    assert [(added.new, added.listed) for added in (first, second)] == [(1, 1), (0, 1)]
    trace = links.trace(tx, "https://a.example/2026/story-1?utm_source=x")
    assert trace
    assert trace["feed_urls"] == [FEED.url, MAP.url]


def test_an_old_link_is_known_but_not_fetched(tx: Connection) -> None:
    """What a feed dates before the limit is refused by name; without a date it is fetched."""
    old = ListedLink(url="https://a.example/old", published_at=NOW - timedelta(days=40))
    new = ListedLink(url="https://a.example/new")
    counts = links.add(tx, take_feeds(tx)[FEED.url], [old, new], oldest=NOW - timedelta(days=30))

    assert (counts.new, counts.too_old) == (2, 1)
    assert [link.url for link in take_links(tx, "a.example")] == [new.url]
    assert links.counts(tx, ["a"])["refused", "too_old"] == 1


def test_a_taken_link_is_not_taken_twice(tx: Connection) -> None:
    """A link is handed out once; given back, it is as if it had not been taken."""
    links.add(tx, take_feeds(tx)[FEED.url], [ListedLink(url="https://b.example/1")])

    (link,) = take_links(tx, "b.example")
    assert take_links(tx, "b.example") == []
    links.give_back(tx, [link.id])
    (again,) = take_links(tx, "b.example")

    assert (link.attempts_count, again.attempts_count) == (1, 1)
    assert link.feed_url == FEED.url


def test_a_link_to_ask_again_waits(tx: Connection) -> None:
    """A link that failed for now is due when its wait is over, and not before."""
    links.add(tx, take_feeds(tx)[FEED.url], [ListedLink(url="https://b.example/1")])
    (link,) = take_links(tx, "b.example")
    outcome = LinkOutcome(link_id=link.id, state="due", reason="timeout", wait_s=3600)
    links.end(tx, [outcome])

    assert take_links(tx, "b.example") == []
    assert links.counts(tx, ["a"]) == {("due", "timeout"): 1}


def test_a_sitemap_to_walk_again_waits(tx: Connection) -> None:
    """A sitemap of a backfill that failed for now is walked when its wait is over, not before."""
    job, _ = jobs.begin(tx, "backfill", "a", source="a")
    jobs.add_known_roots(tx, job)
    failures = []
    for wait_s in (0, 300):
        (walk,) = jobs.take_walks(tx, ["a.example"], ["a"], count=9, lease_s=60)
        failures.append(walk.errors_count)
        jobs.walk_later(tx, walk, wait_s)

    assert failures == [0, 1]
    assert jobs.take_walks(tx, ["a.example"], ["a"], count=9, lease_s=60) == []


def take_hosts(tx: Connection, crawler: str, *, lease_s: float = 60) -> list[str]:
    """Lease the hosts that have something due for a crawler; return their names."""
    taken = hosts.take(tx, crawler, ["a"], KINDS, count=9, lease_s=lease_s)
    return [host.name for host in taken]


def test_a_host_is_one_crawlers(tx: Connection) -> None:
    """While one crawler holds a host no other gets it; given back, or run out, any does."""
    assert take_hosts(tx, "one") == ["a.example"]
    assert take_hosts(tx, "two") == []
    assert hosts.renew(tx, "two", ["a.example"], lease_s=60) == set()
    assert hosts.renew(tx, "one", ["a.example"], lease_s=-1) == {"a.example"}
    assert take_hosts(tx, "two") == ["a.example"]
    assert hosts.renew(tx, "one", ["a.example"], lease_s=60) == set()
    hosts.give_back(tx, "two", ["a.example"])
    assert take_hosts(tx, "one") == ["a.example"]


def test_the_next_crawler_knows_when_a_host_was_asked(tx: Connection) -> None:
    """The last request and its pace go with the host; a lease that ran out counts to its end."""
    (first,) = hosts.take(tx, "one", ["a"], KINDS, count=9, lease_s=60)
    assert first.quiet_s is None
    asked = hosts.Asked(host="a.example", seconds_ago=3.0, delay_s=7.0)
    hosts.asked(tx, "two", [asked])
    hosts.asked(tx, "one", [asked])
    hosts.give_back(tx, "one", ["a.example"])

    (second,) = hosts.take(tx, "two", ["a"], KINDS, count=9, lease_s=-20)
    assert (round(second.quiet_s or 0), second.delay_s) == (3, 7.0)
    (third,) = hosts.take(tx, "three", ["a"], KINDS, count=9, lease_s=60)
    assert round(third.quiet_s or 0) == 20


def test_a_redirect_takes_a_free_host(tx: Connection) -> None:
    """A host without anything due is leased by name, but not another's, nor one that is blocked."""
    found = hosts.visit(tx, "one", "b.example", lease_s=60)
    assert isinstance(found, hosts.Leased)
    assert hosts.visit(tx, "two", "b.example", lease_s=60) == 0
    hosts.block(tx, "c.example", 100, base_s=60, most_s=60)
    blocked_s = hosts.visit(tx, "two", "c.example", lease_s=60)
    assert isinstance(blocked_s, float)
    assert blocked_s >= 99


def test_a_crawler_that_dies_each_time_ends_its_link(tx: Connection) -> None:
    """Links of a crawler that is gone are due again, but not for ever."""
    links.add(tx, take_feeds(tx)[FEED.url], [ListedLink(url="https://b.example/1")])
    for _ in range(3):
        assert len(take_links(tx, "b.example")) == 1
        assert links.free_abandoned(tx, ["b.example"], max_attempts=3) == 1

    assert take_links(tx, "b.example") == []
    assert links.counts(tx, ["a"]) == {("failed", "crawler_died"): 1}


def test_what_others_hold_is_left_over(tx: Connection, database_url: str) -> None:
    """A feed due on another's host, or one that is just being written, is seen as work to come."""
    hosts.take(tx, "other", ["a"], KINDS, count=9, lease_s=60)
    assert hosts.left_over(tx, "me", ["a"], KINDS) == 1
    assert hosts.left_over(tx, "other", ["a"], KINDS) == 0
    hosts.give_back_all(tx, "other")

    with connect(database_url) as second, second.transaction():
        sources.save(second, [SOURCE])
        assert take_hosts(tx, "me") == ["a.example"]
        assert take_feeds(tx) == {}
        hosts.give_back(tx, "me", ["a.example"])
        assert hosts.left_over(tx, "me", ["a"], KINDS) == 1

    hosts.block(tx, "a.example", 60, base_s=60, most_s=60)
    assert hosts.left_over(tx, "me", ["a"], KINDS) == 0


def test_a_blocked_host_is_not_taken(tx: Connection) -> None:
    """A host that asked to be left alone is nobody's until then; the wait doubles, to a limit."""

    def block(*, after_hours: float = 0) -> float:
        passed = {"hours": after_hours}
        tx.execute(
            b"update rasid.hosts set blocked_until = now() - make_interval(hours => %(hours)s)",
            passed,
        )
        return hosts.block(tx, "a.example", None, base_s=60, most_s=200)

    waits = [block() for _ in range(3)]
    assert [int(wait // 60) for wait in waits] == [1, 2, 3]
    assert hosts.block(tx, "a.example", None, base_s=60, most_s=200) == pytest.approx(
        waits[-1], 0.01
    )
    assert take_hosts(tx, "one") == []
    assert 120 <= block(after_hours=2) < 133, "one less with each hour"
    assert 60 <= block(after_hours=9) < 67
    tx.execute(b"update rasid.hosts set blocked_until = now()")
    assert take_hosts(tx, "one") == ["a.example"]


def test_what_leaves_the_file_is_not_polled(tx: Connection) -> None:
    """A feed that is no longer in sources.yaml rests; back in the file, it goes on."""
    sources.save(tx, [SOURCE.model_copy(update={"feeds": (MAP,)})])
    assert set(take_feeds(tx)) == {MAP.url}

    sources.save(tx, [SOURCE])
    assert set(take_feeds(tx)) == {FEED.url}


def test_saving_the_same_sources_again_changes_nothing(tx: Connection) -> None:
    """Validators and schedule of a feed outlive a restart of the crawler."""
    feed_id = take_feeds(tx)[FEED.url]
    poll = FeedPoll(
        **LISTED,
        feed_id=feed_id,
        wait_s=600,
        etag='W/"x"',
        last_modified="Sat, 21 Nov 2026 12:00:00 GMT",
        links_count=3,
    )
    sources.polled(tx, poll)
    sources.save(tx, [SOURCE])
    assert FEED.url not in take_feeds(tx)

    sources.make_due(tx, ["a"])
    taken = sources.take_due(tx, ["a.example"], ["a"], ["feed"], lease_s=60)
    assert [(feed.etag, feed.last_modified) for feed in taken] == [(poll.etag, poll.last_modified)]


def test_a_child_is_due_when_its_index_says_so(tx: Connection) -> None:
    """A sitemap an index lists is read once, and again only when it is dated newer."""
    index = take_feeds(tx)[MAP.url]

    def listed(modified_at: datetime) -> list[str]:
        child = ListedSitemap(url="https://a.example/1.xml", modified_at=modified_at)
        sources.add_children(tx, index, [child])
        taken = sources.take_due(tx, ["a.example"], ["a"], KINDS, lease_s=60)
        for feed in taken:
            sources.polled(tx, FeedPoll(**LISTED, feed_id=feed.id, wait_s=0))
        return [feed.url for feed in taken]

    assert listed(NOW - timedelta(days=9)) == ["https://a.example/1.xml"]
    assert listed(NOW - timedelta(days=9)) == []
    assert listed(NOW + timedelta(days=1)) == ["https://a.example/1.xml"]


def listing(*numbers: int, guid: str = "") -> list[ListedLink]:
    """Return links with these numbers, each with an id that begins so."""
    return [
        ListedLink(url=f"https://b.example/{n}", guid=f"{guid}{n}" if guid else None)
        for n in numbers
    ]


def poll(tx: Connection, feed_id: int, found: list[ListedLink]) -> links.Added:
    """Store a listing as a poll of the feed does."""
    added = links.add(tx, feed_id, found)
    problems: dict[Problem, int] = {"overflow": 1} if added.overflowed else {}
    sources.polled(
        tx,
        FeedPoll(
            **LISTED,
            feed_id=feed_id,
            wait_s=0,
            links_count=len(found),
            problems=problems,
        ),
    )
    return added


def test_a_feed_without_an_item_seen_before_has_overflowed(tx: Connection) -> None:
    """Only where the feed listed something before, and of that nothing is left; it is counted."""
    feed = take_feeds(tx)[FEED.url]
    polls = [(1, 2), (2, 3), (4, 5), (), (6, 7), (7, 8)]

    assert [poll(tx, feed, listing(*numbers)).overflowed for numbers in polls] == [
        *(False, False, True, False, False, False)
    ]
    row = tx.execute("select overflows_count, problems from rasid.feeds where id = %s", [feed])
    assert row.fetchone() == (1, {})


def test_ids_that_change_or_come_back_are_counted(tx: Connection) -> None:
    """An address with another id, an id at another address: counted, and nothing fetched again."""
    feed = take_feeds(tx)[FEED.url]
    poll(tx, feed, listing(1, 2, guid="a"))
    changed = poll(tx, feed, listing(1, 2, guid="b"))
    same = poll(tx, feed, listing(1, 2, guid="b"))
    moved = poll(tx, feed, [ListedLink(url="https://b.example/new", guid="b1"), *listing(2)])

    assert (changed.new, changed.changed_guids, changed.reused_guids) == (0, 2, 0)
    assert (same.changed_guids, same.reused_guids) == (0, 0)
    assert (moved.new, moved.changed_guids, moved.reused_guids) == (1, 0, 1)
