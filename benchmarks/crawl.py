"""Speed and CPU a page of the crawler against a bare Scrapy spider; its memory in a long crawl.

    PYTHONPATH=. python -m benchmarks.crawl [--hosts 200] [--articles 3000 20000] [--rounds 3]

One server, one page size, no delay, one request to a host at a time and as many hosts at a time as
there are. The bare spider is told all addresses, host after host in turn, and forgets what it gets,
with Scrapy's own settings. Ours finds them in feeds and sitemaps, obeys robots.txt, keeps leases
and links in Postgres, and puts pages into Redis. The two take turns, so that a machine that changes
its pace shows, and who begins changes with each round; the ratios are medians of the rounds.

A crawl is from its first request, for whatever it is, until the last article is asked for, and by
ours published. What comes before is the start: it is told apart, and is without the imports. CPU
is user and system time of the crawler's process; that of Postgres and Redis is told beside it.
"""

import argparse
import statistics
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess

import psutil
from scrapy import Request, Spider
from scrapy.crawler import AsyncCrawlerProcess
from scrapy.http import Response

from benchmarks import product
from benchmarks.pipeline import cpu_of
from services.local import Stack
from services.queue import Queue
from tests.integration.crawls import CONTEXT, crawling
from tests.roles import let_in
from tests.site import newspapers
from tests.site.server import Site, serve

MEMORY_AT = (0.25, 0.5, 1.0)
MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Of one crawl. `start_s` is from the process to its first request, the rest as of then.

    `feeds_s` is from there to the first request for an article. `memory` is the resident set in
    bytes, by pages asked for.
    """

    pages: int
    start_s: float
    feeds_s: float
    wall_s: float
    cpu_s: float
    stores_cpu_s: float
    memory: Mapping[int, int]

    @property
    def speed(self) -> float:
        """Return pages a second."""
        return self.pages / self.wall_s

    @property
    def cpu_ms(self) -> float:
        """Return milliseconds of CPU a page."""
        return 1000 * self.cpu_s / self.pages

    def __str__(self) -> str:
        """Return all in words."""
        told = (
            f"{self.speed:5.0f} pages/s {self.cpu_ms:5.2f} ms CPU/page; start {self.start_s:.2f} s"
        )
        if not self.stores_cpu_s:
            return told
        stores_ms = 1000 * self.stores_cpu_s / self.pages
        return (
            f"{told}, first article {self.feeds_s:.2f} s later, stores {stores_ms:.2f} ms CPU/page"
        )


class Bare(Spider):
    """Downloads what it is told, and nothing else."""

    name = "bare"
    urls: Sequence[str] = ()

    async def start(self) -> AsyncIterator[Request]:
        """Yield them all."""
        for url in self.urls:
            yield Request(url)

    def parse(self, response: Response) -> None:
        """Forget it."""


def _bare(urls: Sequence[str], hosts: int) -> None:
    process = AsyncCrawlerProcess(
        {
            "CONCURRENT_REQUESTS": hosts,
            "CONCURRENT_REQUESTS_PER_DOMAIN": 1,
            "DOWNLOAD_DELAY": 0,
            "TELNETCONSOLE_ENABLED": False,
            "LOG_LEVEL": "ERROR",
        }
    )
    process.crawl(Bare, urls=urls)
    process.start()


def main() -> None:
    """Run all, and print it."""
    options = argparse.ArgumentParser()
    options.add_argument("--hosts", type=int, default=200)
    options.add_argument("--articles", type=int, nargs="+", default=[3_000, 20_000])
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args()
    for articles in given.articles:
        each = articles // given.hosts
        print(f"{each * given.hosts:,} articles of {given.hosts} hosts")
        pairs = [run_round(number, given.hosts, each) for number in range(given.rounds)]
        speed = statistics.median(ours.speed / bare.speed for bare, ours in pairs)
        cpu = statistics.median(bare.cpu_ms / ours.cpu_ms for bare, ours in pairs)
        print(f"ours to bare: {speed:.2f} of its speed, {cpu:.2f} of its pages a CPU second")
        sizes = " ".join(f"{size / MIB:.0f} MiB" for size in pairs[-1][1].memory.values())
        print(f"ours holds after {', '.join(map(str, pairs[-1][1].memory))} pages: {sizes}")


def run_round(number: int, hosts: int, each: int) -> tuple[Figures, Figures]:
    """Run both, each first in every other round; return the bare one's figures, then ours."""
    found: dict[str, Figures] = {}
    for name in ("bare", "ours") if number % 2 == 0 else ("ours", "bare"):
        found[name] = (run_bare if name == "bare" else run_ours)(hosts, each)
        print(f"  {name} {found[name]}", flush=True)
    return found["bare"], found["ours"]


def run_bare(hosts: int, each: int) -> Figures:
    """Have the bare spider download so many articles of each host."""
    with serve(hosts=hosts) as site:
        urls = newspapers.publish(site, each)
        # Host after host in turn, as the frontier does it.
        urls = [urls[host * each + number] for number in range(each) for host in range(hosts)]
        process = CONTEXT.Process(target=_bare, args=(urls, hosts))
        process.start()
        figures = watch(site, process, len(urls))
        process.join()
    return figures


def run_ours(hosts: int, each: int) -> Figures:
    """Crawl so many articles of each host, into stores that are empty."""
    with (
        product.servers(
            durable=False,
            public_addresses_only=False,
            crawl_hosts=hosts,
            queue_max_pages=1_000_000,
            log_level="WARNING",
        ) as (stack, settings),
        serve(hosts=hosts) as site,
    ):
        let_in(stack.database_url)
        urls = newspapers.publish(site, each)
        papers = newspapers.sources(site, delay_s=0)
        with crawling(settings, papers) as (process, results):
            figures = watch(site, process, len(urls), stack, Queue(settings))
            if not results.poll(600):
                sys.exit("the crawl has not ended")
    return figures


def watch(
    site: Site,
    process: BaseProcess,
    pages: int,
    stack: Stack | None = None,
    queue: Queue | None = None,
) -> Figures:
    """Look at a crawler that just began until it has asked for the last article, and published."""
    assert process.pid
    started = time.monotonic()
    crawler, stores = psutil.Process(process.pid), list(stack.pids().values()) if stack else []
    marks = {int(pages * share): 0 for share in MEMORY_AT}
    seen = done = 0
    cpu = stores_cpu = 0.0
    asked = asked_article = 0.0
    while done < pages or (queue and queue.depth().total < pages):
        time.sleep(0.01)
        new = site.requests[seen:]
        if new and not seen:
            asked, cpu, stores_cpu = new[0].at, cpu_of([process.pid]), cpu_of(stores)
        seen += len(new)
        articles = [request for request in new if "/2026/" in request.path]
        if articles and not done:
            asked_article = articles[0].at
        done += len(articles)
        for mark, size in marks.items():
            if done >= mark and not size:
                marks[mark] = crawler.memory_info().rss
        if not process.is_alive():
            sys.exit(f"the crawler has ended after {done} of {pages} pages")
    return Figures(
        pages=pages,
        start_s=asked - started,
        feeds_s=asked_article - asked,
        wall_s=time.monotonic() - asked,
        cpu_s=cpu_of([process.pid]) - cpu,
        stores_cpu_s=cpu_of(stores) - stores_cpu,
        memory=marks,
    )


if __name__ == "__main__":
    main()
