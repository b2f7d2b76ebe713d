import signal
import time
from datetime import UTC, datetime
from itertools import pairwise

import psycopg
import pytest
import redis
from scrapy.http import Response

from crawler.pipelines import BATCH_PAGES
from crawler.spiders.base import FrontierSpider
from crawler.spiders.feed import FeedSpider
from crawler.spiders.section import SectionSpider
from crawler.spiders.sitemap import SitemapSpider
from crawler.spiders.source import SourceSpider
from crawler.summary import Summary
from services.demo import site as demo_site
from services.demo.newspaper import REMOVED
from services.local import Stack
from services.queue import PENDING, Queue
from services.queue.bodies import Taken
from services.queue.broker import redis_url
from services.shared.contracts import RawPage
from services.shared.errors import RasidError
from services.shared.frontier import DueFeed, Listing
from services.shared.settings import Settings
from services.shared.sources import Feed
from services.storage import connect, hosts, links, sources
from tests.integration.crawls import (
    END_S,
    SHORT_LEASE,
    crawl_once,
    crawling,
    demo_source,
    exit_code_after,
    source,
)
from tests.patience import until
from tests.site import documents, server, trouble

#: What the demo site has for the crawler to find: pages, one that is gone, one forbidden.
PAGES = {
    "/ar/2026/11/harbour-expansion",
    "/ar/2026/11/manuscripts",
    "/ar/2026/11/mobile-clinics",
    "/ar/2026/11/school-chess",
    "/ar/economy",
    "/ar/local/wadi-clinics",
    "/en/2026/11/electric-buses",
    "/en/2026/11/night-library",
    "/en/2026/11/road-closed",
    "/en/2026/11/wetland-count",
    "/fa/2026/11/saffron-harvest",
    "/fr/2026/11/boulangerie-village",
}
FORBIDDEN = "/private/draft"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """As everywhere, but loopback may be crawled."""
    return settings.model_copy(update={"public_addresses_only": False})


def pending(settings: Settings) -> list[str]:
    """Return the ids of the pages that are on the queue."""
    with redis.Redis.from_url(redis_url(settings.bodies_url)) as client:
        return [page_id.decode() for page_id in client.zrange(PENDING["live"], 0, -1)]


def pages(settings: Settings) -> list[RawPage]:
    """Return the pages that are on the queue."""
    found = Queue(settings).take(pending(settings)).values()
    return [taken.page for taken in found if isinstance(taken, Taken)]


def published_paths(settings: Settings) -> list[str]:
    """Return the paths of the pages that are on the queue."""
    return sorted("/" + (page.requested_url or "").split("/", 3)[3] for page in pages(settings))


def states(settings: Settings) -> dict[tuple[str, str | None], int]:
    """Return how many links ended how."""
    with connect(settings.database_url or "") as tx:
        return links.counts(tx, ["demo"])


def test_every_page_is_published_once(settings: Settings) -> None:
    """Each page a feed or sitemap lists is fetched once; the others end with their reason."""
    with demo_site.serve() as site:
        summary = crawl_once(settings, [demo_source(site)])

    assert published_paths(settings) == sorted(PAGES)
    assert all(site.count(path) == 1 for path in {*PAGES, REMOVED, "/robots.txt"})
    assert site.count(FORBIDDEN) == 0
    assert states(settings) == {
        ("fetched", None): len(PAGES),
        ("failed", "http_404"): 1,
        ("refused", "robots_denied"): 1,
    }
    assert summary.pages_published == len(PAGES)
    assert summary.links_new == len(PAGES) + 2
    assert summary.link_failures == {"http_404": 1, "robots_denied": 1}


