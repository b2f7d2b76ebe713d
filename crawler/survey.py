"""A site's address goes in; the feeds, sitemaps and section pages that it has come out, each read.

It asks as the crawler does: robots.txt, a delay, public addresses only, limits on size and time. It
asks one thing after the other, and not more than it is allowed.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from scrapy import Request, Spider, signals
from scrapy.core.downloader import Downloader
from scrapy.crawler import AsyncCrawlerProcess
from scrapy.http import Response
from scrapy.robotstxt import RobotParser

from crawler.addresses import PublicHandler
from crawler.discovery import documents, parse, sites
from crawler.discovery.sites import Candidate
from crawler.outcomes import failure_of
from crawler.settings import NO_OTHER_SCHEMES, scrapy_settings
from services.shared import urls
from services.shared.errors import InvalidUrl, RasidError
from services.shared.frontier import FeedKind, Listing
from services.shared.settings import Settings

DELAY_S = 1.0
#: A site that asks for longer pauses is obeyed up to here; a survey is a few requests.
LONGEST_DELAY_S = 30.0
#: With fewer articles a page is no section.
FEWEST_ARTICLES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An address that lists links, as it was read just now."""

    kind: FeedKind
    url: str
    told_by: str
    links_count: int
    sitemaps_count: int
    newest_at: datetime | None
    language: str | None
    title: str | None
    problems: dict[str, int]


@dataclass(slots=True, kw_only=True)
class Survey:
    """What a site has."""

    home_page: str
    title: str | None = None
    language: str | None = None
    found: list[Found] = field(default_factory=list)
    #: What may have been one and is none: address and reason.
    others: list[tuple[str, str]] = field(default_factory=list)
    requests_count: int = 0


