"""Articles whose page is gone keep their text and say so, until it is back."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.shared import urls
from services.shared.contracts import WITHDRAWN_REASONS, Rejection, WithdrawnReason
from services.shared.frontier import LinkOutcome, LinkState, ListedLink
from services.shared.sources import Feed, Source
from services.storage import Connection, changes, connect, links, results, sources, withdrawals
from services.storage.rows import Processed
from tests.factories import article, at, page, processed
from worker import stories
from worker.stories import Documents

FEED = Feed(url="https://a.example/rss")
SOURCE = Source(name="a", title="A", home_page="https://a.example/", feeds=(FEED,))
URL = "https://a.example/1"
ARTICLE = replace(article(URL, "text"), normalized_url=urls.key(URL))


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    """A connection to a store that knows SOURCE."""
    with connect(database_url) as opened:
        sources.save(opened, [SOURCE])
        yield opened


def later(minutes: int) -> Processed:
    """The article's page, fetched some minutes from now."""
    fetched_at = datetime.now(UTC) + timedelta(minutes=minutes)
    raw = page(f"body {minutes}", requested_url=URL, fetched_at=fetched_at)
    return processed(raw, ARTICLE)


def state(connection: Connection) -> list[tuple[object, ...]]:
    """Reason and text of each article, as consumers see them."""
    return connection.execute(
        b"select withdrawn_reason, text, withdrawn_at is null from media.articles order by id"
    ).fetchall()


def told(connection: Connection) -> list[tuple[object, ...]]:
    """What the change feed has."""
    changes.publish(connection)
    return connection.execute(b"select kind, version, detail from media.changes()").fetchall()


def crawled(connection: Connection) -> int:
    """Store the article as the crawler brings it; return its link."""
    link, item = queued(connection)
    results.save(connection, [item], 1)
    return link


def queued(connection: Connection) -> tuple[int, Processed]:
    """Have the crawler bring the article, which nobody has saved yet; return link and page."""
    feeds = sources.take_due(connection, ["a.example"], ["a"], ("feed",), lease_s=60)
    links.add(connection, feeds[0].id, [ListedLink(url=URL)])
    (link,) = links.take_due(connection, ["a.example"], ["a"], per_host=10)
    item = later(-60)
    fetched = LinkOutcome(link_id=link.id, state="fetched", status=200, page_id=item.page_id)
    links.end(connection, [fetched])
    return link.id, item


@pytest.mark.parametrize(("status", "reason"), [(404, "not_found"), (410, "gone")])
def test_page_is_gone(connection: Connection, status: int, reason: str) -> None:
    """A link that had become an article and is gone for good withdraws it, once."""
    outcome = LinkOutcome(
        link_id=crawled(connection), state="failed", reason=f"http_{status}", status=status
    )

    links.end(connection, [outcome])
    links.end(connection, [outcome])

    assert state(connection) == [(reason, "text", False)]
    assert told(connection) == [
        ("created", 1, None),
        ("withdrawn", 1, {"reason": reason}),
    ]


@pytest.mark.parametrize("first", ["gone", "saved"])
def test_page_is_gone_before_it_is_saved(
    database_url: str, connection: Connection, first: str
) -> None:
    """While its page is on the queue, or just being saved, the link may end: withdrawn, once."""
    link, item = queued(connection)
    outcome = LinkOutcome(link_id=link, state="failed", reason="http_410", status=410)

    def steps(tx: Connection) -> dict[str, Callable[[], object]]:
        return {
            "gone": lambda: links.end(tx, [outcome]),
            "saved": lambda: results.save(tx, [item], 1),
        }

    (second,) = {"gone", "saved"} - {first}
    with connect(database_url) as other, ThreadPoolExecutor(1) as pool:
        with connection.transaction():
            steps(connection)[first]()
            waiting = pool.submit(steps(other)[second])
            # Neither passes the other: what it would miss is not there for it to see yet.
            with pytest.raises(TimeoutError):
                waiting.result(0.3)
        waiting.result(30)

    assert state(connection) == [("gone", "text", False)]
    (article_id,) = (found.id for found in withdrawals.find(connection, [], [urls.key(URL)]))
    withdrawals.restore(connection, [article_id])
    results.save(connection, [item], 1)
    assert state(connection) == [(None, "text", True)], "a page done twice changes nothing"
    assert [kind for kind, *_ in told(connection)] == ["created", "withdrawn", "restored"]


def test_page_is_gone_before_it_is_read_again(connection: Connection) -> None:
    """A page that was none is an article at last, and its link has ended meanwhile: withdrawn."""
    link, item = queued(connection)
    results.save(connection, [replace(item, result=Rejection(reason="too_short"))], 1)
    links.end(connection, [LinkOutcome(link_id=link, state="failed", status=410)])

    assert results.save(connection, [replace(item, replay_id=1)], 2)[0].status == "created"

    assert state(connection) == [("gone", "text", False)]
    (found,) = withdrawals.find(connection, [], [urls.key(URL)])
    withdrawals.restore(connection, [found.id])
    results.save(connection, [replace(item, replay_id=2)], 3)
    assert state(connection) == [(None, "text", True)], "what a person restored stays"


