"""A request that is about to be sent goes in; it is sent if its host is still ours to ask."""

import time
from typing import Self

from scrapy import Request
from scrapy.core.downloader.handlers.http11 import HTTP11DownloadHandler
from scrapy.crawler import Crawler
from scrapy.http import Response

from crawler.frontier import Frontier
from crawler.items import Work
from crawler.outcomes import HostBlocked, LeaseLost
from crawler.politeness import VISIT_AGAIN_S
from services.shared import urls


class Sender(HTTP11DownloadHandler):
    """Scrapy's handler behind the last check: a request may have waited long for its turn.

    While it waited, the host may have asked to be left alone, or the lease may have run out because
    the store was away. Then another crawler may be asking the host.
    """

    def __init__(self, crawler: Crawler) -> None:
        """Send what the crawl's frontier lets pass."""
        super().__init__(crawler)
        self._crawler = crawler
        self._frontier: Frontier = crawler.spider.frontier  # type: ignore[union-attr] # ours has it

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
        if self._frontier.is_blocked(host):
            raise HostBlocked(host)
        if not self._frontier.pace.is_held(host):
            work: Work = request.meta["work"]
            raise LeaseLost(host) if host == work.host else HostBlocked(host, again_s=VISIT_AGAIN_S)
        # A busy process may come late to what was let pass.
        self._count_delay(host)
        try:
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
