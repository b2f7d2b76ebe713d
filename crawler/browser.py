"""A page made by scripts goes in as it was received; as a browser shows it, it comes out.

The browser has no network of its own. All it asks for is asked by the crawler, with all that goes
for a page: public addresses, robots.txt, the host's delay and lease, limits on size and time. What
got around that would find a proxy that nobody listens on.
"""

import asyncio
import importlib
import importlib.util
import os
import shutil
from contextlib import suppress
from typing import Any, Self

from scrapy import Request, signals
from scrapy.crawler import Crawler
from scrapy.exceptions import DownloadTimeoutError
from scrapy.http import Response
from scrapy.http.request import NO_CALLBACK

from crawler.bodies import TooLarge
from crawler.context import Context
from crawler.items import Work
from services.shared.frontier import DueLink
from services.shared.observability import get_logger
from services.shared.settings import Settings

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
#: What a page may ask for; the rest is not needed to read it.
TYPES = {"script", "xhr", "fetch"}
#: By one page.
MOST_PARTS = 60
MOST_PART_BYTES = 5_000_000
#: Pages open at the same time; and after so many the browser is started anew, as it only grows.
MOST_PAGES = 2
PAGES_OF_ONE = 200
#: For the browser to start, to have a page, and to begin to show it.
START_S = 30.0
CLOSE_S = 5.0
#: What stands when the page still asks for more is taken; then it has this long to give it.
CONTENT_S = 10.0
NOWHERE = "http://127.0.0.1:9"
BLANK = "about:blank"
OK = 200
#: Kept of a part's answer: the browser decides by these whether a script may see it.
PART_HEADERS = ("content-type", "access-control-allow-origin", "access-control-allow-headers")

log = get_logger()


def missing(settings: Settings) -> str | None:
    """Return what a source with `browser: true` lacks on this machine, and what to do."""
    if importlib.util.find_spec("playwright") is None:
        return "the extra `browser` is not installed: pip install 'rasid[browser]'"
    if _program(settings) is None:
        return "there is no Chromium: install Debian's `chromium`, or set RASID_BROWSER to its path"
    return None


def _program(settings: Settings) -> str | None:
    names = (settings.browser,) if settings.browser else PROGRAMS
    return next((found for name in names if (found := shutil.which(name))), None)


class Rendering:
    """Scrapy middleware: pages of sources that want it go through the browser."""

    def __init__(self, crawler: Crawler, context: Context) -> None:
        """Begin without a browser: it is started for the first page."""
        self._crawler = crawler
        self._context = context
        self._browser: Any = None
        self._playwright: Any = None
        self._pages_count = 0
        self._starting = asyncio.Lock()
        self._room = asyncio.Semaphore(MOST_PAGES)
        crawler.signals.connect(self._stop, signals.spider_closed)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Return the middleware for the spider's crawl."""
        context: Context = crawler.spider.context  # type: ignore[union-attr] # ours has it
        return cls(crawler, context)

    async def process_response(self, request: Request, response: Response) -> Response:
        """Return the page as its scripts make it.

        Raises:
            DownloadTimeoutError: it cannot be had from the browser in time.
            TooLarge: the scripts have made too much of it.
        """
        work: Work = request.meta["work"]
        kind = (response.headers.get(b"Content-Type") or b"").lower()
        if (
            not isinstance(work, DueLink)
            or not self._context.sources[work.source].crawl.browser
            or request.meta.get("is_part")
            or request.url.endswith("/robots.txt")
            or response.status != OK
            or b"html" not in kind
        ):
            return response
        async with self._room:
            html = await self._rendered(request, response)
        body = html.encode()
        if len(body) > self._context.settings.max_body_bytes:
            raise TooLarge("scripts made too much of it")
        response.headers["Content-Type"] = b"text/html; charset=utf-8"
        return response.replace(body=body)

    async def _rendered(self, request: Request, response: Response) -> str:
        context: Any = None
        page = _Page(self._crawler, request, response)
        try:
            browser = await self._started()
            agent = (request.headers.get(b"User-Agent") or b"").decode("latin-1")
            # One for each page: nothing of it is there for the next.
            context = await browser.new_context(
                user_agent=agent,
                locale="ar",
                accept_downloads=False,
                service_workers="block",
            )
            await context.route_web_socket("**/*", lambda socket: socket.close())
            await context.route("**/*", page.answer)
            return await page.content(context, self._context.settings.fetch_timeout_s)
        except TimeoutError as error:
            self._pages_count = PAGES_OF_ONE  # one that does not answer is not asked again
            raise DownloadTimeoutError("the browser did not give the page in time") from error
        finally:
            page.closed = True
            with suppress(Exception):
                await asyncio.wait_for(context.close(), CLOSE_S)

    async def _started(self) -> Any:
        async with self._starting:
            alive = self._browser is not None and self._browser.is_connected()
            alone = self._room._value == MOST_PAGES - 1  # noqa: SLF001 - it has no other way to tell
            if not alive or (self._pages_count >= PAGES_OF_ONE and alone):
                await self._stop()
                await asyncio.wait_for(self._start(), START_S)
            self._pages_count += 1
            return self._browser

    async def _start(self) -> None:
        # An extra: it may not be there, and costs a second.
        playwright: Any = importlib.import_module("playwright.async_api")
        self._playwright = await playwright.async_playwright().start()
        self._browser = await self._playwright.chromium.launch(
            executable_path=_program(self._context.settings),
            # A container's root has no use for it, and Chromium refuses to run.
            chromium_sandbox=os.geteuid() != 0,
            proxy={"server": NOWHERE, "bypass": "<-loopback>"},
            args=[
                "--host-resolver-rules=MAP * ~NOTFOUND",
                "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
                "--disable-quic",
                "--js-flags=--max-old-space-size=512",
            ],
        )
        self._pages_count = 0

    async def _stop(self) -> None:
        for close in (
            self._browser and self._browser.close,
            self._playwright and self._playwright.stop,
        ):
            if close:
                with suppress(Exception):
                    await asyncio.wait_for(close(), CLOSE_S)
        self._browser = self._playwright = None


