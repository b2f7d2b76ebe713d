"""Due feeds and links go in; each is asked for, and what its answer was is handed on.

Scrapy downloads, with its middlewares and slots. Its scheduler, item pipelines and callbacks are
not used: the frontier says what comes next, and they cost as much for each page as the download.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from typing import ClassVar
from zoneinfo import ZoneInfo

from scrapy import Request, Spider
from scrapy.core.engine import ExecutionEngine
from scrapy.exceptions import CloseSpider
from scrapy.http import Response
from scrapy.http.request import NO_CALLBACK
from scrapy.spidermiddlewares.httperror import HttpError

from crawler import refetching
from crawler.context import Context
from crawler.discovery import parse
from crawler.frontier import Frontier
from crawler.items import FeedPolled, Item, LinkEnded, NotAsked, PageFetched, Work
from crawler.navigation import Navigation
from crawler.outcomes import (
    Failure,
    HostBlocked,
    LeaseLost,
    RobotsUnreachable,
    failed_feed,
    failed_link,
    failure_of,
)
from crawler.pipelines import Publish, StoreLinks
from crawler.politeness import ROBOTS_LONGEST_WAIT_S, fresh_s
from crawler.polling import wants_full
from services.shared.contracts import RawPage
from services.shared.errors import TransientError
from services.shared.frontier import DueFeed, DueLink, FeedKind, FeedPoll, LinkOutcome, Listing
from services.shared.sources import Source

#: What of a page's headers matters to extraction.
KEPT_HEADERS = ("content-type", "content-language", "last-modified", "link", "x-robots-tag")
NOT_MODIFIED = 304
REDIRECTED_HOME = Failure(reason="redirected_home")
#: With one of these and nothing listed, a feed's answer is no answer.
UNREADABLE = {"empty", "html_instead", "unknown_format", "malformed"}


class FrontierSpider(Spider):
    """Works off the frontier; which feeds it polls is for the spiders below it to say."""

    #: The feeds this spider polls.
    kinds: ClassVar[tuple[FeedKind, ...]]

    def __init__(self, *, context: Context) -> None:
        """Take part in the crawl that `context` is."""
        super().__init__()
        self.context = context
        self.navigation = Navigation()
        self.frontier = Frontier(context, kinds=self.kinds)
        self._links = StoreLinks(context, self.frontier)
        self._pages = Publish(context, self.frontier)
        self._tasks: set[asyncio.Task[None]] = set()
        #: Set while nothing is begun.
        self._ended = asyncio.Event()
        self._ended.set()

    async def start(self) -> AsyncIterator[Request]:
        """Do what is due, until it is done or the crawl is to stop; Scrapy has nothing else to do.

        Raises:
            CloseSpider: the crawl cannot go on; the context says why.
        """
        self._ended.clear()
        try:
            await self._work()
        except Exception as error:
            # Told to stop, the crawl waits no longer for a store that is away.
            if not (isinstance(error, TransientError) and self.context.closing.is_set()):
                # Scrapy would log it and go on with nothing to do.
                self.context.error = error
                self.context.closing.set()
                raise CloseSpider("error") from error
        finally:
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._ended.set()
        nothing: tuple[Request, ...] = ()
        for request in nothing:
            yield request

    async def _work(self) -> None:
        await self.frontier.open()
        async for work in self.frontier.work():
            task = asyncio.create_task(self._do(work))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Begin nothing more, and return when what is under way has come to its end."""
        self.context.closing.set()
        self.frontier.stop()
        await self._ended.wait()

    async def _do(self, work: Work) -> None:
        """Ask for a feed or a page, and hand on what became of it."""
        try:
            item = await self._asked(work)
        except Exception as error:  # noqa: BLE001 - each has its name
            item = self._failed(work, error)
        if isinstance(item, PageFetched):
            await self._pages.take(item)
        else:
            await self._links.take(item)

    async def _asked(self, work: Work) -> Item:
        """Return what the answer says.

        Raises:
            Exception: there is no answer, or it is not what was asked for.
        """
        engine: ExecutionEngine = self.crawler.engine
        request = self._request(work)
        response = await engine.download_async(request)
        if not (is_ok(response) or (response.status == NOT_MODIFIED and is_conditional(request))):
            raise HttpError(response)
        if isinstance(work, DueFeed):
            self.frontier.answered(work)
            return await self._polled(work, response)
        self.frontier.answered(work, len(response.body))
        return self._fetched(work, response)

    def _request(self, work: Work) -> Request:
        policy = self.context.sources[work.source].crawl
        headers = {"User-Agent": policy.user_agent or self.context.settings.user_agent}
        meta: dict[str, object] = {"work": work, "dont_obey_robotstxt": not policy.obey_robots}
        if (
            work.is_refetch
            if isinstance(work, DueLink)
            else work.job_id is None and not wants_full(work)
        ):
            headers |= _validators(work)
        return Request(work.url, callback=NO_CALLBACK, headers=headers, meta=meta)

    async def _polled(self, feed: DueFeed, response: Response) -> FeedPolled:
        """Return what a feed lists, or that it has not changed."""
        listing = Listing()
        if response.status != NOT_MODIFIED:
            # Beside the event loop: large sitemaps take seconds.
            listing = await asyncio.to_thread(self.read, feed, response)
        return FeedPolled(
            work=feed,
            poll=_poll(feed, response, listing),
            listing=listing,
            fresh_s=fresh_s(response),
        )

    def read(self, feed: DueFeed, response: Response) -> Listing:
        """Return what the body of a feed's answer lists."""
        listing = parse(
            response.body,
            response.url,
            kind=feed.kind,
            content_type=_header(response, "Content-Type"),
            zone=_zone(self.context.sources[feed.source]),
            now=feed.taken_at,
            elsewhere=self.navigation.elsewhere(feed.source, feed.id),
        )
        if listing.page_keys:
            self.navigation.note(feed.source, feed.id, listing.page_keys)
        return listing

    def _fetched(self, link: DueLink, response: Response) -> PageFetched | LinkEnded:
        """Return the page a link led to, as it was received, or that it is as before or gone."""
        source = self.context.sources[link.source]
        hours = _refetch_hours(link, source)
        if response.status == NOT_MODIFIED:
            return LinkEnded(work=link, outcome=refetching.unchanged(link, hours))
        if refetching.is_home(response.url, link.url, source.home_page):
            return LinkEnded(work=link, outcome=self._failed_link(link, REDIRECTED_HOME))
        page = RawPage(
            body=response.body,
            origin=link.feed_url or link.url,
            requested_url=link.url,
            final_url=response.url,
            fetched_at=datetime.now(UTC),
            status=response.status,
            headers=_kept(response),
            source=link.source or None,
            time_zone=source.time_zone,
            rules=source.rules.by_name(),
            feed_url=link.feed_url,
            feed_title=link.title,
            feed_published_at=link.published_at,
        )
        outcome = LinkOutcome(
            link_id=link.id,
            state="fetched",
            status=page.status,
            final_url=page.final_url,
            page_id=page.id,
            etag=_header(response, "ETag"),
            last_modified=_header(response, "Last-Modified"),
        )
        outcome = refetching.fetched(link, outcome, hours)
        return PageFetched(work=link, page=page, outcome=outcome)

    def _failed(self, work: Work, error: Exception) -> Item:
        """Return why there is no answer, or no use for it."""
        if isinstance(error, HostBlocked):
            # What its own host holds up is due when the host is.
            again_s = error.again_s if error.host != work.host else 0.0
            return NotAsked(work=work, again_s=again_s, is_lost=isinstance(error, LeaseLost))
        if isinstance(error, RobotsUnreachable) and isinstance(work, DueLink):
            # The host of a redirect is not the one that holds the link up.
            elsewhere = error.host != work.host
            return NotAsked(work=work, again_s=ROBOTS_LONGEST_WAIT_S if elsewhere else 0.0)
        found = failure_of(error)
        if found.reason == "error":
            self.logger.error("Unexpected failure", exc_info=error)
        if isinstance(work, DueFeed):
            return FeedPolled(work=work, poll=failed_feed(work, found))
        return LinkEnded(work=work, outcome=self._failed_link(work, found))

    def _failed_link(self, link: DueLink, failure: Failure) -> LinkOutcome:
        if not link.is_refetch:
            return failed_link(link, failure)
        hours = _refetch_hours(link, self.context.sources[link.source])
        return refetching.failed(link, failure, hours)


