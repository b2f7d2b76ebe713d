"""A request that is about to be sent goes in; it is sent if its host is still ours to ask."""

import time
from typing import Any, Self, cast

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.http import Response

from crawler.addresses import PublicHandler
from crawler.context import Context
from crawler.frontier import Frontier
from crawler.items import Work
from crawler.outcomes import HostBlocked, LeaseLost
from crawler.politeness import VISIT_AGAIN_S
from services.shared import urls


class Sender(PublicHandler):
    """Scrapy's handler behind the last check: a request may have waited long for its turn.

    While it waited, the host may have asked to be left alone, or the lease may have run out because
    the store was away. Then another crawler may be asking the host.
    """

    def __init__(self, crawler: Crawler) -> None:
        """Send what the crawl's frontier lets pass."""
        super().__init__(crawler)
        self._crawler = crawler
        spider: Any = crawler.spider
        self._context: Context = spider.context
        self._frontier: Frontier = spider.frontier
        #: With connections of its own: what trusts anybody is never shared.
        self._trusting = PublicHandler(cast("Crawler", _Trusting(crawler)))

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Return the handler for the spider's crawl."""
        return cls(crawler)

    async def download_request(self, request: Request) -> Response:
        """Send the request and return the answer.

        Raises:
            HostBlocked: the host is not to be asked now.
        """
        host = urls.host(request.url)
        work: Work = request.meta["work"]
        if self._frontier.is_blocked(host):
            raise HostBlocked(host)
        if not self._frontier.pace.is_held(host):
            raise LeaseLost(host) if host == work.host else HostBlocked(host, again_s=VISIT_AGAIN_S)
        # A busy process may come late to what was let pass.
        self._count_delay(host)
        verifies = self._context.sources[work.source].crawl.verify_tls
        try:
            if not verifies:
                return await self._trusting.download_request(request)
            return await super().download_request(request)
        finally:
            # When the host saw it nobody knows, as connecting may have taken long: before it
            # answered. And a host that is slow to answer gets its rest, too.
            if self._frontier.pace.is_held(host):
                self._count_delay(host)

    def _count_delay(self, host: str) -> None:
        """Have the host's delay begin now, here and for whoever works it next."""
        self._frontier.pace.asked(host)
        slot = self._crawler.engine.downloader.slots.get(host)
        if slot is not None:
            slot.lastseen = time.monotonic()

    async def close(self) -> None:
        """Close all connections."""
        await self._trusting.close()
        await super().close()


class _Trusting:
    """A crawler as it is, but for one setting: whose certificate is checked."""

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        self.settings = crawler.settings.copy()
        self.settings.frozen = False
        self.settings.set("DOWNLOAD_VERIFY_CERTIFICATES", False, priority="cmdline")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._crawler, name)