@pytest.mark.parametrize(
    ("link_state", "status"), [("due", 404), ("failed", 403), ("failed", None), ("refused", None)]
)
def test_page_that_may_come_again(
    connection: Connection, link_state: LinkState, status: int | None
) -> None:
    """Only 404 and 410, and only when the link is given up."""
    link = crawled(connection)

    links.end(connection, [LinkOutcome(link_id=link, state=link_state, status=status)])

    assert state(connection) == [(None, "text", True)]


def test_another_address_is_gone(connection: Connection) -> None:
    """An article whose own page is there stays, also where another address of it answers 404."""
    main = crawled(connection)
    (feed,) = connection.execute(b"select id from rasid.feeds").fetchall()
    links.add(connection, int(str(feed[0])), [ListedLink(url="https://a.example/old-address")])
    (link,) = links.take_due(connection, ["a.example"], ["a"], per_host=10)
    raw = page("moved", requested_url=link.url, final_url=URL, fetched_at=datetime.now(UTC))
    fetched = LinkOutcome(link_id=link.id, state="fetched", status=200, page_id=raw.id)
    links.end(connection, [fetched])
    results.save(connection, [processed(raw, ARTICLE)], 1)

    gone = LinkOutcome(link_id=link.id, state="failed", reason="http_404", status=404)
    links.end(connection, [gone])
    assert state(connection) == [(None, "text", True)]

    links.end(connection, [replace(gone, link_id=main)])
    assert state(connection) == [("not_found", "text", False)]


@pytest.mark.parametrize("reason", ["retracted", "legal", "mistake"])
def test_by_hand_after_the_page_was_gone(connection: Connection, reason: WithdrawnReason) -> None:
    """A person's word counts more than a 404: the article stays withdrawn when its page is back."""
    results.save(connection, [later(-60)], 1)
    (found,) = withdrawals.find(connection, [], [urls.key(URL)])
    withdrawals.withdraw(connection, [found.id], "not_found")
    assert withdrawals.withdraw(connection, [found.id], reason) == [found.id]
    assert withdrawals.withdraw(connection, [found.id], "gone") == []

    results.save(connection, [later(1)], 1)

    assert state(connection) == [(reason, "text", False)]
    assert told(connection) == [
        ("created", 1, None),
        ("withdrawn", 1, {"reason": "not_found"}),
        ("withdrawn", 1, {"reason": reason}),
    ]


def test_comes_back(connection: Connection) -> None:
    """A page fetched after the article was withdrawn restores it; an older one does not."""
    link = crawled(connection)
    links.end(connection, [LinkOutcome(link_id=link, state="failed", status=404)])

    results.save(connection, [later(-30)], 1)
    assert state(connection) == [("not_found", "text", False)]
    results.save(connection, [later(+30)], 1)

    assert state(connection) == [(None, "text", True)]
    assert [kind for kind, *_ in told(connection)] == ["created", "withdrawn", "restored"]


@pytest.mark.parametrize("reason", WITHDRAWN_REASONS)
def test_by_hand(connection: Connection, reason: WithdrawnReason) -> None:
    """Every reason can be given; what a person withdrew comes back by a person only."""
    results.save(connection, [later(-60)], 1)
    ((article_id,),) = connection.execute(b"select id from media.articles").fetchall()
    ids = [int(str(article_id))]

    assert withdrawals.withdraw(connection, ids, reason) == ids
    assert withdrawals.withdraw(connection, ids, reason) == []
    results.save(connection, [later(+30)], 1)

    by_hand = reason not in ("not_found", "gone")
    assert state(connection) == [(reason if by_hand else None, "text", not by_hand)]
    assert withdrawals.restore(connection, ids) == (ids if by_hand else [])
    assert state(connection) == [(None, "text", True)]
    assert [kind for kind, *_ in told(connection)] == ["created", "withdrawn", "restored"]


def test_of_a_story_one_that_is_not_withdrawn_stands_for_it(connection: Connection) -> None:
    """While the earliest article is withdrawn another represents the story; if all are, it does."""
    text = " ".join(f"word{n}" for n in range(60))
    items = []
    for hour, host in enumerate("abc", 1):
        url = f"https://{host}.example/1"
        raw = page(host, requested_url=url, fetched_at=at(hour))
        items.append(processed(raw, article(url, text if hour < 3 else f"{text} and more")))
    decisions = results.save(connection, items, 1)
    ids = [decision.article_id or 0 for decision in decisions]
    first, second, third = ids

    def shown() -> list[tuple[object, ...]]:
        return connection.execute(
            b"select d.id, s.representative_id, s.articles_count "
            b"from media.distinct_articles as d join media.stories as s on s.id = d.story_id"
        ).fetchall()

    withdrawals.withdraw(connection, [first], "gone")
    stories.link(connection, Documents(), ids)
    assert shown() == [(second, second, 3)]

    withdrawals.withdraw(connection, [second], "legal")
    assert shown() == [(third, third, 3)]

    withdrawals.withdraw(connection, [third], "legal")
    assert shown() == [(first, first, 3)]

    withdrawals.restore(connection, [second])
    assert shown() == [(second, second, 3)]

    raw = page("back", requested_url="https://a.example/1", fetched_at=later(5).page.fetched_at)
    results.save(connection, [processed(raw, article("https://a.example/1", text))], 1)
    assert shown() == [(first, first, 3)]
