"""Settings and sources go in; they are crawled, for ever or once; what was done comes out."""

import logging
import signal
import threading
import time
from collections.abc import Callable, Sequence

from scrapy import Spider, signals
from scrapy.crawler import AsyncCrawlerProcess
from twisted.internet.base import ReactorBase
from twisted.internet.task import LoopingCall

from crawler import browser
from crawler.context import Context, make_context
from crawler.settings import scrapy_settings
from crawler.spiders.base import FrontierSpider
from crawler.spiders.source import SourceSpider
from crawler.summary import Summary
from services.shared.errors import RasidError, TransientError
from services.shared.frontier import Job
from services.shared.observability import get_logger, sign_of_life
from services.shared.settings import Settings
from services.shared.sources import Source

#: Twisted lets go of cancelled timers, two for each request, only when one of its own rings.
FORGET_EVERY_S = 1.0

log = get_logger()


def _silent(_: str) -> None:
    pass


def run(  # noqa: PLR0913 - all but two are by keyword only
    settings: Settings,
    sources: Sequence[Source],
    *,
    once: bool,
    only: str | None = None,
    progress: Callable[[str], None] = _silent,
    spider: type[FrontierSpider] = SourceSpider,
    job: Job | None = None,
    with_live: bool = True,
) -> Summary:
    """Crawl the enabled sources, or the one named `only`, enabled or not.

    With `once`, poll every feed now and return when no feed and no link is due any more; with a
    `job`, when that is done; else go on until SIGTERM or SIGINT. `with_live` says whether what else
    is due of the job's sources is done too. Either way what is in flight is finished first, and
    what was taken from the frontier but not asked for is given back. Twisted's reactor runs once in
    a process, so this does, too. `progress` is told how it goes, in a line at most once a second.

    Raises:
        RasidError: there is nothing to crawl, or the database is not fit for it.
    """
    file = sources if job is None and only is None else ()
    if job is None:
        if not once and only is None and not any(source.enabled for source in sources):
            return _idle(settings)
        sources = chosen(sources, only)
    wanting = [source.name for source in sources if source.crawl.browser]
    if wanting and (lacking := browser.missing(settings)):
        raise RasidError(f"{', '.join(wanting)}: `browser: true`, but {lacking}")
    context = make_context(settings, sources, once=once, progress=progress, job=job)
    context.with_live = with_live
    context.file = file
    # Twisted counts by the time of day: set back an hour, no timer would ring for as long.
    ReactorBase.seconds = staticmethod(time.monotonic)
    process = _Process(scrapy_settings(settings))
    # One line a request is too much for a log that people read; Scrapy has just set its own level.
    for name in ("scrapy", "twisted", "protego"):
        logging.getLogger(name).setLevel(logging.WARNING)
    crawler = process.create_crawler(spider)
    _give_back_at_end(crawler.signals.connect, context)
    _forget_timers(crawler.signals.connect)
    process.crawl(crawler, context=context)
    process.start()
    context.store.close()
    context.reporter.summary.waiting = None
    context.reporter.tell(now=True)
    if context.error is not None:
        raise context.error
    if process.bootstrap_failed:
        raise RasidError("the crawler could not start; its log says why")
    return context.reporter.summary


class _Process(AsyncCrawlerProcess):
    """Scrapy's process, which ends what is under way before it closes what that needs."""

    async def stop(self) -> None:
        """End the crawl."""
        for crawler in self.crawlers:
            if isinstance(crawler.spider, FrontierSpider):
                await crawler.spider.stop()
        await super().stop()


def chosen(sources: Sequence[Source], only: str | None) -> list[Source]:
    """Return the sources to crawl.

    Raises:
        RasidError: there are none, or none of that name.
    """
    if only is None:
        found = [source for source in sources if source.enabled]
        if not found:
            raise RasidError("no source is enabled: set `enabled: true` in sources.yaml")
        return found
    found = [source for source in sources if source.name == only]
    if not found:
        names = ", ".join(source.name for source in sources) or "none"
        raise RasidError(f"no source is named {only!r}; there are: {names}")
    return found


def _idle(settings: Settings) -> Summary:
    """Wait to be stopped: a service that ended at once would be started again for ever."""
    log.warning(
        "nothing to crawl: no source is enabled",
        do="set `enabled: true` in sources.yaml and start the crawler again",
    )
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    while not stop.wait(1.0):
        sign_of_life(settings)
    return Summary()


def _give_back_at_end(connect: Callable[..., object], context: Context) -> None:
    async def give_back(spider: Spider) -> None:
        context.closing.set()
        if isinstance(spider, FrontierSpider):
            try:
                await spider.frontier.close()
            except TransientError as error:
                log.warning("leases run out by themselves", error=str(error))

    # The signal holds its listeners weakly, and nothing else would hold this one.
    connect(give_back, signals.spider_closed, weak=False)


def _forget_timers(connect: Callable[..., object]) -> None:
    def begin() -> None:
        LoopingCall(_silent, "").start(FORGET_EVERY_S)

    connect(begin, signals.spider_opened, weak=False)
