"""Requests go in; they pass at their host's pace and where robots.txt allows, or not at all."""

import time
from datetime import UTC, datetime
from typing import Self

from scrapy import Request, Spider, signals
from scrapy.core.downloader import Downloader
from scrapy.crawler import Crawler
from scrapy.downloadermiddlewares.robotstxt import RobotsTxtMiddleware
from scrapy.exceptions import IgnoreRequest
from scrapy.http import Response
from scrapy.robotstxt import RobotParser
from scrapy.utils.httpobj import urlparse_cached
from twisted.internet.defer import Deferred

from crawler.context import Context
from crawler.frontier import Frontier
from crawler.items import Work
from crawler.outcomes import HostBlocked, RobotsDenied
from crawler.politeness import BLOCKING_STATUSES, retry_after_s
from services.shared import urls
from services.shared.sources import CrawlPolicy

ROBOTS_LIFETIME_S = 3600.0


class Politeness:
    """Gives each host its delay, and leaves alone a host that asks for it."""

    def __init__(self, crawler: Crawler, context: Context, frontier: Frontier) -> None:
        """Begin with no host known."""
        self._crawler = crawler
        self._context = context
        self._frontier = frontier
        self._delays: dict[str, float] = {}
        crawler.signals.connect(self._robots_parsed, signals.robots_parsed)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Return the middleware for the spider's crawl."""
        spider = crawler.spider
        return cls(crawler, spider.context, spider.frontier)  # type: ignore[union-attr]

    def process_request(self, request: Request) -> None:
        """Set the pace of the request's host.

        Raises:
            HostBlocked: the host wants no requests now.
        """
        host = _host(request)
        if self._frontier.is_blocked(host):
            raise HostBlocked(host)
        # A redirect to another host comes with the slot of the first one.
        request.meta[Downloader.DOWNLOAD_SLOT] = host
        work: Work | None = request.meta.get("work")
        if work is not None:
            policy = self._context.sources[work.source].crawl
            self._set_pace(host, policy.delay_s, policy)

    def _set_pace(self, host: str, delay_s: float, policy: CrawlPolicy) -> None:
        # The slowest wish counts: of the sources on this host, and of its robots.txt.
        delay_s = self._delays[host] = max(delay_s, self._delays.get(host, 0.0))
        downloader: Downloader = self._crawler.engine.downloader
        downloader.per_slot_settings[host] = {
            "concurrency": policy.concurrency,
            "delay": delay_s,
            "jitter": 0.0,
        }
        slot = downloader.slots.get(host)
        if slot is not None:
            slot.delay, slot.concurrency = delay_s, policy.concurrency

    def _robots_parsed(self, robotparser: RobotParser, request: Request) -> None:
        work: Work | None = request.meta.get("work")
        rules = getattr(robotparser, "rp", None)  # Protego's, which knows Crawl-delay
        if work is None or rules is None:
            return
        policy = self._context.sources[work.source].crawl
        agent = request.headers.get(b"User-Agent") or b""
        delay_s = rules.crawl_delay(agent.decode("latin-1"))
        if delay_s and policy.obey_robots:
            self._set_pace(_host(request), float(delay_s), policy)

    async def process_response(self, request: Request, response: Response) -> Response:
        """Note a host that asks to be left alone."""
        if response.status in BLOCKING_STATUSES:
            header = response.headers.get(b"Retry-After") or b""
            wait = retry_after_s(header.decode("latin-1"), datetime.now(UTC))
            await self._frontier.block(_host(request), wait)
        else:
            await self._frontier.unblock(_host(request))
        return response


class Robots(RobotsTxtMiddleware):
    """Scrapy's robots.txt, read anew each hour, and with a refusal that has a name."""

    def __init__(self, crawler: Crawler) -> None:
        """Begin with no robots.txt read."""
        super().__init__(crawler)
        self._read_at: dict[str, float] = {}

    async def process_request(self, request: Request, spider: Spider | None = None) -> None:
        """Let the request pass if robots.txt does.

        Raises:
            RobotsDenied: it does not.
            HostBlocked: asked for robots.txt, the host asked to be left alone.
        """
        del spider
        if request.meta.get("dont_obey_robotstxt"):
            return
        frontier: Frontier = self.crawler.spider.frontier  # type: ignore[union-attr]
        netloc = urlparse_cached(request).netloc
        self._forget_old(netloc)
        try:
            await super().process_request(request)
        except IgnoreRequest as error:
            raise RobotsDenied(str(error)) from error
        if frontier.is_blocked(_host(request)):
            self._parsers.pop(netloc, None)
            raise HostBlocked(_host(request))

    def _forget_old(self, netloc: str) -> None:
        now = time.monotonic()
        if now - self._read_at.setdefault(netloc, now) > ROBOTS_LIFETIME_S:
            self._read_at[netloc] = now
            if not isinstance(self._parsers.get(netloc), Deferred):  # one is being read now
                self._parsers.pop(netloc, None)


def _host(request: Request) -> str:
    # Not as Scrapy has it: one host has one spelling here and in the store.
    return urls.host(request.url)
