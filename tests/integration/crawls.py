"""Settings and sources go in; a crawl in a process of its own comes out, as Twisted wants it."""

import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from crawler import run as crawler_run
from crawler.spiders.base import FrontierSpider
from crawler.spiders.source import SourceSpider
from crawler.summary import Summary
from services.demo.site import Site
from services.shared.settings import Settings
from services.shared.sources import CrawlPolicy, Feed, Rules, Source

# Each crawl is forked off a server that has imported what it needs: an import costs a second.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["crawler.run", "crawler.spiders.source"])
END_S = 60


def source(url: str, *feeds: Feed, delay_s: float = 0.0, name: str = "demo") -> Source:
    """Return a source with these feeds."""
    return Source(
        name=name,
        title="Demo",
        home_page=url,
        crawl=CrawlPolicy(delay_s=delay_s),
        rules=Rules(title="h1"),
        feeds=feeds,
    )


def demo_source(site: Site, *, delay_s: float = 0.05) -> Source:
    """Return the demo site as a source with its feed and its sitemap."""
    return source(
        site.url,
        Feed(url=f"{site.url}feed.xml"),
        Feed(url=f"{site.url}sitemap.xml", kind="sitemap"),
        delay_s=delay_s,
    )


def _crawl(
    results: Connection,
    settings: Settings,
    sources: Sequence[Source],
    spider: type[FrontierSpider],
    *,
    once: bool,
) -> None:
    try:
        results.send(crawler_run.run(settings, sources, once=once, progress=print, spider=spider))
    except Exception as error:
        results.send(error)
        raise


def crawl_once(
    settings: Settings,
    sources: Sequence[Source],
    spider: type[FrontierSpider] = SourceSpider,
) -> Summary:
    """Crawl until nothing is due and return the counts."""
    with crawling(settings, sources, spider) as (_, results):
        assert results.poll(END_S), "the crawl has not ended"
        ended = results.recv()
    if isinstance(ended, Exception):
        raise ended
    assert isinstance(ended, Summary)
    return ended


@contextmanager
def crawling(
    settings: Settings,
    sources: Sequence[Source],
    spider: type[FrontierSpider] = SourceSpider,
    *,
    once: bool = True,
) -> Iterator[tuple[BaseProcess, Connection]]:
    """Run a crawl beside the block, with the end of a pipe on which its result comes."""
    results, sender = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(
        target=_crawl, args=(sender, settings, sources, spider), kwargs={"once": once}
    )
    process.start()
    sender.close()
    try:
        yield process, results
        process.join(END_S)
    finally:
        if process.is_alive():
            process.kill()
            process.join()
        results.close()


def exit_code_after(process: BaseProcess, number: signal.Signals) -> int | None:
    """Send a signal and return the exit code, or None if the process goes on for a minute."""
    assert process.pid
    os.kill(process.pid, number)
    process.join(END_S)
    return process.exitcode
