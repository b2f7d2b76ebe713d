"""What spiders hand over goes in: links into the store, pages onto the queue; each with its end."""

import asyncio
from collections import Counter
from collections.abc import Awaitable
from dataclasses import replace
from datetime import timedelta

from crawler import refetching, walking
from crawler.context import Context
from crawler.frontier import Frontier
from crawler.items import FeedPolled, LinkEnded, NotAsked, PageFetched, Work
from crawler.outcomes import UNKNOWN, failed_feed, failed_link
from crawler.polling import is_untrue, scheduled
from crawler.robots import origin
from crawler.store import WAIT_S, pause
from crawler.walking import Window
from services.shared.backoff import Backoff
from services.shared.contracts import Lane, RawPage
from services.shared.errors import TransientError
from services.shared.frontier import DueLink, Problem
from services.shared.observability import get_logger
from services.storage import Connection, jobs, links, robots, sources

#: A batch is published when it has so many pages, or is so old.
BATCH_PAGES = 50
BATCH_S = 0.2
#: An index may list indexes, those sitemaps; what goes on for ever is no sitemap.
MOST_DEPTH = 2

log = get_logger()
Waiting = tuple[PageFetched, "asyncio.Future[None]"]


class _Step:
    """What both share: the crawl's parts, and an end for every piece of work."""

    def __init__(self, context: Context, frontier: Frontier) -> None:
        self._context = context
        self._frontier = frontier

    async def _finish(self, work: Work, step: Awaitable[None]) -> None:
        """Run the last step of a piece of work; whatever happens in it, the work has its end."""
        try:
            await step
        except TransientError as error:
            # Only once the crawl is closing: the lease brings the work back.
            log.warning("left for later", url=work.url, error=str(error))
        except Exception:
            log.exception("could not finish", url=work.url)
            await self._write_down_error(work)
        finally:
            self._frontier.done(work)
            self._context.reporter.tell()

    async def _write_down_error(self, work: Work) -> None:
        if isinstance(work, DueLink):
            outcome = (
                refetching.failed(work, UNKNOWN, ())
                if work.is_refetch
                else failed_link(work, UNKNOWN)
            )
            await self._context.store.run(lambda tx: links.end(tx, [outcome]))
        elif work.job_id is not None:
            await self._context.store.run(lambda tx: jobs.walked(tx, work, failed=True))
        else:
            poll = failed_feed(work, UNKNOWN)
            await self._context.store.run(lambda tx: sources.polled(tx, poll))


class StoreLinks(_Step):
    """Stores what feeds list and what became of links, before anything of it is asked for."""

    async def take(self, item: FeedPolled | LinkEnded | NotAsked) -> None:
        """Store what became of a piece of work that gave no page."""
        if isinstance(item, LinkEnded):
            step = self._ended(item)
        elif isinstance(item, NotAsked):
            step = self._not_asked(item)
        else:
            step = self._polled(item) if item.work.job_id is None else self._walked(item)
        await self._finish(item.work, step)

    async def _polled(self, item: FeedPolled) -> None:
        listing, feed = item.listing, item.work
        if feed.since:
            listing = walking.within_hole(listing, feed.since)
        source = self._context.sources[feed.source]
        max_age = source.crawl.max_age_days

        def step(tx: Connection) -> tuple[links.Added, Counter[Problem]]:
            now = sources.now(tx)
            oldest = now - timedelta(days=max_age) if max_age else None
            added = links.add(tx, feed.id, listing.links, oldest=oldest)
            problems: Counter[Problem] = Counter(listing.problems)
            problems["changed_guid"] += added.changed_guids
            problems["reused_guid"] += added.reused_guids
            # A sitemap is a register: it may be of another day or month now.
            is_register = feed.kind == "sitemap"
            problems["overflow"] += added.overflowed and not is_register
            if problems["overflow"]:
                sources.fill_hole(tx, feed.id)
                kept = robots.find(tx, origin(feed.url))
                named = walking.for_hole(kept.body if kept else None, source)
                sources.fill_hole_from(tx, feed.id, named)
            changed = 0
            if feed.depth < MOST_DEPTH:
                changed = sources.add_children(tx, feed.id, listing.children)
            else:
                problems["too_deep"] += len(listing.children)
            poll = item.poll
            if not poll.failed:
                news = [*added.new_to_feed, *[None] * changed]
                page_items = 0 if is_register else added.listed
                problems["untrue_304"] += is_untrue(feed, poll, news=bool(news))
                poll = scheduled(feed, poll, news, now, page_items=page_items, fresh_s=item.fresh_s)
            told = None if poll.problems is None else +problems
            sources.polled(tx, replace(poll, problems=told))
            return added, +problems

        added, problems = await self._context.store.run(step)
        summary = self._context.reporter.summary
        summary.feeds_polled += 1
        summary.feeds_unchanged += item.poll.outcome == "unchanged"
        summary.links_listed += len(listing.links)
        summary.links_new += added.new
        summary.problems.update(problems)
        if added.too_old:
            summary.link_failures["too_old"] += added.too_old
        if item.poll.failed:
            summary.feed_failures[item.poll.outcome] += 1
            log.warning("feed failed", url=feed.url, outcome=item.poll.outcome)

    async def _walked(self, item: FeedPolled) -> None:
        feed, listing = item.work, item.listing
        window = Window(feed.since, feed.until)
        wait_s = walking.error_wait_s(feed) if item.poll.failed else None
        # Of the usual places most are not there.
        is_final = (item.poll.status or 0) in (404, 410)

        def step(tx: Connection) -> None:
            if wait_s and not is_final:
                jobs.walk_later(tx, feed, wait_s)
                return
            job_id = feed.job_id or 0
            if feed.depth < MOST_DEPTH:
                jobs.add_children(tx, job_id, feed.id, window.sitemaps(listing.children))
            if feed.depth == 0:
                kept = robots.find(tx, origin(feed.url))
                named = walking.named_by(kept.body if kept else None)
                jobs.add_roots(tx, job_id, feed.source, named, kind="sitemap")
            jobs.walked(tx, feed, window.links(listing.links), failed=item.poll.failed)

        await self._context.store.run(step)
        if item.poll.failed:
            log.warning("sitemap failed", url=feed.url, outcome=item.poll.outcome)

    async def _not_asked(self, item: NotAsked) -> None:
        if not item.is_lost:
            await self._frontier.give_back(item.work, again_s=item.again_s)

    async def _ended(self, item: LinkEnded) -> None:
        outcome = item.outcome
        await self._context.store.run(lambda tx: links.end(tx, [outcome]))
        summary = self._context.reporter.summary
        if outcome.refetch_outcome == "unchanged":
            summary.pages_unchanged += 1
            return
        is_end = outcome.state in ("failed", "refused")
        reason = outcome.reason or outcome.refetch_outcome or "error"
        (summary.link_failures if is_end else summary.link_retries)[reason] += 1
        log.info("no page", url=item.work.url, state=outcome.state, reason=reason)


