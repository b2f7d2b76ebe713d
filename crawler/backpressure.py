"""How full the queue is goes in; the crawl pauses and goes on."""

import asyncio
import time
from contextlib import suppress
from typing import Self

from scrapy import signals
from scrapy.crawler import Crawler

from crawler.context import Context
from services.shared.backoff import Backoff
from services.shared.errors import TransientError
from services.shared.observability import get_logger, sign_of_life

EVERY_S = 1.0
LONGEST_S = 15.0

log = get_logger()


class Backpressure:
    """Scrapy extension: from the high-water mark to the low-water mark nothing new is asked for.

    The gate stops the frontier and what publishes.
    """

    def __init__(self, crawler: Crawler, context: Context) -> None:
        """Watch from the engine's start to its end."""
        self._context = context
        self._task: asyncio.Task[None] | None = None
        #: While Redis is away it is asked ever less often.
        self._ask_at = 0.0
        self._backoff = Backoff(EVERY_S, LONGEST_S)
        crawler.signals.connect(self._start, signals.engine_started)
        crawler.signals.connect(self._stop, signals.spider_closed)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Return the extension for the spider's crawl."""
        context: Context = crawler.spider.context  # type: ignore[union-attr] # ours has it
        return cls(crawler, context)

    def _start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._watch())

    async def _stop(self) -> None:
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _watch(self) -> None:
        while True:
            if time.monotonic() >= self._ask_at:
                self._set(await self._why_wait())
            sign_of_life(self._context.settings)
            await asyncio.sleep(EVERY_S)

    async def _why_wait(self) -> str | None:
        try:
            fullness = await asyncio.to_thread(self._context.queue.fullness)
        except TransientError as error:
            self._ask_at = time.monotonic() + self._backoff.next()
            return str(error)
        except Exception as error:
            # A watch that ended would let pages through that nobody can take.
            log.exception("cannot tell how full the queue is")
            return repr(error)
        self._backoff.reset()
        paused = not self._context.gate.is_set()
        return fullness.reason if fullness.full or (paused and not fullness.room) else None

    def _set(self, reason: str | None) -> None:
        context = self._context
        if context.reporter.summary.waiting != reason:
            context.reporter.summary.waiting = reason
            context.reporter.tell(now=True)
        if reason is None and not context.gate.is_set():
            log.info("queue has room: crawling goes on")
            context.gate.set()
        elif reason is not None and context.gate.is_set():
            log.warning("crawling waits", reason=reason)
            context.gate.clear()
