"""Feeds are polled at their own pace, and young articles are fetched again."""

import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import redis

from services.cli.trace import _print_trace
from services.demo import site as demo_site
from services.demo.site import Site
from services.queue import PENDING, Queue
from services.queue.bodies import Taken
from services.queue.broker import redis_url
from services.shared import urls
from services.shared.settings import Settings
from services.shared.sources import Feed
from services.storage import connect, links, results, status, trace
from tests import factories
from tests.factories import problems_of
from tests.integration.crawls import crawl_once, crawling, demo_source, exit_code_after, source
from tests.patience import until
from tests.site import documents, server, trouble

PAGE = "/ar/2026/11/harbour-expansion"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """As everywhere, but loopback may be crawled."""
    return settings.model_copy(update={"public_addresses_only": False})


def execute(settings: Settings, statement: bytes) -> list[tuple[object, ...]]:
    """Run a statement in the crawl's store; return its rows."""
    with connect(settings.database_url or "") as tx:
        cursor = tx.execute(statement)
        return cursor.fetchall() if cursor.description else []


def again(settings: Settings, site: Site) -> tuple[object, ...]:
    """Let the time come to fetch pages again, and crawl; return what became of PAGE's link."""
    execute(settings, b"update rasid.links set refetch_at = now() where refetch_at is not null")
    crawl_once(settings, [demo_source(site, delay_s=0)])
    with connect(settings.database_url or "") as tx:
        link = links.trace(tx, site.url.rstrip("/") + PAGE)
    assert link
    return link["state"], link["reason"], link["refetches_count"], link["refetch_outcome"]


