import gzip
import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis

from crawler import bulk
from crawler.bulk import Done
from services.queue import PENDING, Queue
from services.queue.bodies import Taken
from services.queue.broker import redis_url
from services.shared.contracts import Lane
from services.shared.settings import Settings
from services.shared.sources import Feed, Source
from services.storage import connect, hosts, jobs, links, sources
from tests.integration.crawls import END_S, SHORT_LEASE, done, running, source
from tests.patience import until
from tests.site import server, trouble
from tests.site.server import Site

SINCE = datetime(2024, 1, 1, tzinfo=UTC)
UNTIL = datetime(2024, 7, 1, tzinfo=UTC)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """As everywhere, but loopback may be crawled."""
    return settings.model_copy(update={"public_addresses_only": False})


def entry(url: str, modified: str | None) -> str:
    stated = f"<lastmod>{modified}</lastmod>" if modified else ""
    return f"<url><loc>{url}</loc>{stated}</url>"


def sitemap(entries: Mapping[str, str | None]) -> bytes:
    told = "".join(entry(url, modified) for url, modified in entries.items())
    return f"<urlset>{told}</urlset>".encode()


@contextmanager
def archive(count: int = 3) -> Iterator[Site]:
    """A site whose robots.txt names an index; of its sitemaps one is too old to be read."""
    with server.serve() as site:
        page = (200, {"Content-Type": "text/html"}, b"<html><p>text")
        months = {
            "2023": "2023-12-31",
            "2024-03": None,
            "2024-09": "2024-09-30T00:00:00Z",
        }
        told = "".join(
            f"<sitemap><loc>{site.url}/map-{name}.xml.gz</loc>"
            + (f"<lastmod>{modified}</lastmod>" if modified else "")
            + "</sitemap>"
            for name, modified in months.items()
        )
        listed: dict[str, dict[str, str | None]] = {
            "2023": {f"{site.url}/2023/a": "2023-05-05"},
            "2024-03": {f"{site.url}/2024/{n}": "2024-03-05T10:00:00Z" for n in range(count)},
            "2024-09": {f"{site.url}/late": "2024-09-01", f"{site.url}/undated": None},
        }
        site.answers["/robots.txt"] = (
            200,
            {"Content-Type": "text/plain"},
            f"User-agent: *\nDisallow: /2024/0\nSitemap: {site.url}/index.xml\n".encode(),
        )
        site.answers["/index.xml"] = (200, {}, f"<sitemapindex>{told}</sitemapindex>".encode())
        for name, entries in listed.items():
            site.answers[f"/map-{name}.xml.gz"] = (200, {}, gzip.compress(sitemap(entries)))
            for url in entries:
                site.answers[url.removeprefix(site.url)] = page
        yield site


@contextmanager
def troubled() -> Iterator[Site]:
    with server.serve() as site:
        site.answers |= {path: answer for path, (answer, _) in trouble.ENDS.items()}
        yield site


def outlet(site: Site, *feeds: Feed, delay_s: float = 0.0) -> Source:
    feeds = feeds or (Feed(url=f"{site.url}/no-feed"),)
    return source(site.url, *feeds, delay_s=delay_s)


def backfilled(settings: Settings, of: Source, *archives: str, dry_run: bool = False) -> Done:
    return done(
        bulk.backfill,
        settings,
        of,
        since=SINCE,
        until=UNTIL,
        input_=f"{of.name} {dry_run}",
        archives=archives,
        dry_run=dry_run,
    )


def on_queue(settings: Settings, lane: Lane) -> list[str]:
    """Return the paths of the pages of a lane."""
    with redis.Redis.from_url(redis_url(settings.bodies_url)) as client:
        ids = [page_id.decode() for page_id in client.zrange(PENDING[lane], 0, -1)]
    found = Queue(settings).take(ids).values()
    pages = [taken.page for taken in found if isinstance(taken, Taken)]
    return sorted("/" + (page.requested_url or "").split("/", 3)[3] for page in pages)


