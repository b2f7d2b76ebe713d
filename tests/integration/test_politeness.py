"""What hosts see of the crawler, by the clock of a real server."""

import multiprocessing
import signal
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from pathlib import Path

import pytest

from crawler.robots import GIVEN_UP_S, KEPT_S
from services.shared.settings import Settings
from services.shared.sources import CrawlPolicy, Feed, Source
from services.storage import connect, links, status
from tests.factories import problems_of
from tests.faults import clock
from tests.integration import crawls
from tests.integration.crawls import END_S, SHORT_LEASE, crawl_once, crawling, exit_code_after
from tests.patience import until
from tests.site import documents, server, trouble

PAGE = trouble.page()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """As everywhere, but loopback may be crawled."""
    return settings.model_copy(update={"public_addresses_only": False})


def paper(site: server.Site, *, delay_s: float = 0.0, name: str = "paper") -> Source:
    """Return the site as a source with its sitemap."""
    return Source(
        name=name,
        title="Paper",
        home_page=site.url,
        crawl=CrawlPolicy(delay_s=delay_s),
        feeds=(Feed(url=f"{site.url}/sitemap.xml", kind="sitemap"),),
    )


def publish(site: server.Site, count: int) -> list[str]:
    """Have the site list so many pages; return their paths."""
    paths = [f"/page-{number}" for number in range(count)]
    site.answers |= dict.fromkeys(paths, PAGE)
    site.answers["/sitemap.xml"] = (200, {}, site.sitemap(paths))
    return paths


def wait_for(site: server.Site, count: int) -> None:
    """Return once the site has been asked so often."""
    until(lambda: len(site.asked) >= count, "nothing is asked")


def still_blocked(settings: Settings) -> None:
    """However long the next crawl takes to start, it comes while hosts are still blocked."""
    with connect(settings.database_url or "") as tx:
        tx.execute(b"update rasid.hosts set blocked_until = blocked_until + interval '1 hour'")


def state(settings: Settings, url: str) -> tuple[object, object]:
    """Return how a link ended."""
    with connect(settings.database_url or "") as tx:
        found = links.trace(tx, url)
    assert found
    return found["state"], found["reason"]


def age_robots(settings: Settings, days: float) -> None:
    """Let days pass for what is kept of robots.txt; and no host is blocked any more."""
    with connect(settings.database_url or "") as tx:
        passed = {"days": days}
        tx.execute(
            b"update rasid.robots set"
            b" fetched_at = fetched_at - make_interval(secs => %(days)s * 86400),"
            b" fresh_until = fresh_until - make_interval(secs => %(days)s * 86400),"
            b" failed_since = failed_since - make_interval(secs => %(days)s * 86400)",
            passed,
        )
        tx.execute(b"update rasid.hosts set blocked_until = null")


@pytest.mark.slow
def test_a_host_keeps_its_delay_when_crawlers_change(settings: Settings) -> None:
    """Two crawlers at a time, one killed, the next one stopped: never closer than the delay."""
    settings = settings.model_copy(update=SHORT_LEASE)
    with server.serve() as site:
        paths = publish(site, 14)
        one = paper(site, delay_s=0.7)
        with crawling(settings, [one], once=False) as (first, _):
            wait_for(site, 5)
            with crawling(settings, [one], once=False) as (second, _):
                assert exit_code_after(first, signal.SIGKILL) == -signal.SIGKILL
                wait_for(site, 10)
                with crawling(settings, [one]) as (_, third):
                    assert exit_code_after(second, signal.SIGTERM) == 0
                    assert third.poll(END_S)

    assert site.closest() >= 0.7
    assert set(paths) <= set(site.asked)
    assert sum(site.asked.count(path) - 1 for path in paths) <= 2, "those under way at the kill"


def test_without_a_delay_a_host_still_answers_one_at_a_time(settings: Settings) -> None:
    """A source that asks for no delay has its pages asked for one after the other."""
    with server.serve() as site:
        paths = publish(site, 8)
        site.answers |= dict.fromkeys(paths, PAGE._replace(wait_s=0.1))
        crawl_once(settings, [paper(site)])

    came = [request.at for request in site.requests if request.path in paths]
    assert len(came) == len(paths)
    assert min(later - earlier for earlier, later in pairwise(came)) >= 0.1