def test_a_link_knows_its_whole_way(settings: Settings) -> None:
    """A link tells the feeds that listed it, what they said, and its page on the queue."""
    with demo_site.serve() as site:
        crawl_once(settings, [demo_source(site)])
        with connect(settings.database_url or "") as tx:
            trace = links.trace(tx, f"{site.url}ar/2026/11/harbour-expansion?utm_source=x")

    assert trace is not None
    assert trace["feed_urls"] == [f"{site.url}feed.xml", f"{site.url}sitemap.xml"]
    assert trace["state"] == "fetched"
    assert trace["page_id"] in pending(settings)
    page = next(page for page in pages(settings) if page.id == trace["page_id"])
    assert page.origin == page.feed_url == f"{site.url}feed.xml"
    assert (page.source, page.status) == ("demo", 200)
    assert page.rules == {"title": "h1"}
    assert page.feed_title == trace["title"]
    assert page.feed_published_at == trace["published_at"]
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.body == site.files["/ar/2026/11/harbour-expansion"].body


def test_a_second_crawl_publishes_nothing(settings: Settings) -> None:
    """Feeds that did not change answer 304, and no page is asked for again."""
    with demo_site.serve() as site:
        crawl_once(settings, [demo_source(site)])
        asked = len(site.requests)
        summary = crawl_once(settings, [demo_source(site)])

    again = [(request.path, request.status) for request in site.requests[asked:]]
    assert sorted(again) == [("/feed.xml", 304), ("/sitemap.xml", 304)]
    assert (summary.feeds_unchanged, summary.pages_published) == (2, 0)


def test_the_delay_is_kept(settings: Settings) -> None:
    """No two requests reach a host closer than its delay, robots.txt and feeds included."""
    delay_s = 0.3
    with demo_site.serve() as site:
        crawl_once(settings, [demo_source(site, delay_s=delay_s)])

    came = [request.at for request in site.requests]
    assert len(came) == len(PAGES) + 4
    assert min(later - earlier for earlier, later in pairwise(came)) >= delay_s


def test_nothing_is_lost_by_a_kill(settings: Settings) -> None:
    """Killed halfway, the crawl started again brings every link to its end."""
    settings = settings.model_copy(update=SHORT_LEASE)
    with demo_site.serve() as site:
        demo = demo_source(site, delay_s=0.4)
        with crawling(settings, [demo]) as (process, _):
            until(lambda: len(site.requests) > 8)
            assert exit_code_after(process, signal.SIGKILL) == -signal.SIGKILL
        assert ("fetching", None) in states(settings)
        crawl_once(settings, [demo])

    assert set(published_paths(settings)) == PAGES
    ended = {state: count for (state, _), count in states(settings).items()}
    assert ended == {"fetched": len(PAGES), "failed": 1, "refused": 1}
    # What was under way, two of the host at most, and the batch that was being published.
    assert sum(site.count(path) - 1 for path in PAGES) <= BATCH_PAGES + 2


def test_a_stop_gives_back_what_was_not_asked(settings: Settings) -> None:
    """On SIGTERM what is under way is finished, the rest is due at once, for any crawler."""
    # Whoever gave nothing back would be waited for.
    settings = settings.model_copy(update={"crawl_lease_s": 2 * END_S})
    with demo_site.serve() as site:
        demo = demo_source(site, delay_s=0.4)
        with crawling(settings, [demo], once=False) as (process, _):
            until(lambda: len(site.requests) > 8)
            assert exit_code_after(process, signal.SIGTERM) == 0
        ended = {state for state, _ in states(settings)}
        assert "fetching" not in ended
        assert "due" in ended
        crawl_once(settings, [demo])

    assert set(published_paths(settings)) == PAGES
    assert all(site.count(path) == 1 for path in PAGES)


def test_two_crawlers_share_the_work(settings: Settings) -> None:
    """Of two crawlers one works a host at a time: its delay holds and nothing is fetched twice."""
    with demo_site.serve() as site:
        demo = demo_source(site, delay_s=0.1)
        with crawling(settings, [demo]) as (_, one), crawling(settings, [demo]) as (_, two):
            assert one.poll(END_S)
            assert two.poll(END_S)

    assert all(site.count(path) == 1 for path in PAGES)
    assert published_paths(settings) == sorted(PAGES)


def test_a_host_of_a_killed_crawler_is_waited_for(settings: Settings) -> None:
    """A crawler that died before it polled anything does not make the next one end at once."""
    with demo_site.serve() as site:
        demo = demo_source(site)
        with connect(settings.database_url or "") as tx:
            sources.save(tx, [demo])
            hosts.take(tx, "killed", [demo.name], ["feed", "sitemap"], count=1, lease_s=1.0)
        summary = crawl_once(settings, [demo])

    assert summary.feeds_polled == 2
    assert summary.pages_published == len(PAGES)