def test_a_backfill_fetches_the_days_wanted(settings: Settings) -> None:
    """What sitemaps named by robots.txt list of these days, or undated, goes to the bulk lane."""
    with archive() as site:
        ended = backfilled(settings, outlet(site))

    assert ended.progress.is_done
    assert on_queue(settings, "bulk") == ["/2024/1", "/2024/2", "/undated"]
    assert on_queue(settings, "live") == []
    assert ended.progress.fetched_count == 3
    assert ended.progress.undated_count == 1
    assert ("refused", "robots_denied", 1) in ended.reasons
    # The index says that nothing in it is of these days.
    assert "/map-2023.xml.gz" not in site.asked
    # Of the two usual places neither is there.
    assert (ended.progress.sitemaps_count, ended.progress.sitemaps_failed_count) == (3, 2)


def test_a_dry_run_counts_and_fetches_nothing(settings: Settings) -> None:
    """It reads the sitemaps only, and what they list is as unknown as before."""
    with archive() as site:
        told = backfilled(settings, outlet(site), dry_run=True)
        with connect(settings.database_url or "") as tx:
            assert links.counts(tx, ["demo"]) == {}
        assert told.progress.new_count == 4
        assert not any(path.startswith("/2024/") for path in site.asked)
        ended = backfilled(settings, outlet(site))

    assert ended.progress.links_count == told.progress.new_count


def test_a_backfill_asks_for_nothing_twice(settings: Settings) -> None:
    """The same backfill once more reads the sitemaps, and fetches nothing."""
    with archive() as site:
        backfilled(settings, outlet(site))
        again = backfilled(settings, outlet(site))

    assert again.progress.is_done
    assert again.progress.links_count == 0
    assert site.asked.count("/2024/1") == 1
    assert site.asked.count("/map-2024-03.xml.gz") == 2


@pytest.mark.slow
def test_a_killed_backfill_goes_on(settings: Settings) -> None:
    """After kill -9 the same command goes on; only what was in flight may be asked for twice."""
    settings = settings.model_copy(update=SHORT_LEASE)
    count = 60
    with archive(count) as site:
        demo = outlet(site, delay_s=0.05)
        call = {
            "since": SINCE,
            "until": UNTIL,
            "input_": f"{demo.name} {False}",
        }
        with running(bulk.backfill, settings, demo, **call) as (process, _):
            until(lambda: sum(path.startswith("/2024/") for path in site.asked) > 15)
            assert process.pid
            os.kill(process.pid, signal.SIGKILL)
            process.join(END_S)
        asked = list(site.asked)
        ended = backfilled(settings, demo)

    assert ended.is_resumed
    assert ended.progress.is_done
    assert len(on_queue(settings, "bulk")) == count  # one of them is forbidden, one is undated
    assert site.asked.count("/map-2024-03.xml.gz") == 1
    pages = {path for path in asked if path.startswith("/2024/")}
    twice = [path for path in pages if site.asked.count(path) > 1]
    assert len(twice) <= 12


def test_a_list_of_addresses_is_an_archive(settings: Settings) -> None:
    """A text file of addresses, and a page of links, are walked when a person names them."""
    with archive() as site:
        page = (200, {"Content-Type": "text/html"}, b"<html><p>text")
        site.answers["/all.txt"] = (200, {}, f"{site.url}/one\n{site.url}/two\n".encode())
        site.answers["/one"] = site.answers["/two"] = page
        ended = backfilled(settings, outlet(site), f"{site.url}/all.txt")

    assert {"/one", "/two"} < set(on_queue(settings, "bulk"))
    assert ended.progress.undated_count == 3


def test_live_links_come_first(settings: Settings) -> None:
    """A link that a feed lists is fetched before those of a backfill that waited longer."""
    with archive(30) as site:
        news = "".join(entry(f"{site.url}/news/{n}", None) for n in range(5))
        site.answers["/news.xml"] = (200, {}, f"<urlset>{news}</urlset>".encode())
        for n in range(5):
            site.answers[f"/news/{n}"] = (200, {"Content-Type": "text/html"}, b"<html><p>new")
        demo = outlet(site, Feed(url=f"{site.url}/news.xml", kind="sitemap"))
        backfilled(settings, demo)
        order = [path for path in site.asked if path.startswith(("/2024/", "/news/"))]

    assert on_queue(settings, "live") == [f"/news/{n}" for n in range(5)]
    places = [place for place, path in enumerate(order) if path.startswith("/news/")]
    # In one go, and of the backfill only what was taken before.
    assert places[-1] - places[0] == 4
    assert places[0] < 10