def test_a_young_article_is_fetched_again(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """Four times, with the validators it came with; a new body is published, then it is over."""
    with demo_site.serve() as site:
        crawl_once(settings, [demo_source(site, delay_s=0)])
        assert again(settings, site) == ("fetched", None, 1, "unchanged")
        page = site.files[PAGE]
        site.files[PAGE] = replace(page, body=page.body.replace(b"<p>", b"<p>Correction: ", 1))
        assert again(settings, site) == ("fetched", None, 2, "fetched")
        assert again(settings, site) == ("fetched", None, 3, "unchanged")
        assert again(settings, site) == ("fetched", None, 4, "unchanged")
        assert again(settings, site) == ("fetched", None, 4, "unchanged")
        url = site.url.rstrip("/") + PAGE
        with connect(settings.database_url or "") as connection:
            _print_trace(url, trace.read(connection, [url], urls.key(url)))

    assert "again 4 times, the last time: unchanged; no more" in capsys.readouterr().out
    asked = [int(request.status) for request in site.requests if request.path == PAGE]
    assert asked == [200, 304, 200, 304, 304]


@pytest.mark.parametrize("how", ["404", "410", "home"])
def test_an_article_that_is_gone_ends(settings: Settings, how: str) -> None:
    """410 is believed; 404 and a redirect to the home page are when it is so an hour later."""
    reason = {"home": "redirected_home"}.get(how, f"http_{how}")
    with server.serve() as site:
        site.answers["/sitemap.xml"] = (200, {}, site.sitemap(["/a/good"]))
        site.answers |= {"/a/good": trouble.page(), "/": trouble.page("home")}
        paper = source(site.url, Feed(url=f"{site.url}/sitemap.xml", kind="sitemap"))
        crawl_once(settings, [paper])
        gone = {"404": trouble.gone(404), "410": trouble.gone(), "home": trouble.redirect("/")}
        site.answers["/a/good"] = gone[how]
        ends = []
        for _ in range(3):
            execute(
                settings, b"update rasid.links set refetch_at = now() where refetch_at is not null"
            )
            crawl_once(settings, [paper])
            ends += execute(settings, b"select state, reason, refetch_outcome from rasid.links")

    seen, believed = ("fetched", None, reason), ("failed", reason, reason)
    assert ends == ([believed] * 3 if how == "410" else [seen, believed, believed])
    assert site.asked.count("/a/good") == (2 if how == "410" else 3)


@pytest.mark.parametrize(
    ("server_is", "seen"),
    [
        (trouble.honest, "unchanged"),
        (trouble.never_changed, "unchanged"),
        (trouble.always_changed, "fetched"),
    ],
)
def test_a_page_is_asked_for_as_it_came(
    settings: Settings, server_is: Callable[[server.Answer], server.Given], seen: str
) -> None:
    """Its ETag goes back verbatim; a server that has a new one each time gives the page again."""
    with server.serve() as site:
        site.answers["/page"] = server_is(trouble.page())
        site.answers["/rss"] = server.Answer(200, {}, documents.rss([f"{site.url}/page"]))
        paper = source(site.url, Feed(url=f"{site.url}/rss"))
        crawl_once(settings, [paper])
        execute(settings, b"update rasid.links set refetch_at = now()")
        crawl_once(settings, [paper])
        first, again = (request for request in site.requests if request.path == "/page")

    assert "if-none-match" not in first.headers
    assert again.headers["if-none-match"].startswith('"')
    ends = execute(settings, b"select state, refetch_outcome from rasid.links")
    assert ends == [("fetched", seen)]


def save_pages(settings: Settings) -> list[str]:
    """Make an article of each page on the queue, its body as the text; return what became of it."""
    queue = Queue(settings)
    with redis.Redis.from_url(redis_url(settings.bodies_url)) as client:
        ids = [page_id.decode() for page_id in client.zrange(PENDING["live"], 0, -1)]
    items = []
    for taken in queue.take(ids).values():
        assert isinstance(taken, Taken)
        url = str(taken.page.requested_url)
        found = factories.article(url, taken.page.body.decode())
        items.append(factories.processed(taken.page, replace(found, normalized_url=urls.key(url))))
    with connect(settings.database_url or "") as connection:
        decisions = results.save(connection, items, 1)
    queue.done(ids)
    return [decision.status for decision in decisions]


def test_an_article_that_was_shortened_is_asked_for_a_day_later(settings: Settings) -> None:
    """Also after its last day, and whole: seen twice, what its publisher left is the article."""
    words = [f"word{number}" for number in range(200)]
    long, short = " ".join(words), " ".join(words[:60])
    with server.serve() as site:
        site.answers["/page"] = trouble.never_changed(server.Answer(200, {}, long.encode()))
        site.answers["/rss"] = server.Answer(200, {}, documents.rss([f"{site.url}/page"]))
        paper = source(site.url, Feed(url=f"{site.url}/rss"))
        crawl_once(settings, [paper])
        assert save_pages(settings) == ["created"]
        # The last time that it is fetched again by its schedule, without luck.
        site.answers["/page"] = server.Answer(200, {"ETag": '"same"'}, short.encode())
        execute(settings, b"update rasid.links set refetch_at = now(), refetches_count = 3")
        crawl_once(settings, [paper])
        assert save_pages(settings) == ["worse"]
        site.answers["/page"] = trouble.never_changed(server.Answer(200, {}, short.encode()))
        crawl_once(settings, [paper])
        assert site.count("/page") == 2, "not yet"

        execute(
            settings,
            b"update rasid.worse_copies"
            b" set first_observed_at = first_observed_at - interval '1 day'",
        )
        crawl_once(settings, [paper])
        assert save_pages(settings) == ["updated"]
        crawl_once(settings, [paper])

    assert site.count("/page") == 3
    assert "if-none-match" not in site.requests[-1].headers
    told = b"select refetches_count, refetch_outcome, refetch_at, state from rasid.links"
    assert execute(settings, told) == [(5, "fetched", None, "fetched")]
    texts = execute(settings, b"select text from media.articles")
    assert texts == [(short,)]


def test_looking_once_more_leaves_the_schedule_alone(settings: Settings) -> None:
    """What comes beside the schedule does not take the place of a time that it has."""
    with server.serve() as site:
        site.answers["/page"] = server.Answer(200, {}, b"a text")
        site.answers["/rss"] = server.Answer(200, {}, documents.rss([f"{site.url}/page"]))
        paper = source(site.url, Feed(url=f"{site.url}/rss"))
        crawl_once(settings, [paper])
        save_pages(settings)
        execute(settings, b"update rasid.links set refetch_at = now(), refetches_count = 2")
        crawl_once(settings, [paper])
        execute(
            settings,
            b"insert into rasid.worse_copies (article_id, sha256, first_observed_at)"
            b" select id, '\\x00', now() - interval '25 hours' from rasid.articles",
        )
        crawl_once(settings, [paper])

    waits = b"select round(extract(epoch from refetch_at - now()) / 3600) between 140 and 165"
    assert execute(settings, waits + b" from rasid.links") == [(True,)]
    assert site.count("/page") == 3


def test_what_passes_is_tried_again(settings: Settings) -> None:
    """A server's failure is not the end: the link is due, and fetched when its time comes."""
    with server.serve() as site:
        site.answers["/page"] = trouble.changing(server.Answer(500), trouble.page())
        site.answers["/rss"] = server.Answer(200, {}, documents.rss([f"{site.url}/page"]))
        paper = source(site.url, Feed(url=f"{site.url}/rss"))
        look = b"select state, reason, next_fetch_at > now() from rasid.links"
        crawl_once(settings, [paper])
        assert execute(settings, look) == [("due", "http_500", True)]
        execute(settings, b"update rasid.links set next_fetch_at = now()")
        crawl_once(settings, [paper])

    assert execute(settings, look)[0][:2] == ("fetched", None)


def test_new_links_come_before_old_pages(settings: Settings) -> None:
    """While a host has something new, no page of it is fetched again."""
    with server.serve() as site:
        old, new = ([f"/{what}/{n}" for n in range(30)] for what in ("old", "new"))
        site.answers |= dict.fromkeys([*old, *new], (200, {}, b"<html><p>page"))
        site.answers["/sitemap.xml"] = (200, {}, site.sitemap(old))
        paper = source(site.url, Feed(url=f"{site.url}/sitemap.xml", kind="sitemap"))
        crawl_once(settings, [paper])
        site.requests.clear()
        site.answers["/sitemap.xml"] = (200, {}, site.sitemap([*old, *new]))
        execute(settings, b"update rasid.links set refetch_at = now()")
        crawl_once(settings, [paper])

    order = [path for path in site.asked if path in {*old, *new}]
    assert set(order) == {*old, *new}
    assert set(order[:30]) == set(new)


def rss(site: server.Site, *numbers: int) -> server.Answer:
    """Return a feed of these items."""
    items = (f"{site.url}/item/{n}" for n in numbers)
    return server.Answer(200, {}, documents.rss(items, head="<ttl>20</ttl>"))


def test_a_304_is_checked(settings: Settings) -> None:
    """A server that says 304 though there is news is found out, and asked without validators."""
    with server.serve() as site:
        paper = source(site.url, Feed(url=f"{site.url}/rss"))
        site.answers["/rss"] = trouble.never_changed(rss(site, 1))
        assert crawl_once(settings, [paper]).links_new == 1
        site.answers["/rss"] = trouble.never_changed(rss(site, 1, 2))
        summary = crawl_once(settings, [paper])
        assert (summary.feeds_unchanged, summary.links_new) == (1, 0)
        execute(settings, b"update rasid.feeds set full_at = full_at - interval '25 hours'")
        summary = crawl_once(settings, [paper])
        assert (summary.links_new, summary.problems["untrue_304"]) == (1, 1)
        site.answers["/rss"] = trouble.never_changed(rss(site, 1, 2, 3))
        summary = crawl_once(settings, [paper])
        assert (summary.links_new, summary.problems["untrue_304"]) == (1, 0)


def test_a_feed_that_overflows_has_its_sitemap_read(settings: Settings) -> None:
    """When nothing on a page was known, what came and went is found in the sitemap at once."""
    with server.serve() as site:
        site.answers |= {f"/item/{n}": (200, {}, b"<html><p>item") for n in range(9)}
        site.answers["/rss"] = rss(site, 0, 1)
        site.answers["/sitemap.xml"] = (200, {}, site.sitemap(["/item/0"]))
        paper = source(
            site.url,
            Feed(url=f"{site.url}/rss"),
            Feed(url=f"{site.url}/sitemap.xml", kind="sitemap"),
        )
        crawl_once(settings, [paper])
        site.answers["/rss"] = rss(site, 7, 8)
        site.answers["/sitemap.xml"] = (200, {}, site.sitemap([f"/item/{n}" for n in range(9)]))
        execute(
            settings,
            b"update rasid.feeds set last_fetched_at = now() - interval '1 hour', next_fetch_at ="
            b" case when kind = 'feed' then now() else now() + interval '1 day' end",
        )
        with crawling(settings, [paper], once=False) as (process, _):
            listed = {f"/item/{n}" for n in range(9)}
            until(lambda: listed <= set(site.asked), "the sitemap is not read")
            assert exit_code_after(process, signal.SIGTERM) == 0
        rows = execute(
            settings,
            b"select overflows_count, most_wait_s > 0 from rasid.feeds where kind = 'feed'",
        )

    assert rows == [(1, True)]


def test_a_hole_is_filled_from_the_sitemaps_that_robots_name(settings: Settings) -> None:
    """Where the source names none: what they date since then is fetched, and nothing else."""
    now = datetime.now(UTC)
    with server.serve(hosts=2) as site:
        site.answers |= {f"/item/{n}": (200, {}, b"<html><p>item") for n in range(9)}
        named = [f"{site.url}/index.xml", f"{site.urls[1]}/other.xml"]
        site.answers["/robots.txt"] = (200, {}, documents.robots(sitemaps=named))
        months = [
            documents.Entry(url=f"{site.url}/new.xml", at=now),
            documents.Entry(url=f"{site.url}/old.xml", at=now - timedelta(days=90)),
        ]
        items = [documents.Entry(url=f"{site.url}/item/{n}", at=now) for n in range(2, 7)]
        items += [
            documents.Entry(url=f"{site.url}/last-year", at=now - timedelta(days=365)),
            documents.Entry(url=f"{site.url}/undated"),
        ]
        site.answers["/index.xml"] = (200, {}, documents.index(months))
        site.answers["/new.xml"] = (200, {}, documents.sitemap(items))
        site.answers["/rss"] = rss(site, 0, 1)
        paper = source(site.url, Feed(url=f"{site.url}/rss"))
        crawl_once(settings, [paper])
        assert "/index.xml" not in site.asked
        site.answers["/rss"] = rss(site, 7, 8)
        summary = crawl_once(settings, [paper])
        crawl_once(settings, [paper])

    assert summary.problems["overflow"] == 1
    pages = [path for path in site.asked if path.startswith("/item")]
    assert sorted(pages) == [f"/item/{n}" for n in range(9)]
    assert [site.count(path) for path in ("/index.xml", "/new.xml")] == [1, 1]
    assert not {"/old.xml", "/other.xml", "/last-year", "/undated"} & set(site.asked)


def test_a_feed_adapts(settings: Settings) -> None:
    """A feed remembers when it had news and what it asks for; a fixed interval stays fixed."""
    with server.serve() as site:
        site.answers["/rss"] = rss(site, 1)
        site.answers["/fixed"] = rss(site, 5)
        feeds = (Feed(url=f"{site.url}/rss"), Feed(url=f"{site.url}/fixed", poll_every_s=77))
        crawl_once(settings, [source(site.url, *feeds)])
        site.answers["/rss"] = rss(site, 1, 2, 3)
        crawl_once(settings, [source(site.url, *feeds)])

    waits = execute(
        settings,
        b"select round(extract(epoch from next_fetch_at - last_fetched_at))::int,"
        b" ttl_s, cardinality(item_times) from rasid.feeds order by url desc",
    )
    (adaptive, ttl_s, items), (fixed, _, _) = waits
    assert (ttl_s, items) == (1200, 2)
    assert adaptive == 1200
    assert isinstance(fixed, int)
    assert 69 <= fixed <= 85


def test_a_feed_that_fell_silent_is_told(settings: Settings) -> None:
    """A feed that answers, but has had no news for far longer than ever, is a problem."""
    with server.serve() as site:
        site.answers["/rss"] = rss(site, 1)
        paper = source(site.url, Feed(url=f"{site.url}/rss"))
        crawl_once(settings, [paper])
        hourly = (
            b"array(select now() - make_interval(hours => 90 + n) from generate_series(9, 0, -1) n)"
        )
        execute(settings, b"update rasid.feeds set item_times = " + hourly)
        crawl_once(settings, [paper])
        with connect(settings.database_url or "") as connection:
            (problem,) = problems_of(status.read(connection))

    assert problem.startswith(f"feed {site.url}/rss has had nothing new since")
