"""Feeds and links that are due come out of the store, one by one, each host at its own pace.

A crawler works the hosts whose lease it holds. It takes a few links of each, hands out one more
than is under way at a time (so that the host's delay is all the waiting there is), and gives back
what it did not ask for.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress

from crawler.context import Context
from crawler.items import Work
from crawler.outcomes import HostBlocked
from crawler.pace import Pace
from crawler.politeness import (
    HOST_BLOCK_S,
    HOST_LONGEST_BLOCK_S,
    HOST_SHORTEST_BLOCK_S,
    VISIT_AGAIN_S,
    VISIT_EVERY_S,
    VISIT_TRIES,
)
from crawler.taking import Taken, Taker
from services.shared.frontier import DueFeed, DueLink, FeedKind
from services.shared.observability import get_logger
from services.shared.settings import MIB
from services.storage import Connection, hosts, jobs, links, sources

#: Pages that are fetched wait to be published; with so many under way no more are handed out.
MOST_IN_FLIGHT = 500
#: Nor with bodies of so many bytes together.
MOST_BYTES = 64 * MIB
#: Between two looks into the store: while there is work, and while there is none.
LOOK_S = 0.2
IDLE_S = 1.0

log = get_logger()
Key = tuple[type, int]


class Frontier:
    """Hands out work, and knows what is under way."""

    def __init__(self, context: Context, *, kinds: Sequence[FeedKind]) -> None:
        """Begin with nothing leased; feeds of these kinds will be handed out, and all links."""
        self._store = context.store
        self._gate = context.gate
        self._once = context.once
        self._lease_s = context.settings.crawl_lease_s
        #: Those without feeds are in no file: they have a policy only.
        self._sources = [source for source in context.sources.values() if source.feeds]
        self._names = list(context.sources)
        self._file = context.file
        self._told = context.reporter.summary
        self._policies = {name: source.crawl for name, source in context.sources.items()}
        self.pace = Pace()
        self._taker = Taker(context, kinds=kinds, pace=self.pace)
        self._crawler = self._taker.crawler
        self._queues: dict[str, deque[Work]] = {}
        self._rounds: deque[str] = deque()
        self._in_flight: dict[Key, str] = {}
        #: Other hosts that work under way was led to by redirects.
        self._visits: dict[Key, set[str]] = {}
        #: Of these, how many each host has not answered yet.
        self._asking: dict[Key, str] = {}
        self._asked: Counter[str] = Counter()
        #: Hosts that the look into the store that is under way may give back.
        self._leaving: set[str] = set()
        self._blocked: dict[str, float] = {}
        #: The size of each page that waits to be published, and of all.
        self._sizes: dict[Key, int] = {}
        self._size = 0
        self._stopped = False
        self._woken = asyncio.Event()
        self._looked_at = 0.0
        self._others_until = 0.0

    async def open(self) -> None:
        """Make the store say what the sources are; with `once`, have every feed polled now."""

        def step(tx: Connection) -> list[str]:
            sources.save(tx, self._sources)
            sources.retire(tx, [source.name for source in self._file if not source.enabled])
            if self._once:
                sources.make_due(tx, self._names)
            return sources.left_over(tx, [source.name for source in self._file])

        # They may be of another crawler's file: nobody but a person can tell.
        if (left := await self._store.run(step)) and self._file:
            log.warning(
                "crawled before, and not in the sources file any more",
                sources=left,
                do="rasid sources retire",
            )
        # A crawler that was killed just now still holds its hosts, but not for longer than this.
        self._others_until = time.monotonic() + self._lease_s

    async def work(self) -> AsyncIterator[Work]:
        """Yield what is due, for ever, or with `once` until nothing is."""
        while not self._stopped:
            self._woken.clear()
            # While the gate is shut the looks go on: they keep the leases alive.
            work = self._next() if self._gate.is_set() else None
            if work is not None:
                self._in_flight[_key(work)] = self._asking[_key(work)] = work.host
                self._asked[work.host] += 1
                yield work
            elif not await self._look():
                return

    def stop(self) -> None:
        """Hand out nothing more."""
        self._stopped = True
        self._woken.set()

    def _next(self) -> Work | None:
        if len(self._in_flight) >= MOST_IN_FLIGHT or self._size >= MOST_BYTES:
            return None
        for _ in range(len(self._rounds)):
            host = self._rounds[0]
            self._rounds.rotate(-1)
            queue = self._queues[host]
            if not queue:
                continue
            policy = self._policies[queue[0].source]
            # One more than the host answers at a time: it stands behind them, and waits its turn.
            # Without a delay Scrapy would send it at once, over a connection that is then dropped.
            most = policy.concurrency + (self.pace.delay_s(host, policy.delay_s) > 0)
            if self._asked[host] >= most or self.pace.wait_s(host, policy.delay_s) > 0:
                continue
            return queue.popleft()
        return None

    async def _look(self) -> bool:
        """Look into the store for more, or wait until it is time to; False if all is done."""
        hungry = [host for host, queue in self._queues.items() if not queue]
        every = LOOK_S if hungry else IDLE_S
        wait = self._looked_at + every - time.monotonic()
        if wait > 0:
            await self._sleep(wait)
            return True
        held = list(self._queues)
        busy = set(self._in_flight.values()).union(*self._visits.values())
        self._leaving = set(hungry) - busy
        began = time.monotonic()
        taken = await self._store.run(lambda tx: self._taker.take(tx, held, hungry, busy))
        self._looked_at = time.monotonic()
        self._hold(taken, held, began + self._lease_s)
        self._leaving = set()
        await self._keep(taken.work)
        if taken.progress is not None:
            self._told.job = taken.progress
            self._told.job_before = self._told.job_before or taken.progress
            if taken.progress.is_done:
                return False
        if taken.work or busy or any(self._queues.values()):
            # Whoever holds a host may be killed meanwhile: its lease is waited for.
            self._others_until = time.monotonic() + self._lease_s
            return True
        if taken.idle:
            return True  # there was no room for other hosts until these were given back
        if self._once and not (taken.others and time.monotonic() < self._others_until):
            return False
        await self._sleep(IDLE_S)
        return True

    async def _sleep(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), seconds)

    def _hold(self, taken: Taken, held: Sequence[str], until: float) -> None:
        """Take note of which hosts are ours; what was queued of others is theirs."""
        self.pace.told(taken.told)
        for leased in taken.new:
            self.pace.leased(leased, until)
        self.pace.renewed(taken.kept, until)
        ours = {*taken.kept, *(leased.name for leased in taken.new)} - taken.idle
        # Or visited since the look began.
        ours |= self._queues.keys() - set(held)
        for host in set(held) - ours:
            self.pace.lost(host)
        self._queues = {
            host: self._queues.get(host, deque()) for host in ours if not self.is_blocked(host)
        }
        self._rounds = deque(self._queues)

    async def _keep(self, works: Sequence[Work]) -> None:
        """Queue what was taken, feeds first."""
        for work in works:
            if work.host not in self._queues:
                await self.give_back(work)
            elif _key(work) not in self._in_flight:
                self._queues[work.host].append(work)

    async def visit(self, work: Work, host: str) -> None:
        """Return once a host that a redirect leads to may be asked, because it is ours.

        Raises:
            HostBlocked: it wants no requests now, or another crawler works it all the time.
        """
        self._visits.setdefault(_key(work), set()).add(host)
        for _ in range(VISIT_TRIES):
            if host in self._queues and host not in self._leaving:
                break
            began = time.monotonic()
            found = await self._store.run(
                lambda tx: hosts.visit(tx, self._crawler, host, lease_s=self._lease_s)
            )
            if isinstance(found, hosts.Leased):
                self.pace.leased(found, began + self._lease_s)
                self._queues.setdefault(host, deque())
                self._rounds = deque(self._queues)
            elif found:
                raise HostBlocked(host, again_s=found)
            else:
                await asyncio.sleep(VISIT_EVERY_S)
        else:
            raise HostBlocked(host, again_s=VISIT_AGAIN_S)
        wait = self.pace.wait_s(host, self._policies[work.source].delay_s)
        if wait > 0:
            await asyncio.sleep(wait)

    def answered(self, work: Work, size: int = 0) -> None:
        """Note that the host has answered, or will not: it may be asked for the next.

        `size` is of the body, which is held until the work is done.
        """
        if size:
            self._sizes[_key(work)] = size
            self._size += size
        host = self._asking.pop(_key(work), None)
        if host is not None:
            self._asked[host] -= 1
            if not self._asked[host]:
                del self._asked[host]
            self._woken.set()

    def done(self, work: Work) -> None:
        """Note that a piece of work has come to its end."""
        self.answered(work)
        self._in_flight.pop(_key(work), None)
        self._visits.pop(_key(work), None)
        self._size -= self._sizes.pop(_key(work), 0)
        self._woken.set()

    def is_blocked(self, host: str) -> bool:
        """Return whether the host has asked to be left alone for now."""
        until = self._blocked.get(host)
        if until is not None and until <= time.monotonic():
            del self._blocked[host]
            return False
        return until is not None

    def blocked_s(self, host: str) -> float:
        """Return for how long the host wants to be left alone."""
        return max(self._blocked.get(host, 0.0) - time.monotonic(), 0.0)

    async def block(
        self, host: str, retry_after_s: float | None, *, most_s: float = HOST_LONGEST_BLOCK_S
    ) -> float:
        """Leave a host alone as long as it asks, or twice as long as last time; return seconds."""
        if retry_after_s is not None:
            retry_after_s = max(retry_after_s, HOST_SHORTEST_BLOCK_S)
        queued = self._queues.pop(host, deque())
        self._rounds = deque(self._queues)
        self._blocked[host] = time.monotonic() + (retry_after_s or HOST_BLOCK_S)
        told = self.pace.to_tell()
        self.pace.lost(host)

        def step(tx: Connection) -> float:
            _give_back(tx, queued)
            hosts.asked(tx, self._crawler, told)
            hosts.give_back(tx, self._crawler, [host])
            return hosts.block(tx, host, retry_after_s, base_s=HOST_BLOCK_S, most_s=most_s)

        seconds = await self._store.run(step)
        self.pace.told(told)
        self._blocked[host] = time.monotonic() + seconds
        log.warning("host asks for fewer requests", host=host, blocked_s=round(seconds))
        return seconds

    async def give_back(self, work: Work, *, again_s: float = 0.0) -> None:
        """Make a piece of work due again, now or later, that was taken, but not asked for."""
        await self._store.run(lambda tx: _give_back(tx, [work], again_s=again_s))

    async def close(self) -> None:
        """Give back all that was taken and not asked for, and the hosts.

        Raises:
            TransientError: Postgres is away; then the leases run out by themselves.
        """
        queued = [work for queue in self._queues.values() for work in queue]
        told = self.pace.to_tell()

        def step(tx: Connection) -> None:
            _give_back(tx, queued)
            hosts.asked(tx, self._crawler, told)
            hosts.give_back_all(tx, self._crawler)

        await self._store.run(step)


def _key(work: Work) -> Key:
    return type(work), work.id


def _give_back(tx: Connection, works: Sequence[Work] | deque[Work], *, again_s: float = 0) -> None:
    feeds = [work for work in works if isinstance(work, DueFeed)]
    sources.give_back(tx, [f.id for f in feeds if f.job_id is None], again_s=again_s)
    jobs.give_back(tx, [f.id for f in feeds if f.job_id is not None], again_s=again_s)
    links.give_back(tx, [w.id for w in works if isinstance(w, DueLink)], again_s=again_s)