def test_each_trouble_has_its_reason(settings: Settings) -> None:
    """Whatever a server does, its link ends in a state with a reason."""
    limits = {"max_body_bytes": 2_000_000, "fetch_timeout_s": 10.0}
    settings = settings.model_copy(update=limits)
    with server.serve() as bad:
        bad.answers |= {path: answer for path, (answer, _) in trouble.ENDS.items()}
        bad.answers["/sitemap.xml"] = server.Answer(200, {}, bad.sitemap(trouble.ENDS))
        feed = Feed(url=f"{bad.url}/sitemap.xml", kind="sitemap")
        crawl_once(settings, [source(bad.url, feed)])
        with connect(settings.database_url or "") as tx:
            ends = {path: links.trace(tx, bad.url + path) for path in trouble.ENDS}

    found = {path: (end["state"], end["reason"]) for path, end in ends.items() if end}
    assert found == {path: end for path, (_, end) in trouble.ENDS.items()}
    moved = ends["/moved"]
    assert moved
    assert moved["final_url"] == f"{bad.url}/good-after-all"


def test_a_host_is_left_alone_when_it_asks(settings: Settings) -> None:
    """After 429 no request goes to the host until Retry-After, and its links stay due."""
    with server.serve() as bad:
        paths = [f"/page-{number}" for number in range(30)]
        busy = trouble.busy("3600")
        bad.answers |= {"/sitemap.xml": (200, {}, bad.sitemap(paths))}
        bad.answers |= dict.fromkeys(paths, busy)
        feed = Feed(url=f"{bad.url}/sitemap.xml", kind="sitemap")
        crawl_once(settings, [source(bad.url, feed, delay_s=0.05)])
        asked = list(bad.asked)
        crawl_once(settings, [source(bad.url, feed, delay_s=0.05)])

    # The second one may have stood behind the first when its answer came.
    assert len([path for path in asked if path in paths]) <= 2
    assert bad.asked == asked
    assert {state for state, _ in states(settings)} == {"due"}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]"])
def test_private_addresses_are_not_connected_to(settings: Settings, host: str) -> None:
    """However loopback is written, no byte is sent to it, and the reason is told."""
    settings = settings.model_copy(update={"public_addresses_only": True})
    with demo_site.serve() as site:
        url = site.url.replace("127.0.0.1", host)
        summary = crawl_once(settings, [source(url, Feed(url=f"{url}feed.xml"))])

    assert site.requests == []
    assert summary.feed_failures == {"address_not_public": 1}


@pytest.mark.slow
def test_a_full_queue_holds_the_crawl_back(settings: Settings) -> None:
    """At the high-water mark nothing more is fetched; with room the crawl goes on to its end."""
    settings = settings.model_copy(update={"queue_max_pages": 10})
    queue = Queue(settings)
    with server.serve() as bad:
        paths = [f"/page-{number}" for number in range(60)]
        bad.answers |= {path: (200, {}, f"<p>{path}".encode()) for path in paths}
        bad.answers |= {"/sitemap.xml": (200, {}, bad.sitemap(paths))}
        feed = Feed(url=f"{bad.url}/sitemap.xml", kind="sitemap")
        seen: set[str] = set()
        with crawling(settings, [source(bad.url, feed, delay_s=0.1)]) as (process, results):
            until(lambda: queue.fullness().full)
            # The watch looks once a second.
            until(lambda: time.monotonic() - bad.requests[-1].at > 4)
            assert len(bad.asked) < len(paths)
            while process.is_alive() and not results.poll():
                ids = pending(settings)
                seen.update(ids)
                if ids:
                    queue.done(ids)
                time.sleep(0.1)
        seen.update(pending(settings))

    assert len(seen) == len(paths)


