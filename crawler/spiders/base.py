"""Due feeds and links go in; requests come out, and for each answer one item."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from typing import ClassVar
from zoneinfo import ZoneInfo

from scrapy import Request, Spider
from scrapy.exceptions import CloseSpider
from scrapy.http import Response
from twisted.python.failure import Failure as TwistedFailure

from crawler import refetching
from crawler.context import Context
from crawler.discovery import parse
from crawler.frontier import Frontier
from crawler.items import FeedPolled, Item, LinkEnded, NotAsked, PageFetched, Work
from crawler.navigation import Navigation
from crawler.outcomes import (
    UNKNOWN,
    Failure,
    HostBlocked,
    LeaseLost,
    RobotsUnreachable,
    failed_feed,
    failed_link,
    failure_of,
)
from crawler.politeness import ROBOTS_LONGEST_WAIT_S, fresh_s
from crawler.polling import wants_full
from services.shared import urls
from services.shared.contracts import RawPage
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

    async def start(self) -> AsyncIterator[Request]:
        """Yield a request for each feed and link that is due."""
        try:
            await self.frontier.open()
            async for work in self.frontier.work():
                yield self._request(work)
        except asyncio.CancelledError:
            self.context.closing.set()
            raise
        except Exception as error:
            # Scrapy would log it and go on with nothing to do.
            self.context.error = error
            self.context.closing.set()
            raise CloseSpider("error") from error

    def _request(self, work: Work) -> Request:
        policy = self.context.sources[work.source].crawl
        headers = {"User-Agent": policy.user_agent or self.context.settings.user_agent}
        meta: dict[str, object] = {"work": work, "dont_obey_robotstxt": not policy.obey_robots}
        if (
            work.is_refetch
            if isinstance(work, DueLink)
            else work.job_id is None and not wants_full(work, datetime.now(UTC))
        ):
            headers |= _validators(work)
            meta["handle_httpstatus_list"] = [304]
        return Request(
            work.url,
            callback=self.parse_feed if isinstance(work, DueFeed) else self.parse_page,
            errback=self.failed,
            headers=headers,
            meta=meta,
            dont_filter=True,
        )

    async def parse_feed(self, response: Response) -> AsyncIterator[Item]:
        """Yield what a feed lists, or that it has not changed."""
        feed: DueFeed = response.meta["work"]
        self.frontier.answered(feed)
        listing = Listing()
        if response.status != NOT_MODIFIED:
            try:
                # Beside the event loop: large sitemaps take seconds.
                listing = await asyncio.to_thread(self.read, feed, response)
            except Exception:
                # Scrapy would log it, and nobody would ever hear of the feed again.
                self.logger.exception("Cannot read %s", response.url)
                yield FeedPolled(work=feed, poll=failed_feed(feed, UNKNOWN, datetime.now(UTC)))
                return
        yield FeedPolled(
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
            now=datetime.now(UTC),
            elsewhere=self.navigation.elsewhere(feed.source, feed.id),
        )
        if listing.page_keys:
            self.navigation.note(feed.source, feed.id, listing.page_keys)
        return listing

    async def parse_page(self, response: Response) -> AsyncIterator[Item]:
        """Yield the page a link led to, as it was received, or that it is as before or gone."""
        link: DueLink = response.meta["work"]
        self.frontier.answered(link)
        source = self.context.sources[link.source]
        now, hours = datetime.now(UTC), _refetch_hours(link, source)
        if response.status == NOT_MODIFIED:
            yield LinkEnded(work=link, outcome=refetching.unchanged(link, hours, now))
            return
        if refetching.is_home(response.url, link.url, source.home_page):
            yield LinkEnded(work=link, outcome=self._failed_link(link, REDIRECTED_HOME))
            return
        page = RawPage(
            body=response.body,
            origin=link.feed_url or link.url,
            requested_url=link.url,
            final_url=response.url,
            fetched_at=now,
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
        outcome = refetching.fetched(link, outcome, hours, now)
        yield PageFetched(work=link, page=page, outcome=outcome)

    def failed(self, failure: TwistedFailure) -> Iterator[Item]:
        """Yield why there is no answer, or no use for it."""
        request: Request = failure.request  # type: ignore[attr-defined] # Scrapy sets it
        work: Work = request.meta["work"]
        error: Exception = failure.value  # type: ignore[assignment] # nothing else gets here
        if isinstance(error, HostBlocked):
            # What its own host holds up is due when the host is.
            again_s = error.again_s if error.host != work.host else 0.0
            yield NotAsked(work=work, again_s=again_s, is_lost=isinstance(error, LeaseLost))
            return
        if isinstance(error, RobotsUnreachable) and isinstance(work, DueLink):
            # The host of a redirect is not the one that holds the link up.
            elsewhere = urls.host(request.url) != work.host
            yield NotAsked(work=work, again_s=ROBOTS_LONGEST_WAIT_S if elsewhere else 0.0)
            return
        found = failure_of(error)
        if found.reason == "error":
            self.logger.error("Unexpected failure", exc_info=error)
        if isinstance(work, DueFeed):
            yield FeedPolled(work=work, poll=failed_feed(work, found, datetime.now(UTC)))
        else:
            yield LinkEnded(work=work, outcome=self._failed_link(work, found))

    def _failed_link(self, link: DueLink, failure: Failure) -> LinkOutcome:
        now = datetime.now(UTC)
        if not link.is_refetch:
            return failed_link(link, failure, now)
        hours = _refetch_hours(link, self.context.sources[link.source])
        return refetching.failed(link, failure, hours, now)


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
    now = datetime.now(UTC)
    told = ", ".join(f"{problem} x{count}" for problem, count in listing.problems.items()) or None
    if UNREADABLE & listing.problems.keys() and not listing.links and not listing.children:
        unreadable = Failure(reason="unreadable", status=response.status, detail=told)
        return replace(failed_feed(feed, unreadable, now), problems=listing.problems)
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