def test_each_address_has_its_outcome(settings: Settings) -> None:
    """`fetch` tells what became of each address: page, reason, or that it is none."""
    with troubled() as bad:
        given = [f"{bad.url}/good", f"{bad.url}/gone", f"{bad.url}/loop", "ftp://x/", "nothing"]
        ended = done(bulk.fetch, settings, [outlet(bad, Feed(url=f"{bad.url}/f"))], given)
        with connect(settings.database_url or "") as tx:
            rows = {row["url"]: row for row in jobs.outcomes(tx, ended.job.id)}
        again = done(bulk.fetch, settings, [], given[:1])
        asked_again = done(bulk.fetch, settings, [], given[:1], again=True)

    told = {url.removeprefix(bad.url): (row["state"], row["reason"]) for url, row in rows.items()}
    assert told == {path: trouble.ENDS[path][1] for path in ("/good", "/gone", "/loop")}
    assert ended.progress.invalid_count == 2
    assert [line for line, _ in bulk.invalid_lines(given)] == given[3:]
    assert again.progress.fetched_count == asked_again.progress.fetched_count == 1
    assert bad.asked.count("/good") == 2
    assert "/f" not in bad.asked


def test_an_address_of_no_source_is_of_none(settings: Settings) -> None:
    """A page that no source claims is fetched all the same; it names no source."""
    with troubled() as bad:
        ended = done(bulk.fetch, settings, [], [f"{bad.url}/good"])
        assert on_queue(settings, "bulk") == ["/good"]

    assert ended.reasons == [("fetched", "", 1)]
    with connect(settings.database_url or "") as tx:
        trace = links.trace(tx, f"{bad.url}/good")
    assert trace
    assert trace["source"] is None


@pytest.mark.slow
def test_a_list_goes_on_where_it_was(settings: Settings, tmp_path: Path) -> None:
    """A long file killed halfway goes on; no line of it is lost, few are asked for twice."""
    settings = settings.model_copy(update=SHORT_LEASE)
    with server.serve() as bad:
        paths = [f"/p/{n}" for n in range(1500)]
        for path in paths:
            bad.answers[path] = (200, {"Content-Type": "text/html"}, b"<html><p>text")
        file = tmp_path / "list.txt"
        file.write_text("# mine\n\n" + "\n".join(bad.url + path for path in paths) + "\nno\n")
        demo = outlet(bad, delay_s=0.02)
        with running(bulk.fetch, settings, [demo], file) as (process, _):
            until(lambda: len(bad.asked) > 30)
            assert process.pid
            os.kill(process.pid, signal.SIGKILL)
            process.join(END_S)
        with connect(settings.database_url or "") as tx:
            tx.execute(
                "update rasid.links set state = 'failed' where state = 'due' and id % 10 > 0"
            )
        ended = done(bulk.fetch, settings, [demo], file)

    assert ended.is_resumed
    assert ended.progress.links_count == len(paths)
    assert ended.progress.invalid_count == 1
    assert ended.progress.is_done


def test_a_host_is_asked_at_its_pace(settings: Settings) -> None:
    """A list of addresses is no excuse: the delay of a host holds, and its lease."""
    with troubled() as bad:
        demo = outlet(bad, Feed(url=f"{bad.url}/f"), delay_s=0.3)
        began = time.monotonic()
        with connect(settings.database_url or "") as tx:
            sources.save(tx, [demo])
            hosts.visit(tx, "another", "127.0.0.1", lease_s=1.0)
        done(bulk.fetch, settings, [demo], [f"{bad.url}/good", f"{bad.url}/gone"])

    assert bad.closest() >= 0.25
    assert bad.requests[0].at - began >= 0.9
