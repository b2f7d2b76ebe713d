"""Settings and sources go in; a crawl in a process of its own comes out, as Twisted wants it.

It logs in as the crawler, who may do less than the tests.
"""

import multiprocessing
import os
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from multiprocessing import util
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar, cast

import pytest

from crawler import run as crawler_run
from crawler.spiders.base import FrontierSpider
from crawler.spiders.source import SourceSpider
from crawler.summary import Summary
from services.demo.site import Site
from services.local import directories
from services.shared.settings import Settings
from services.shared.sources import CrawlPolicy, Feed, Rules, Source
from tests.patience import PATIENCE_S
from tests.roles import as_role

# Each crawl is forked off a server that has imported what it needs: an import costs a second.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["crawler.run", "crawler.spiders.source"])
# That server's socket lies where others do: in TMPDIR its path may be too long.
with pytest.MonkeyPatch.context() as patch:
    patch.setattr(tempfile, "tempdir", str(directories.sockets_root()))
    util.get_temp_dir()
END_S = PATIENCE_S
#: For those that are to be killed: they are soon forgotten. Whoever lives must be able to keep its
#: leases on a machine that does much else, so nobody else's are so short.
SHORT_LEASE = {"crawl_lease_s": 5.0}
T = TypeVar("T")


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


def _run(
    results: Connection,
    work: Callable[..., object],
    *args: Any,
    **kwargs: Any,
) -> None:
    try:
        results.send(work(*map(_as_crawler, args), **kwargs, progress=print))
    except Exception as error:
        results.send(error)
        raise


def _as_crawler(argument: Any) -> Any:
    """Return settings with the crawler's own login, and anything else as it is."""
    if not isinstance(argument, Settings):
        return argument
    url = as_role(argument.database_url or "", "crawler")
    return argument.model_copy(update={"database_url": url})


@contextmanager
def running(
    work: Callable[..., object], *args: Any, **kwargs: Any
) -> Iterator[tuple[BaseProcess, Connection]]:
    """Do the work beside the block, with the end of a pipe on which its result comes."""
    results, sender = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=_run, args=(sender, work, *args), kwargs=kwargs)
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


def done(work: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Do the work in a process of its own and return its result, or raise what it raised."""
    with running(work, *args, **kwargs) as (_, results):
        assert results.poll(END_S), "it has not ended"
        ended = results.recv()
    if isinstance(ended, Exception):
        raise ended
    return cast("T", ended)


def crawl_once(
    settings: Settings,
    sources: Sequence[Source],
    spider: type[FrontierSpider] = SourceSpider,
) -> Summary:
    """Crawl until nothing is due and return the counts."""
    summary = done(crawler_run.run, settings, sources, once=True, spider=spider)
    assert isinstance(summary, Summary)
    return summary


def crawling(
    settings: Settings,
    sources: Sequence[Source],
    spider: type[FrontierSpider] = SourceSpider,
    *,
    once: bool = True,
) -> AbstractContextManager[tuple[BaseProcess, Connection]]:
    """Run a crawl beside the block, with the end of a pipe on which its result comes."""
    return running(crawler_run.run, settings, sources, once=once, spider=spider)


def exit_code_after(process: BaseProcess, number: signal.Signals) -> int | None:
    """Send a signal and return the exit code, or None if the process goes on."""
    assert process.pid
    os.kill(process.pid, number)
    process.join(END_S)
    return process.exitcode