def test_the_store_and_the_queue_may_go_away(settings: Settings, stack: Stack) -> None:
    """With Postgres' connections cut and Redis refusing, the crawl waits and then loses nothing."""
    with (
        demo_site.serve() as site,
        psycopg.connect(stack.database_url, autocommit=True) as admin,
        redis.Redis.from_url(redis_url(settings.bodies_url)) as bodies,
    ):
        name = (settings.database_url or "").split("/")[-1].split("?")[0]
        with crawling(settings, [demo_source(site, delay_s=0.15)]) as (_, results):
            until(lambda: len(site.requests) > 4)
            limit = str(bodies.config_get("maxmemory")["maxmemory"])
            bodies.config_set("maxmemory", 1000)
            try:
                for _ in range(10):
                    admin.execute(
                        "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s",
                        [name],
                    )
                    time.sleep(0.1)
            finally:
                bodies.config_set("maxmemory", limit)
            assert results.poll(END_S)
            ended = results.recv()
            assert isinstance(ended, Summary), ended

    assert set(published_paths(settings)) == PAGES
    assert {state for state, _ in states(settings)} == {"fetched", "failed", "refused"}


def test_an_index_leads_to_its_sitemaps(settings: Settings) -> None:
    """Sitemaps that an index lists are read, and again only when the index says they changed."""
    with server.serve() as bad:
        sitemap = documents.Entry(url=f"{bad.url}/a.xml", at=datetime(2026, 11, 1, tzinfo=UTC))
        bad.answers |= {"/index.xml": (200, {}, documents.index([sitemap]))}
        bad.answers |= {"/a.xml": (200, {}, bad.sitemap(["/good"])), "/good": trouble.page()}
        feed = Feed(url=f"{bad.url}/index.xml", kind="sitemap")
        for _ in range(2):
            crawl_once(settings, [source(bad.url, feed)])

    assert states(settings) == {("fetched", None): 1}
    assert (bad.asked.count("/index.xml"), bad.asked.count("/a.xml")) == (2, 1)


class NoReader(SourceSpider):
    """A spider whose sitemaps are more than its process can read."""

    def read(self, feed: DueFeed, response: Response) -> Listing:
        if feed.kind == "sitemap":
            raise MemoryError
        return super().read(feed, response)


def test_a_sitemap_that_cannot_be_read(settings: Settings) -> None:
    """Whatever reading it raises, the feed has failed, the rest is crawled, and the crawl ends."""
    with demo_site.serve() as site:
        summary = crawl_once(settings, [demo_source(site)], NoReader)

    assert summary.feed_failures == {"error": 1}
    assert summary.pages_published == 7  # those its other feed lists


def test_every_format_is_read(settings: Settings) -> None:
    """Feeds of all formats, sitemaps of all kinds: what each lists is fetched."""
    now = datetime.now(UTC)
    formats = {
        "rss": (documents.rss, "feed"),
        "rdf": (documents.rdf, "feed"),
        "atom": (documents.atom, "feed"),
        "json": (documents.json_feed, "feed"),
        "sitemap": (documents.sitemap, "sitemap"),
        "news": (documents.news_sitemap, "sitemap"),
    }
    with server.serve() as site:
        feeds = []
        for name, (make, kind) in formats.items():
            entry = documents.Entry(url=f"{site.url}/in/{name}", title=name, at=now)
            site.answers |= {f"/{name}": (200, {}, make([entry])), f"/in/{name}": trouble.page()}
            feeds.append(Feed.model_validate({"url": f"{site.url}/{name}", "kind": kind}))
        packed = documents.gzipped(site.sitemap(["/in/packed"]))
        site.answers |= {
            "/index": (200, {}, documents.index([f"{site.url}/packed.xml.gz"])),
            "/packed.xml.gz": (200, {"Content-Type": "application/gzip"}, packed),
            "/in/packed": trouble.page(),
        }
        feeds.append(Feed(url=f"{site.url}/index", kind="sitemap"))
        summary = crawl_once(settings, [source(site.url, *feeds)])

        asked = sorted(path for path in site.asked if path.startswith("/in/"))
        assert asked == sorted(f"/in/{name}" for name in [*formats, "packed"])
    assert summary.problems == {}