class _Page:
    """One page in the browser, whose requests the crawler answers."""

    def __init__(self, crawler: Crawler, request: Request, response: Response) -> None:
        self._crawler = crawler
        self._request = request
        self._response = response
        self._asked = 0
        self._is_given = False
        self.closed = False

    async def content(self, context: Any, timeout_s: float) -> str:
        """Return the page once it asks for nothing more, or as it stands when the time is over.

        Raises:
            TimeoutError: it does not even give that.
        """
        page = await asyncio.wait_for(context.new_page(), START_S)
        page.on("dialog", _dismiss)
        # The page has its time from when the browser has it: a busy machine's browser is late.
        with suppress(Exception):
            await page.goto(self._request.url, wait_until="commit", timeout=START_S * 1000)
        if page.url == BLANK:
            raise TimeoutError("it has not begun")
        with suppress(Exception):  # that it still loads, most of all
            await page.wait_for_load_state("networkidle", timeout=timeout_s * 1000)
        return str(await asyncio.wait_for(page.content(), CONTENT_S))

    async def answer(self, route: Any) -> None:
        """Give the browser the page itself, and the few kinds of things that make it."""
        try:
            await self._answer(route)
        except Exception as error:  # noqa: BLE001 - a part that is not there is the page's to bear
            log.debug("part of a page", url=route.request.url, error=repr(error))
            with suppress(Exception):
                await route.abort()

    async def _answer(self, route: Any) -> None:
        asked = route.request
        if not self._is_given and asked.is_navigation_request():
            self._is_given = True
            kind = self._response.headers.get(b"Content-Type") or b"text/html"
            await route.fulfill(
                status=OK,
                headers={"content-type": kind.decode("latin-1")},
                body=self._response.body,
            )
            return
        if asked.is_navigation_request():
            # With this answer a browser stays where it is; it would show an error for none.
            await route.fulfill(status=204)
            return
        if (
            self.closed
            or asked.resource_type not in TYPES
            or asked.method != "GET"
            or self._asked >= MOST_PARTS
        ):
            await route.abort()
            return
        self._asked += 1
        part = await self._part(asked)
        headers = {
            name: value.decode("latin-1")
            for name in PART_HEADERS
            if (value := part.headers.get(name))
        }
        await route.fulfill(status=part.status, headers=headers, body=part.body)

    async def _part(self, asked: Any) -> Response:
        engine = self._crawler.engine
        if engine is None:
            raise RuntimeError("the crawl has ended")
        headers = {"User-Agent": self._request.headers.get(b"User-Agent"), "Accept": "*/*"}
        if origin := asked.headers.get("origin"):
            headers["Origin"] = origin
        meta = self._request.meta
        return await engine.download_async(
            Request(
                asked.url,
                headers=headers,
                meta={
                    "work": meta["work"],
                    "dont_obey_robotstxt": meta.get("dont_obey_robotstxt"),
                    "download_maxsize": MOST_PART_BYTES,
                    "is_part": True,
                },
                callback=NO_CALLBACK,
                dont_filter=True,
            )
        )


async def _dismiss(dialog: Any) -> None:
    with suppress(Exception):
        await dialog.dismiss()