def test_a_crawl_delay_is_kept(settings: Settings) -> None:
    """What robots.txt asks for is the delay, also for a crawler that has not read it itself."""
    with server.serve() as site:
        publish(site, 2)
        site.answers["/robots.txt"] = (200, {}, documents.robots(delay_s=0.6))
        crawl_once(settings, [paper(site)])
        crawl_once(settings, [paper(site)])

    assert site.asked.count("/robots.txt") == 1
    assert site.closest() >= 0.6


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_robots_that_are_refused_allow(settings: Settings, status: int) -> None:
    """A server that shows no robots.txt has no rules."""
    with server.serve() as site:
        (path,) = publish(site, 1)
        site.answers["/robots.txt"] = (status, {}, documents.robots("/"))
        crawl_once(settings, [paper(site)])

    assert site.asked == ["/robots.txt", "/sitemap.xml", path]


def test_nothing_is_asked_until_robots_answer(settings: Settings) -> None:
    """With 5xx for robots.txt nothing else is asked; the feed says why; then all is fetched."""
    with server.serve() as site:
        (path,) = publish(site, 1)
        answer = site.answers.pop("/robots.txt", (404, {}, b""))
        site.answers["/robots.txt"] = (500, {}, b"")
        summary = crawl_once(settings, [paper(site)])
        assert site.asked == ["/robots.txt"]
        assert summary.feed_failures == {"robots_unreachable": 1}
        still_blocked(settings)
        crawl_once(settings, [paper(site)])
        assert site.asked == ["/robots.txt"], "its host is left alone"

        age_robots(settings, 2)
        with connect(settings.database_url or "") as connection:
            told = problems_of(status.read(connection))
        assert any(f"nothing is asked of {site.url}" in problem for problem in told)

        site.answers["/robots.txt"] = answer
        crawl_once(settings, [paper(site)])
        assert site.asked[1:] == ["/robots.txt", "/sitemap.xml", path]


def test_robots_of_before_hold_while_there_is_no_answer(settings: Settings) -> None:
    """An answer outlives its lifetime for a week; after a month without any there are no rules."""
    with server.serve() as site:
        publish(site, 1)
        site.answers["/robots.txt"] = (200, {}, documents.robots("/page"))
        crawl_once(settings, [paper(site)])
        site.answers["/robots.txt"] = (503, {"Retry-After": "10"}, b"")
        age_robots(settings, KEPT_S / 86_400 - 1)
        crawl_once(settings, [paper(site)])
        assert site.asked.count("/sitemap.xml") == 1, "503 blocks the host"

        site.answers["/robots.txt"] = (500, {}, b"")
        age_robots(settings, 0)
        crawl_once(settings, [paper(site)])
        assert site.asked.count("/sitemap.xml") == 2, "the rules of before let it pass"
        assert "/page-0" not in site.asked

        age_robots(settings, 2)
        crawl_once(settings, [paper(site)])
        assert site.asked.count("/sitemap.xml") == 2, "they are too old now"
        age_robots(settings, GIVEN_UP_S / 86_400)
        crawl_once(settings, [paper(site)])
        assert site.asked.count("/sitemap.xml") == 3, "there are no rules any more"