class Publish(_Step):
    """Publishes pages in batches, then writes down that their links are fetched."""

    def __init__(self, context: Context, frontier: Frontier) -> None:
        """Begin with an empty batch."""
        super().__init__(context, frontier)
        self._batch: list[Waiting] = []
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def take(self, item: PageFetched) -> None:
        """Publish the page; while the queue is full, wait. That is what holds the frontier back."""
        await self._finish(item.work, self._published(item))

    async def _published(self, item: PageFetched) -> None:
        await self._room()
        loop = asyncio.get_running_loop()
        published: asyncio.Future[None] = loop.create_future()
        self._batch.append((item, published))
        if len(self._batch) >= BATCH_PAGES:
            self._flush()
        elif self._timer is None:
            self._timer = loop.call_later(BATCH_S, self._flush)
        await published

    async def _room(self) -> None:
        gate, closing = self._context.gate, self._context.closing
        if gate.is_set() or closing.is_set():
            return
        waits = {asyncio.ensure_future(event.wait()) for event in (gate, closing)}
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    def _flush(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        batch, self._batch = self._batch, []
        if batch:
            task = asyncio.get_running_loop().create_task(self._publish_all(batch))
            self._tasks.add(task)  # or it might be collected while it runs
            task.add_done_callback(self._tasks.discard)

    async def _publish_all(self, batch: list[Waiting]) -> None:
        try:
            await self._publish([item for item, _ in batch])
        except Exception as error:  # noqa: BLE001 - each item of the batch raises it
            for _, published in batch:
                published.set_exception(error)
        else:
            self._context.reporter.summary.pages_published += len(batch)
            for _, published in batch:
                published.set_result(None)

    async def _publish(self, items: list[PageFetched]) -> None:
        tried, backoff = 0, Backoff(*WAIT_S)
        while True:
            try:
                await asyncio.to_thread(self._publish_by_lane, items)
                break
            except TransientError as error:
                if self._context.closing.is_set():
                    raise
                tried += 1
                log.warning("queue away, trying again", error=str(error), tried=tried)
            await pause(self._context.closing, backoff)
        outcomes = [item.outcome for item in items]
        await self._context.store.run(lambda tx: links.end(tx, outcomes))

    def _publish_by_lane(self, items: list[PageFetched]) -> None:
        lanes: dict[Lane, list[RawPage]] = {"live": [], "bulk": []}
        for item in items:
            lanes["live" if item.work.job_id is None else "bulk"].append(item.page)
        for lane, pages in lanes.items():
            if pages:
                self._context.queue.publish(pages, lane)
