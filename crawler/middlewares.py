"""Requests go in; they pass at their host's pace and where robots.txt allows, or not at all."""

import asyncio
import time
from collections import OrderedDict
from datetime import UTC, datetime
from typing import Self

from scrapy import Request
from scrapy.core.downloader import Downloader
from scrapy.crawler import Crawler
from scrapy.downloadermiddlewares.redirect import RedirectMiddleware
from scrapy.http import Response
from scrapy.http.request import NO_CALLBACK

from crawler import robots
from crawler.addresses import AddressNotPublic
from crawler.context import Context
from crawler.frontier import Frontier
from crawler.items import Work
from crawler.outcomes import (
    Failure,
    HostBlocked,
    RobotsDenied,
    RobotsUnreachable,
    failure_of,
)
from crawler.politeness import (
    BLOCKING_STATUSES,
    ROBOTS_LONGEST_WAIT_S,
    fresh_s,
    retry_after_s,
)
from crawler.robots import Rules
from services.shared import urls
from services.shared.errors import InvalidUrl
from services.shared.observability import get_logger
from services.shared.sources import CrawlPolicy
from services.storage import robots as kept_robots
from services.storage.robots import KeptRobots

#: Of so many origins the rules are kept in memory.
MOST_ORIGINS = 2000

log = get_logger()


class Redirects(RedirectMiddleware):
    """Scrapy's, for which a redirect to what is no address is a server's failure, not ours."""

    def process_response(  # type: ignore[override] # Scrapy is giving the spider argument up
        self, request: Request, response: Response
    ) -> Request | Response:
        """Return what comes next: the request that a redirect asks for, or the response.

        Raises:
            InvalidUrl: it leads to what is no address.
        """
        try:
            return super().process_response(request, response)
        except ValueError as error:
            raise InvalidUrl(str(error)) from error


class Politeness:
    """Gives each host its delay, and leaves alone a host that asks for it."""

    def __init__(self, crawler: Crawler, context: Context, frontier: Frontier) -> None:
        """Begin with no host known."""
        self._crawler = crawler
        self._context = context
        self._frontier = frontier

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Return the middleware for the spider's crawl."""
        spider = crawler.spider
        return cls(crawler, spider.context, spider.frontier)  # type: ignore[union-attr]

    async def process_request(self, request: Request) -> None:
        """Set the pace of the request's host, and wait for one that a redirect leads to.

        Raises:
            HostBlocked: the host is not to be asked now.
        """
        host = _host(request)
        work: Work = request.meta["work"]
        if self._frontier.is_blocked(host):
            raise HostBlocked(host, again_s=self._frontier.blocked_s(host))
        if host != work.host:
            await self._frontier.visit(work, host)
        # A redirect to another host comes with the slot of the first one.
        request.meta[Downloader.DOWNLOAD_SLOT] = host
        policy = self._context.sources[work.source].crawl
        set_pace(self._crawler, self._frontier, host, policy.delay_s, policy)

    async def process_response(self, request: Request, response: Response) -> Response:
        """Note a host that asks to be left alone."""
        if response.status in BLOCKING_STATUSES:
            wait_s = retry_after_s(response, datetime.now(UTC))
            await self._frontier.block(_host(request), wait_s)
        return response


def set_pace(
    crawler: Crawler, frontier: Frontier, host: str, delay_s: float, policy: CrawlPolicy
) -> None:
    """Have a host asked no faster: the slowest wish counts, of its sources and its robots.txt."""
    delay_s = frontier.pace.slow_down(host, delay_s)
    downloader: Downloader = crawler.engine.downloader
    downloader.per_slot_settings[host] = {
        "concurrency": policy.concurrency,
        "delay": delay_s,
        "jitter": 0.0,
    }
    slot = downloader.slots.get(host)
    if slot is not None:
        slot.delay, slot.concurrency = delay_s, policy.concurrency