def test_robots_that_do_not_come_hold_up_nobody_else(settings: Settings) -> None:
    """Dripping, endless, busy or in a circle: bounded and told; all other hosts go on meanwhile."""
    limits = {"fetch_timeout_s": 12.0, "max_body_bytes": 1_000_000}
    rules = documents.robots("/nothing")
    huge = server.Answer(200, {}, documents.huge_robots("/x", "/y") * 3)
    with server.serve(hosts=7) as site:
        good, slow, endless, busy, away, circle, elsewhere = site.hosts
        robots = {
            good: server.Answer(200, {}, rules),
            slow: server.Answer(200, {}, b"#" * 2000, parts=2000, part_wait_s=0.1),
            endless: huge._replace(headers={"Content-Encoding": "identity"}),
            busy: trouble.busy("3600"),
            away: server.Answer(503, {"Retry-After": "Wed, 21 Oct 2099 07:28:00 GMT"}),
            circle: trouble.redirect("/robots.txt"),
            elsewhere: trouble.redirect(f"{site.url}/moved.txt"),
        }
        site.answers["/robots.txt"] = lambda request: robots[request.host]
        site.answers["/moved.txt"] = server.Answer(200, {}, documents.robots("/page-1"))
        paths = [f"/page-{number}" for number in range(3)]
        site.answers |= dict.fromkeys(paths, PAGE)
        listed = [url + path for path in paths for url in site.urls]
        site.answers["/sitemap.xml"] = server.Answer(200, {}, documents.sitemap(listed))
        crawl_once(settings.model_copy(update=limits), [paper(site)])
        asked = {host: [r for r in site.requests if r.host == host] for host in site.hosts}

    def pages(host: str) -> list[str]:
        return sorted(request.path for request in asked[host] if "page" in request.path)

    assert {host: pages(host) for host in site.hosts} == {
        **{host: [] for host in (slow, endless, busy, away)},
        **dict.fromkeys((good, circle), paths),
        elsewhere: ["/page-0", "/page-2"],
    }
    assert [len(asked[host]) for host in (slow, endless, busy, away)] == [1, 1, 1, 1]
    # Nobody waited for the one that dripped.
    assert max(r.at for host in (good, circle) for r in asked[host]) < asked[slow][0].at + 12
    with connect(settings.database_url or "") as tx:
        told = tx.execute(b"select origin, last_error from rasid.robots").fetchall()
        blocked = tx.execute(
            b"select name from rasid.hosts where blocked_until > now() + interval '50 minutes'"
        ).fetchall()
        links_of = tx.execute(
            b"select distinct state, reason from rasid.links where host = any(%s)",
            [[slow, endless, busy, away]],
        ).fetchall()
    errors = {str(origin).split("/")[2].partition(":")[0]: error for origin, error in told}
    assert [errors[host] for host in (slow, endless, busy, away)] == [
        *("timeout", "too_large", "http_429", "http_503"),
    ]
    assert {str(name) for (name,) in blocked} == {busy, away}
    assert links_of == [("due", None)], "nobody has asked for them"


def test_huge_robots_are_cut(settings: Settings) -> None:
    """What stands after the first 500 KiB of robots.txt is not read."""
    with server.serve() as site:
        publish(site, 2)
        site.answers["/robots.txt"] = (200, {}, documents.huge_robots("/page-0", "/page-1"))
        crawl_once(settings, [paper(site)])

    assert state(settings, f"{site.url}/page-0") == ("refused", "robots_denied")
    assert state(settings, f"{site.url}/page-1") == ("fetched", None)


def test_a_redirect_obeys_the_other_host(settings: Settings) -> None:
    """A page behind a redirect is asked for at its own host's pace and by its own robots.txt."""
    with server.serve() as site:
        publish(site, 0)
        other = site.url.replace("127.0.0.1", "localhost")
        paths = [f"/here-{number}" for number in range(4)]
        for number, path in enumerate(paths):
            site.answers[path] = server.Answer(
                302, {"Location": f"{other}/there-{number}", "Set-Cookie": "who=me"}
            )
            site.answers[f"/there-{number}"] = PAGE
        site.answers["/robots.txt"] = (200, {}, documents.robots("/there-3"))
        site.answers["/sitemap.xml"] = (200, {}, site.sitemap(paths))
        crawl_once(settings, [paper(site, delay_s=0.3)])

    assert site.closest("localhost") >= 0.3
    assert not any({"cookie", "referer"} & request.headers.keys() for request in site.requests)
    assert {path for path in site.asked if "there" in path} == {"/there-0", "/there-1", "/there-2"}
    assert state(settings, site.url + "/here-0") == ("fetched", None)
    assert state(settings, site.url + "/here-3") == ("refused", "robots_denied")


@pytest.mark.parametrize("retry_after", ["3600", "Wed, 21 Oct 2099 07:28:00 GMT", "", "0"])
def test_a_host_that_asks_for_peace_gets_it(settings: Settings, retry_after: str) -> None:
    """Seconds, a date, nothing, or nonsense: the host is left alone, over a restart as well."""
    with server.serve() as site:
        publish(site, 8)
        site.answers |= dict.fromkeys(
            (f"/page-{number}" for number in range(8)), trouble.busy(retry_after or None)
        )
        crawl_once(settings, [paper(site, delay_s=0.1)])
        asked = len(site.asked)
        still_blocked(settings)
        crawl_once(settings, [paper(site, delay_s=0.1)])
        assert asked == len(site.asked) <= 3