def is_ok(response: Response) -> bool:
    """Return whether the server gave what it was asked for."""
    return 200 <= response.status < 300  # noqa: PLR2004 - the statuses of success


def is_conditional(request: Request) -> bool:
    """Return whether the server was asked for what changed."""
    return bool({b"If-None-Match", b"If-Modified-Since"} & request.headers.keys())


def _validators(work: Work) -> dict[str, str]:
    """Return what the server gave to ask with whether anything changed, verbatim."""
    headers = {"If-None-Match": work.etag} if work.etag else {}
    return headers | ({"If-Modified-Since": work.last_modified} if work.last_modified else {})


def _refetch_hours(link: DueLink, source: Source) -> Sequence[float]:
    # What a job asks for without a date is no young article.
    return () if link.job_id and not link.published_at else source.crawl.refetch_hours


def _zone(source: Source) -> tzinfo | None:
    return ZoneInfo(source.time_zone) if source.time_zone else None


def _poll(feed: DueFeed, response: Response, listing: Listing) -> FeedPoll:
    told = ", ".join(f"{problem} x{count}" for problem, count in listing.problems.items()) or None
    if UNREADABLE & listing.problems.keys() and not listing.links and not listing.children:
        unreadable = Failure(reason="unreadable", status=response.status, detail=told)
        return replace(failed_feed(feed, unreadable), problems=listing.problems)
    unchanged = response.status == NOT_MODIFIED
    return FeedPoll(
        feed_id=feed.id,
        outcome="unchanged" if unchanged else "listed",
        status=response.status,
        detail=told,
        failed=False,
        etag=_header(response, "ETag"),
        last_modified=_header(response, "Last-Modified"),
        links_count=None if unchanged else len(listing.links) + len(listing.children),
        problems=None if unchanged else listing.problems,
        newest_item_at=listing.newest_at,
        ttl_s=listing.ttl_s,
        every_s=listing.every_s,
    )


def _kept(response: Response) -> dict[str, str]:
    headers = {name: _header(response, name) for name in KEPT_HEADERS}
    return {name: value for name, value in headers.items() if value}


def _header(response: Response, name: str) -> str | None:
    # Latin-1 gives every byte back as it came.
    value = response.headers.get(name)
    return value.decode("latin-1").replace("\x00", "") if value else None