def survey(
    settings: Settings,
    url: str,
    *,
    most_requests: int = 30,
    delay_s: float = DELAY_S,
    progress: Callable[[str], None],
) -> Survey:
    """Return what the site at `url` has. Twisted's reactor runs once in a process; so does this.

    Raises:
        RasidError: the address is none, or its page could not be had.
    """
    try:
        home = urls.clean(url)
    except InvalidUrl as error:
        raise RasidError(str(error)) from error
    for name in ("scrapy", "twisted", "protego"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    process = AsyncCrawlerProcess(
        {
            **scrapy_settings(settings),
            "DOWNLOAD_DELAY": delay_s,
            # These belong to a crawl: they ask the frontier.
            "DOWNLOAD_HANDLERS": dict.fromkeys(("http", "https"), PublicHandler) | NO_OTHER_SCHEMES,
            "DOWNLOADER_MIDDLEWARES": {},
            "ITEM_PIPELINES": {},
            "EXTENSIONS": {},
        }
    )
    result = Survey(home_page=home)
    work = _Work(result=result, most_requests=most_requests, progress=progress)
    process.crawl(process.create_crawler(SurveySpider), work=work)
    process.start()
    if work.error is not None:
        raise work.error
    return result


@dataclass(slots=True, kw_only=True)
class _Work:
    result: Survey
    most_requests: int
    progress: Callable[[str], None]
    error: Exception | None = None


class SurveySpider(Spider):
    """Asks a site for its home page, and for what may be its feeds."""

    name = "survey"

    def __init__(self, *, work: _Work) -> None:
        """Begin with nothing asked."""
        super().__init__()
        self._work = work
        self._sitemaps: list[str] = []
        self._seen: set[str] = set()

    async def start(self) -> AsyncIterator[Request]:
        """Do all of it; nothing is left for the scheduler."""
        self.crawler.signals.connect(self._robots_parsed, signals.robots_parsed)
        try:
            await self._survey()
        except Exception as error:  # noqa: BLE001 - Scrapy would log it and end well
            self._work.error = error if isinstance(error, RasidError) else RasidError(repr(error))
        nothing: tuple[Request, ...] = ()
        for request in nothing:  # an asynchronous generator, as Scrapy has it
            yield request

    async def _survey(self) -> None:
        result = self._work.result
        home = await self._ask(result.home_page)
        if isinstance(home, str):
            raise RasidError(f"cannot read {result.home_page}: {home}")
        result.home_page = urls.clean(home.url)
        self._seen |= {result.home_page, urls.clean(result.home_page)}
        document = documents.look(home.body, _content_type(home), Counter())
        listing = self._read(home, "section")
        result.title, result.language = listing.title, listing.language
        told = list(sites.candidates(document, result.home_page))
        await self._try(c for c in told if c.kind == "feed")
        if not self._has("feed"):
            await self._try(sites.usual(result.home_page, "feed"), until="feed")
        await self._try(Candidate(url, "sitemap", "robots.txt") for url in self._sitemaps[:10])
        if not self._has("sitemap"):
            await self._try(sites.usual(result.home_page, "sitemap"), until="sitemap")
        if len(listing.links) >= FEWEST_ARTICLES:
            self._note(Candidate(result.home_page, "section", "home page"), listing)
        await self._try(c for c in told if c.kind == "section")

    def _has(self, kind: FeedKind) -> bool:
        return any(found.kind == kind for found in self._work.result.found)

    async def _try(self, candidates: Iterable[Candidate], until: FeedKind | None = None) -> None:
        """Ask for each candidate and note what it is; with `until`, stop at the first good one."""
        result = self._work.result
        for candidate in candidates:
            if candidate.url in self._seen:
                continue
            self._seen.add(candidate.url)
            if result.requests_count >= self._work.most_requests:
                result.others.append((candidate.url, "not asked: enough requests"))
                continue
            answer = await self._ask(candidate.url)
            if isinstance(answer, str):
                result.others.append((candidate.url, answer))
            else:
                listing = await asyncio.to_thread(self._read, answer, candidate.kind)
                self._note(candidate, listing)
            if until and self._has(until):
                return

    def _note(self, candidate: Candidate, listing: Listing) -> None:
        result = self._work.result
        fewest = FEWEST_ARTICLES if candidate.kind == "section" else 1
        if len(listing.links) + len(listing.children) < fewest:
            result.others.append((candidate.url, ", ".join(listing.problems) or "no_links"))
            return
        result.found.append(
            Found(
                kind=candidate.kind,
                url=candidate.url,
                told_by=candidate.told_by,
                links_count=len(listing.links),
                sitemaps_count=len(listing.children),
                newest_at=listing.newest_at,
                language=listing.language,
                title=listing.title,
                problems={str(what): count for what, count in listing.problems.items()},
            )
        )

    def _read(self, response: Response, kind: FeedKind) -> Listing:
        return parse(
            response.body,
            response.url,
            kind=kind,
            content_type=_content_type(response),
            now=datetime.now(UTC),
        )

    async def _ask(self, url: str) -> Response | str:
        """Return the answer, or why there is none."""
        self._work.progress(f"asking {url}")
        self._work.result.requests_count += 1
        engine = self.crawler.engine
        if engine is None:
            raise RasidError("the survey was stopped")
        try:
            response = await engine.download_async(Request(url, dont_filter=True))
        except Exception as error:  # noqa: BLE001 - each has its word
            if "robots.txt" in str(error):
                return "robots_denied"
            return failure_of(error).reason
        ok = 200
        return response if response.status == ok else f"http_{response.status}"

    def _robots_parsed(self, robotparser: RobotParser, request: Request) -> None:
        rules = getattr(robotparser, "rp", None)  # Protego's
        if rules is None:
            return
        for url in rules.sitemaps:
            try:
                self._sitemaps.append(urls.clean(url))
            except InvalidUrl:
                continue
        agent = (request.headers.get(b"User-Agent") or b"").decode("latin-1")
        wanted = rules.crawl_delay(agent)
        engine = self.crawler.engine
        if wanted and engine is not None:
            downloader: Downloader = engine.downloader
            for slot in downloader.slots.values():
                slot.delay = max(slot.delay, min(float(wanted), LONGEST_DELAY_S))


def _content_type(response: Response) -> str | None:
    value = response.headers.get("Content-Type")
    return value.decode("latin-1") if value else None