def test_an_endless_index_has_an_end(settings: Settings) -> None:
    """An index that leads to ever new indexes is left at some depth, and that is counted."""
    with server.serve() as bad:
        for number in range(9):
            child = documents.index([f"{bad.url}/{number + 1}.xml"])
            bad.answers[f"/{number}.xml"] = (200, {}, child)
        feed = Feed(url=f"{bad.url}/0.xml", kind="sitemap")
        summary = crawl_once(settings, [source(bad.url, feed)])

    assert [path for path in bad.asked if path != "/robots.txt"] == ["/0.xml", "/1.xml", "/2.xml"]
    assert summary.problems == {"too_deep": 1}


@pytest.mark.parametrize(
    ("spider", "count"), [(FeedSpider, 7), (SitemapSpider, 7), (SourceSpider, len(PAGES))]
)
def test_each_spider_starts(settings: Settings, spider: type[FrontierSpider], count: int) -> None:
    """Each spider polls the feeds of its kinds, fetches what they list, and ends."""
    with demo_site.serve() as site:
        summary = crawl_once(settings, [demo_source(site)], spider)

    assert summary.pages_published == count


def test_a_crawl_needs_a_migrated_database(empty_database_url: str, settings: Settings) -> None:
    """A database without the schema ends the crawl with an error that says what to do."""
    settings = settings.model_copy(update={"database_url": empty_database_url})
    with demo_site.serve() as site, pytest.raises(RasidError, match="rasid migrate"):
        crawl_once(settings, [demo_source(site)])


def test_a_section_page_is_a_feed(settings: Settings) -> None:
    """The articles a section page links to are fetched, what is in its menu is not."""
    with server.serve() as bad:
        names = [
            "storm-hits-the-coast-again",
            "council-opens-a-new-library",
            "wheat-prices-rise-again",
        ]
        items = (
            documents.Entry(url=f"/2026/11/{name}", title=name.replace("-", " ")) for name in names
        )
        body = documents.section(items, menu=["/sport"])
        bad.answers["/news"] = (200, {}, body)
        bad.answers |= {f"/2026/11/{name}": (200, {}, b"<html><p>good") for name in names}
        feed = Feed(url=f"{bad.url}/news", kind="section")
        summary = crawl_once(settings, [source(bad.url, feed)], SectionSpider)

        assert sorted(bad.asked) == sorted(
            ["/robots.txt", "/news", *(f"/2026/11/{n}" for n in names)]
        )
    assert summary.pages_published == 3


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "empty"),
        (b"<!doctype html><p>Back soon", "html_instead"),
        (b"<rss><channel><item><titl", "malformed"),
        (b"{}", "unknown_format"),
    ],
)
def test_an_answer_that_is_no_list_is_a_failure_with_a_name(
    settings: Settings, body: bytes, problem: str
) -> None:
    """A 200 in which nothing can be read is no success: the feed has failed, and why is kept."""
    with server.serve() as bad:
        bad.answers["/rss"] = (200, {}, body)
        summary = crawl_once(settings, [source(bad.url, Feed(url=f"{bad.url}/rss"))])
    with connect(settings.database_url or "") as tx:
        (feed,) = sources.feeds_of(tx, "demo")

    assert summary.feed_failures == {"unreadable": 1}
    assert (feed["last_outcome"], feed["errors_count"]) == ("unreadable", 1)
    assert problem in str(feed["problems"])


def test_an_overflow_is_counted(settings: Settings) -> None:
    """A feed whose second listing shares nothing with its first may have lost items in between."""
    with server.serve() as bad:
        given = [source(bad.url, Feed(url=f"{bad.url}/rss"))]
        item = "<rss><channel><item><link>{0}</link></item></channel></rss>"
        bad.answers["/rss"] = (200, {}, item.format("/good").encode())
        crawl_once(settings, given)
        bad.answers["/rss"] = (200, {}, item.format("/moved").encode())
        summary = crawl_once(settings, given)
    with connect(settings.database_url or "") as tx:
        (feed,) = sources.feeds_of(tx, "demo")

    assert summary.problems["overflow"] == 1
    assert (feed["overflows_count"], feed["overflowed_at"] is not None) == (1, True)
