"""Speed and CPU a page of the crawler against a bare Scrapy spider; its memory in a long crawl.

    PYTHONPATH=. python -m benchmarks.crawl [--hosts 200] [--articles 20000] [--rounds 3]

One server, one page size, no delay, one request to a host at a time. The bare spider is told all
addresses and forgets what it gets, with Scrapy's own settings. Ours finds them in feeds and
sitemaps, obeys robots.txt, keeps leases and links in Postgres and puts pages into Redis. Rounds of
a part of the articles alternate, so that a machine that changes its pace shows; then ours crawls
all of them, and tells its memory on the way. CPU is user and system time of the crawler's process.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

import psutil
from scrapy import Request, Spider
from scrapy.crawler import AsyncCrawlerProcess
from scrapy.http import Response

from benchmarks.pipeline import cpu_of
from services.local import Stack, start
from services.shared import settings as settings_module
from services.shared.settings import Settings
from services.storage.migrate import migrate
from tests.integration.crawls import CONTEXT, crawling
from tests.site import newspapers
from tests.site.server import Site, serve

#: Of all articles, in a round.
SHARE = 5
MEMORY_AT = (0.25, 0.5, 1.0)
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one crawl, from the first request for an article to the last one."""

    pages: int
    wall_s: float
    cpu_s: float

    @property
    def speed(self) -> float:
        """Return pages a second."""
        return self.pages / self.wall_s

    @property
    def cpu_ms(self) -> float:
        """Return milliseconds of CPU a page."""
        return 1000 * self.cpu_s / self.pages

    def __str__(self) -> str:
        """Return both in words."""
        return f"{self.speed:7.0f} pages/s {self.cpu_ms:7.2f} ms CPU/page"


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
    options.add_argument("--articles", type=int, default=20_000)
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args()
    each = given.articles // given.hosts
    with tempfile.TemporaryDirectory() as folder, start(Path(folder), durable=False) as stack:
        migrate(stack.database_url)
        pairs = []
        for _ in range(given.rounds):
            bare = run_bare(given.hosts, max(each // SHARE, 1))
            print(f"bare {bare}")
            ours, _ = run_ours(stack, given.hosts, max(each // SHARE, 1))
            print(f"ours {ours}", flush=True)
            pairs.append((bare, ours))
        speed = statistics.median(ours.speed / bare.speed for bare, ours in pairs)
        cpu = statistics.median(bare.cpu_ms / ours.cpu_ms for bare, ours in pairs)
        print(f"ours to bare: {speed:.2f} of its speed, {cpu:.2f} of its pages a CPU second")
        ours, memory = run_ours(stack, given.hosts, each)
        print(f"ours {ours} over {ours.pages:,} pages")
        for pages, size in memory.items():
            print(f"after {pages:6,} pages: {size / MIB:5.0f} MiB")


def run_bare(hosts: int, each: int) -> Figures:
    """Have the bare spider download so many articles of each host."""
    with serve(hosts=hosts) as site:
        urls = newspapers.publish(site, each)
        # Host after host in turn, as the frontier does it.
        urls = [urls[host * each + number] for number in range(each) for host in range(hosts)]
        process = CONTEXT.Process(target=_bare, args=(urls, hosts))
        process.start()
        figures, _ = watch(site, process, len(urls))
        process.join()
    return figures


def run_ours(stack: Stack, hosts: int, each: int) -> tuple[Figures, dict[int, int]]:
    """Crawl so many articles of each host; return also the memory after so many pages."""
    with serve(hosts=hosts) as site:
        urls = newspapers.publish(site, each)
        papers = newspapers.sources(site, delay_s=0)
        with crawling(_settings(stack, hosts), papers) as (process, results):
            figures, memory = watch(site, process, len(urls))
            if not results.poll(600):
                sys.exit("the crawl has not ended")
    return figures, memory


def watch(site: Site, process: BaseProcess, pages: int) -> tuple[Figures, dict[int, int]]:
    """Look at a crawler until the last article is asked for."""
    assert process.pid
    crawler = psutil.Process(process.pid)
    marks = {int(pages * share): 0 for share in MEMORY_AT}
    seen = done = first = 0
    began = cpu = 0.0
    while done < pages:
        time.sleep(0.01)
        new = site.requests[seen:]
        seen += len(new)
        done += sum("/2026/" in request.path for request in new)
        if done and not first:
            first, began, cpu = done, time.monotonic(), cpu_of([process.pid])
        for mark, size in marks.items():
            if done >= mark and not size:
                marks[mark] = crawler.memory_info().rss
        if not process.is_alive():
            sys.exit(f"the crawler has ended after {done} of {pages} pages")
    return Figures(pages - first, time.monotonic() - began, cpu_of([process.pid]) - cpu), marks


def _settings(stack: Stack, hosts: int) -> Settings:
    return settings_module.load(
        database_url=stack.database_url,
        redis_url=stack.redis_url,
        redis_bodies_url=stack.redis_bodies_url,
        public_addresses_only=False,
        crawl_hosts=hosts,
        queue_max_pages=1_000_000,
        log_level="WARNING",
    )


if __name__ == "__main__":
    main()