#: What is due how many seconds after it was written down.
DUE = b"""
    select 'feed', extract(epoch from next_fetch_at - last_fetched_at) from rasid.feeds
    union all select 'newest', extract(
        epoch from last_fetched_at - item_times[cardinality(item_times)]
    ) from rasid.feeds
    union all select 'half of what overflowed', coalesce(most_wait_s, 0) from rasid.feeds
    union all select substring(url from '[a-z]+-[0-9]$') || ' ' || state, extract(
        epoch from case when state = 'due' then next_fetch_at else refetch_at end - last_fetched_at
    ) from rasid.links
    union all select 'host', extract(epoch from blocked_until - now())
        from rasid.hosts where blocked_until > now()
"""


@pytest.mark.skipif(bool(clock.LACKING), reason=clock.LACKING)
def test_a_clock_that_is_wrong_decides_nothing(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crawler a year behind or ahead waits as long as any, and takes and asks for the same."""
    now = datetime.now(UTC)
    wrong = tmp_path / "clock"
    clock.shift(wrong, 0)
    for name, value in clock.environ(wrong).items():
        monkeypatch.setenv(name, value)
    # Of its own, as a clock is there from the start of a process.
    monkeypatch.setattr(crawls, "CONTEXT", multiprocessing.get_context("spawn"))
    # How old a page on the queue is Redis does not tell.
    settings = settings.model_copy(update={"queue_max_age_s": 1e9})
    with server.serve(hosts=3) as site, connect(settings.database_url or "") as tx:
        news = paper(site).model_copy(
            update={
                "crawl": CrawlPolicy(delay_s=0, max_age_days=30),
                "feeds": (Feed(url=f"{site.url}/rss"),),
            }
        )
        dates = {
            "Date": format_datetime(now),
            "Retry-After": format_datetime(now + timedelta(hours=1)),
        }
        for number, days in enumerate((-400, 400), 1):
            site.answers |= {f"/{what}-{number}": PAGE for what in ("new", "undated")}
            site.answers |= {
                f"/bad-{number}": server.Answer(500),
                f"/busy-{number}": server.Answer(503, dates),
            }
            items = [
                documents.Entry(url=f"{site.url}/new-{number}", at=now),
                documents.Entry(url=f"{site.url}/old-{number}", at=now - timedelta(days=40)),
                documents.Entry(url=f"{site.url}/undated-{number}"),
                documents.Entry(url=f"{site.url}/bad-{number}"),
                documents.Entry(url=f"{site.urls[number]}/busy-{number}"),
            ]
            site.answers["/rss"] = trouble.always_changed(
                server.Answer(200, {}, documents.rss(items))
            )
            clock.shift(wrong, days * 86_400)
            crawl_once(settings, [news])
            waits = {str(what): seconds for what, seconds in tx.execute(DUE).fetchall()}
            assert f"old-{number} refused" in waits
            for what, least, most in (
                ("feed", 300, 7200),
                ("newest", 0, 3600),
                ("half of what overflowed", 0, 3600),
                (f"new-{number} fetched", 3600, 3960),
                (f"undated-{number} fetched", 3600, 3960),
                (f"bad-{number} due", 54, 66),
                (f"busy-{number} due", 54, 66),
                ("host", 1800, 3960),
            ):
                assert least <= float(str(waits[what])) <= most, what

    polls = [request.headers for request in site.requests if request.path == "/rss"]
    assert ["if-none-match" in headers for headers in polls] == [False, True]


def test_more_hosts_than_room(settings: Settings) -> None:
    """A crawler that holds one host at a time comes to all of them before it ends."""
    settings = settings.model_copy(update={"crawl_hosts": 1})
    with server.serve() as site:
        other = site.url.replace("127.0.0.1", "localhost")
        site.answers["/there"] = PAGE
        listed = documents.sitemap([f"{other}/there"])
        site.answers["/sitemap.xml"] = (200, {}, listed)
        crawl_once(settings, [paper(site)])

    assert {request.host for request in site.requests} == {"127.0.0.1", "localhost"}
    assert state(settings, f"{other}/there") == ("fetched", None)