class Robots:
    """Obeys robots.txt, which is kept in the store for all crawlers."""

    def __init__(self, crawler: Crawler, context: Context, frontier: Frontier) -> None:
        """Begin with no robots.txt read."""
        self._crawler = crawler
        self._context = context
        self._frontier = frontier
        #: By origin: the rules, and until when they hold on the monotonic clock; oldest first.
        self._known: OrderedDict[str, tuple[Rules, float]] = OrderedDict()
        self._locks: dict[str, asyncio.Lock] = {}

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Return the middleware for the spider's crawl."""
        spider = crawler.spider
        return cls(crawler, spider.context, spider.frontier)  # type: ignore[union-attr]

    async def process_request(self, request: Request) -> None:
        """Let the request pass if robots.txt does.

        Raises:
            RobotsDenied: it does not.
            RobotsUnreachable: nobody knows, as it cannot be read; the host is left alone.
            HostBlocked: asked for robots.txt, the host asked to be left alone.
        """
        if request.meta.get("dont_obey_robotstxt"):
            return
        rules = await self._rules(request)
        agent = (request.headers.get(b"User-Agent") or b"").decode("latin-1")
        if not rules.allow(request.url, agent):
            raise RobotsDenied("robots.txt")
        delay_s = rules.delay_s(agent)
        if delay_s:
            work: Work = request.meta["work"]
            policy = self._context.sources[work.source].crawl
            set_pace(self._crawler, self._frontier, _host(request), delay_s, policy)

    async def _rules(self, request: Request) -> Rules:
        origin = robots.origin(request.url)
        # One asks, those who come meanwhile wait for the answer.
        async with self._locks.setdefault(origin, asyncio.Lock()):
            rules, until = self._known.get(origin, (None, 0.0))
            if rules is None or until < time.monotonic():
                rules, lifetime_s = await self._find(request, origin)
                self._known.pop(origin, None)
                self._known[origin] = rules, time.monotonic() + lifetime_s
                while len(self._known) > MOST_ORIGINS:
                    self._locks.pop(self._known.popitem(last=False)[0], None)
            return rules

    async def _find(self, request: Request, origin: str) -> tuple[Rules, float]:
        """Return the rules as the store has them or the host tells them, and how long they hold."""
        kept = await self._context.store.run(lambda tx: kept_robots.find(tx, origin))
        if kept and kept.fresh_s is not None and kept.fresh_s > 0:
            return Rules(kept.body), kept.fresh_s
        try:
            response = await self._ask(request, origin)
        except HostBlocked:
            raise
        except Exception as error:
            found = failure_of(error)
            if isinstance(error, AddressNotPublic) and error.host == urls.host(origin):
                raise  # the page's address will not be, either
            if found.reason == "too_many_redirects":
                return await self._keep(origin, 310, None, None)
            return await self._without(origin, found)
        if not robots.is_answer(response.status):
            found = Failure(
                reason="robots_unreachable",
                status=response.status,
                detail=f"http_{response.status}",
            )
            return await self._without(origin, found)
        body = response.body[: robots.MOST_BYTES] if response.status < 300 else None  # noqa: PLR2004
        return await self._keep(origin, response.status, body, fresh_s(response))

    async def _ask(self, request: Request, origin: str) -> Response:
        asked = Request(
            f"{origin}/robots.txt",
            priority=1000,
            headers={"User-Agent": request.headers.get(b"User-Agent")},
            meta={"work": request.meta["work"], "dont_obey_robotstxt": True},
            callback=NO_CALLBACK,
        )
        return await self._crawler.engine.download_async(asked)

    async def _keep(
        self, origin: str, status: int, body: bytes | None, fresh_for_s: float | None
    ) -> tuple[Rules, float]:
        lifetime_s = robots.lifetime_s(fresh_for_s)
        await self._context.store.run(
            lambda tx: kept_robots.answered(
                tx, origin, status=status, body=body, fresh_s=lifetime_s
            )
        )
        return Rules(body), lifetime_s

    async def _without(self, origin: str, found: Failure) -> tuple[Rules, float]:
        """Return the rules of before, while they may be used.

        Raises:
            RobotsUnreachable: they may not; the host is left alone for a while.
        """
        told = found.detail or found.reason
        kept: KeptRobots = await self._context.store.run(
            lambda tx: kept_robots.failed(tx, origin, told)
        )
        again_s = ROBOTS_LONGEST_WAIT_S
        if kept.age_s is not None and kept.age_s < robots.KEPT_S:
            return Rules(kept.body), again_s
        if (kept.failing_s or 0.0) > robots.GIVEN_UP_S:
            log.warning("no robots.txt for a month: there are no rules", origin=origin)
            return Rules(), again_s
        host = urls.host(origin)
        if not self._frontier.is_blocked(host):  # 429 and 503 have blocked it already
            again_s = await self._frontier.block(host, None, most_s=ROBOTS_LONGEST_WAIT_S)
        raise RobotsUnreachable(host, found)


def _host(request: Request) -> str:
    # Not as Scrapy has it: one host has one spelling here and in the store.
    return urls.host(request.url)
