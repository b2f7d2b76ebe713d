"""The only code that speaks to Redis: raw pages in, ids out, and how full the queue is.

Celery's message is only a hint that something is to be done: it can be lost when a worker is killed
at the wrong moment. The truth is the sorted set of pending page ids, which lies beside the bodies,
and a page leaves it only after its result is committed. The reconciler sends again what has waited
too long.

Keys, in the Redis for bodies: `rasid:body:ID`, `rasid:pending:LANE` (scored by when the page was
published). In the broker, which may lose everything: Celery's own, `rasid:attempts` (hash),
`rasid:resent` (ids, scored by when they were sent again).
"""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeGuard

from celery import Celery
from redis.exceptions import ResponseError

from services.queue.brake import Brake
from services.queue.broker import CELERY_QUEUES, make_celery, open_client, transient_errors
from services.shared import compression, contracts
from services.shared.backoff import Backoff
from services.shared.contracts import LANES, Lane, RawPage
from services.shared.errors import InvalidMessage, TransientError
from services.shared.observability import get_logger
from services.shared.settings import MIB, Settings

TASK = "rasid.process"
CHUNK = 10  # ids in a task: ten make the message's cost a tenth, and one transaction
#: A page's id, or the ticket of one that is read again.
PAGE_ID = re.compile(r"[\w-]{1,80}(?:\.\d{1,18})?", re.ASCII)
BODY = "rasid:body:"
PENDING = {lane: f"rasid:pending:{lane}" for lane in LANES}
ATTEMPTS = "rasid:attempts"
RESENT = "rasid:resent"
#: Share of the bodies' Redis memory, and of each bound, at which producers stop and go on.
MEMORY_HIGH = 0.7
LOW = 0.5
#: With more messages than this waiting, old pages are merely waiting their turn.
BUSY_MESSAGES = 100
KEPT = MIB  # of what is too large to be a page
LOOK = 5000  # pending ids the reconciler looks at per lane and round
SCAN = 1000  # bodies it looks at per round
#: Clocks of machines may differ by so much; a time further ahead was written by a wrong one.
CLOCKS_DIFFER_S = 60.0

log = get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A raw page taken from the queue, and its body as it was stored (one zstd frame)."""

    page: RawPage
    compressed: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """What lay under a page's id is not a raw page: the bytes as they were, and why."""

    stored: bytes
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """How much is in the queue: pages by lane, seconds since the oldest was published, bytes."""

    pages: dict[Lane, int]
    oldest_age_s: float
    used_bytes: int
    max_bytes: int
    #: Messages that wait in the broker, of up to ten ids each.
    messages: int

    @property
    def total(self) -> int:
        """Return the pages of all lanes."""
        return sum(self.pages.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Fullness:
    """Whether producers should wait, and why, in words; `room` is true below every low mark."""

    full: bool
    room: bool
    reason: str
    depth: Depth = field(repr=False)


def is_page_id(value: object) -> TypeGuard[str]:
    """Tell what can be the id of a page or a ticket; those of `RawPage.id` are 32 digits."""
    return isinstance(value, str) and bool(PAGE_ID.fullmatch(value))


class Queue:
    """The queue between the producers of raw pages and the workers."""

    def __init__(self, settings: Settings, celery: Celery | None = None) -> None:
        """Prepare the connections; nothing is opened before it is needed.

        Raises:
            RasidError: an address is none.
        """
        self._settings = settings
        self._bodies = open_client(settings.bodies_url, "REDIS_BODIES_URL or REDIS_URL", settings)
        self._broker = open_client(settings.redis_url or "", "REDIS_URL", settings)
        self._celery = celery or make_celery(settings)
        self._scanned = 0
        self.brake = Brake(settings, self._bodies)

    # ------------------------------------------------------------------ producers

    def publish(self, pages: Sequence[RawPage], lane: Lane) -> int:
        """Store the pages and tell the workers; return how many were not pending already.

        When this returns the pages are safe: what a worker does not hear of now, the reconciler
        sends later.

        Raises:
            TransientError: Redis is away or full; nothing of the pages is stored.
        """
        if not pages:
            return 0
        now = time.time()
        ids = [page.id for page in pages]
        with transient_errors(), self._bodies.pipeline(transaction=True) as pipe:
            for page_id, page in zip(ids, pages, strict=True):
                pipe.set(BODY + page_id, _pack(page), nx=True)
            pipe.zadd(PENDING[lane], dict.fromkeys(ids, now), nx=True)
            stored = pipe.execute()[:-1]
        new = [page_id for page_id, is_new in zip(ids, stored, strict=True) if is_new]
        try:
            self.send(new, lane)
        except TransientError as error:
            log.warning("hint not sent", pages=len(new), error=str(error))
        return len(new)

    def publish_again(self, pages: Mapping[str, RawPage | bytes]) -> None:
        """Store pages that are to be read again, by their ticket, and tell the workers.

        Bytes are what `take` found unreadable, perhaps because a newer Rasid had written it.

        Raises:
            TransientError: Redis is away or full; nothing of the pages is stored.
        """
        now = time.time()
        with transient_errors(), self._bodies.pipeline(transaction=True) as pipe:
            for ticket, page in pages.items():
                body = _pack(page) if isinstance(page, RawPage) else page
                pipe.set(BODY + ticket, body, nx=True)
            pipe.zadd(PENDING["replay"], dict.fromkeys(pages, now), nx=True)
            pipe.execute()
        self.send(list(pages), "replay")

    def send(self, ids: Sequence[str], lane: Lane, *, alone: bool = False) -> None:
        """Tell the workers of pending ids, ten to a message, or each in a message of its own.

        Raises:
            TransientError: the broker is away.
        """
        size = 1 if alone else CHUNK
        with transient_errors():
            for start in range(0, len(ids), size):
                self._celery.send_task(
                    TASK, args=[lane, list(ids[start : start + size])], queue=CELERY_QUEUES[lane]
                )

    def waiting(self) -> dict[Lane, int]:
        """Return how many pages of each lane have no result yet.

        Raises:
            TransientError: Redis is away.
        """
        with transient_errors(), self._bodies.pipeline(transaction=False) as pipe:
            for key in PENDING.values():
                pipe.zcard(key)
            return dict(zip(LANES, pipe.execute(), strict=True))

    def depth(self) -> Depth:
        """Return how much is in the queue.

        Raises:
            TransientError: Redis is away.
        """
        with transient_errors():
            pipe = self._bodies.pipeline(transaction=False)
            for key in PENDING.values():
                pipe.zcard(key)
                pipe.zrange(key, 0, 0, withscores=True)
            pipe.info("memory")
            *answers, memory = pipe.execute()
            messages = self._messages()
        oldest = [score for first in answers[1::2] for _, score in first]
        limit = self._settings.queue_max_mb * MIB
        if memory.get("maxmemory"):
            limit = min(limit, int(memory["maxmemory"] * MEMORY_HIGH))
        return Depth(
            pages=dict(zip(LANES, answers[::2], strict=True)),
            oldest_age_s=max(0.0, time.time() - min(oldest)) if oldest else 0.0,
            used_bytes=memory["used_memory"],
            max_bytes=max(1, limit),
            messages=messages,
        )

    def fullness(self) -> Fullness:
        """Return whether producers should wait: for pages, bytes or the age of the oldest page.

        Raises:
            TransientError: Redis is away.
        """
        depth = self.depth()
        shares = {
            f"{depth.total} pages are waiting": depth.total / self._settings.queue_max_pages,
            f"{depth.used_bytes // MIB} MB are waiting": depth.used_bytes / depth.max_bytes,
            f"the oldest page waits since {depth.oldest_age_s:.0f} s": depth.oldest_age_s
            / self._settings.queue_max_age_s,
        }
        reason, share = max(shares.items(), key=lambda item: item[1])
        return Fullness(full=share >= 1, room=share < LOW, reason=reason, depth=depth)

    def wait_for_room(self, on_wait: Callable[[str], None] = lambda _: None) -> None:
        """Return at once below the high-water mark; else block until the low-water mark.

        `on_wait` is told why, once, when the wait begins. Redis being away is waited out as well.
        """
        waiting = False
        backoff = Backoff(1.0, 15.0)
        while True:
            wait = 1.0
            try:
                now = self.fullness()
                backoff.reset()
                go_on, reason = (now.room if waiting else not now.full), now.reason
            except TransientError as error:
                go_on, reason, wait = False, str(error), backoff.next()
            if go_on:
                return
            if not waiting:
                on_wait(reason)
            waiting = True
            time.sleep(wait)

    # ------------------------------------------------------------------ workers

    def count_attempts(self, ids: Sequence[str]) -> list[int]:
        """Count one more attempt for each id and return the counts, this one included.

        Raises:
            TransientError: the broker is away.
        """
        with transient_errors(), self._broker.pipeline(transaction=False) as pipe:
            for page_id in ids:
                pipe.hincrby(ATTEMPTS, page_id, 1)
            return [int(count) for count in pipe.execute()]

    def forgive(self, ids: Sequence[str]) -> None:
        """Forget the attempts of pages that failed for no fault of their own.

        Raises:
            TransientError: the broker is away.
        """
        with transient_errors():
            self._broker.hdel(ATTEMPTS, *ids)

    def attempts(self, ids: Sequence[str]) -> list[int]:
        """Return how often each id has been tried.

        Raises:
            TransientError: the broker is away.
        """
        with transient_errors():
            return [int(count or 0) for count in self._broker.hmget(ATTEMPTS, list(ids))]

    def take(self, ids: Sequence[str]) -> dict[str, Taken | Unreadable | None]:
        """Return each id's page; None where the body is gone.

        Nothing is removed: that is what `done` does, after the commit.

        Raises:
            TransientError: Redis is away.
        """
        most = 2 * self._settings.max_body_bytes
        with transient_errors():
            pipe = self._bodies.pipeline(transaction=False)
            for page_id in ids:
                # What is larger than any page is not even fetched.
                pipe.getrange(BODY + page_id, 0, most)
            stored = pipe.execute(raise_on_error=False)
            for answer in stored:
                if isinstance(answer, ResponseError) and not str(answer).startswith("WRONGTYPE"):
                    raise answer
        return {
            page_id: _unpack(answer, most) if isinstance(answer, bytes) and answer else None
            for page_id, answer in zip(ids, stored, strict=True)
        }

    def done(self, ids: Sequence[str]) -> None:
        """Remove pages whose result is committed. Safe to repeat.

        Raises:
            TransientError: Redis is away; the pages will be done again, which changes nothing.
        """
        with transient_errors():
            # Not a transaction: inside one, a Redis at its memory limit refuses even removals.
            pipe = self._bodies.pipeline(transaction=False)
            pipe.unlink(*(BODY + page_id for page_id in ids))
            for key in PENDING.values():
                pipe.zrem(key, *ids)
            pipe.execute()
            hints = self._broker.pipeline(transaction=False)
            hints.hdel(ATTEMPTS, *ids)
            hints.zrem(RESENT, *ids)
            hints.execute()

    # ------------------------------------------------------------------ reconciler

    def reconcile(self) -> dict[Lane, int]:
        """Send again what has been pending too long, and return how many ids of each lane.

        Ids that were tried before go alone, so that a page that kills its worker never takes
        its neighbours. While the brake is on, workers send on what they do not take.

        Raises:
            TransientError: Redis is away.
        """
        if self.brake.state() and self._messages():
            return dict.fromkeys(LANES, 0)
        sent = {lane: self._reconcile(lane) for lane in LANES}
        sent["bulk"] += self._adopt()
        self._forget_done()
        return sent

    def _adopt(self) -> int:
        """Look at some of the bodies; those that are pending in no lane are published again."""
        with transient_errors():
            self._scanned, keys = self._bodies.scan(self._scanned, match=BODY + "*", count=SCAN)
            names = [k.decode("ascii", "replace") for k in keys if isinstance(k, bytes)]
            ids = [name for k in names if is_page_id(name := k.removeprefix(BODY))]
            if not ids:
                return 0
            lanes = [self._bodies.zmscore(key, ids) for key in PENDING.values()]
            lost = [i for i, *at in zip(ids, *lanes, strict=True) if not any(at)]
            if lost:
                self._bodies.zadd(PENDING["bulk"], dict.fromkeys(lost, time.time()), nx=True)
        self.send(lost, "bulk")
        return len(lost)

    def _messages(self) -> int:
        with transient_errors():
            return sum(int(self._broker.llen(name)) for name in CELERY_QUEUES.values())

    def _forget_done(self) -> None:
        """Remove notes on pages that are not pending: their worker died before it could."""
        with transient_errors():
            noted = [*self._broker.hkeys(ATTEMPTS), *self._broker.zrange(RESENT, 0, -1)]
            if not noted:
                return
            lanes = [self._bodies.zmscore(key, noted) for key in PENDING.values()]
            done = [i for i, *at in zip(noted, *lanes, strict=True) if not any(at)]
            if done:
                self._broker.hdel(ATTEMPTS, *done)
                self._broker.zrem(RESENT, *done)

    def _reconcile(self, lane: Lane) -> int:
        with transient_errors():
            if self._broker.llen(CELERY_QUEUES[lane]) >= BUSY_MESSAGES:
                return 0
            before = time.time() - self._settings.requeue_after_s
            after = time.time() + CLOCKS_DIFFER_S
            old = [
                *self._bodies.zrangebyscore(PENDING[lane], "-inf", before, start=0, num=LOOK),
                *self._bodies.zrangebyscore(PENDING[lane], after, "+inf", start=0, num=LOOK),
            ]
            ids = self._page_ids(lane, old)
            if not ids:
                return 0
            sent = zip(ids, self._broker.zmscore(RESENT, ids), strict=True)
            ids = [i for i, at in sent if at is None or not before <= at <= after]
            if not ids:
                return 0
            self._broker.zadd(RESENT, dict.fromkeys(ids, time.time()))
        tried = {i for i, count in zip(ids, self.attempts(ids), strict=True) if count > 0}
        self.send([i for i in ids if i not in tried], lane)
        self.send([i for i in ids if i in tried], lane, alone=True)
        return len(ids)

    def _page_ids(self, lane: Lane, members: Sequence[object]) -> list[str]:
        """Return pending ids; what is none, and so no page, is taken out and told."""
        raw = [member for member in members if isinstance(member, bytes)]
        ids = [member.decode("ascii", "replace") for member in raw]
        foreign = [m for m, page_id in zip(raw, ids, strict=True) if not is_page_id(page_id)]
        if foreign:
            told = foreign[0][:100]
            log.warning("not page ids: removed", lane=lane, count=len(foreign), first=told)
            self._bodies.zrem(PENDING[lane], *foreign)
        return list(filter(is_page_id, ids))

    def send_all(self) -> int:
        """Tell the workers of every pending page, and return how many: for a broker that is new.

        Raises:
            TransientError: Redis is away.
        """
        total = 0
        for lane, key in PENDING.items():
            with transient_errors():
                ids = self._bodies.zrange(key, 0, -1)
                page_ids = self._page_ids(lane, ids)
            self.send(page_ids, lane)
            total += len(page_ids)
        return total

    def ping(self) -> None:
        """Return if both Redis servers answer.

        Raises:
            TransientError: one does not.
        """
        with transient_errors():
            self._bodies.ping()
            self._broker.ping()


def ticket(page_id: str, replay_id: int) -> str:
    """Return the id under which a page waits that is read again.

    Not its own: it may come from the crawler at the same time.
    """
    return f"{page_id}.{replay_id}"


def of_ticket(waiting_id: str) -> tuple[str, int | None]:
    """Return the id of the page that waits under an id, and the replay that reads it again."""
    page_id, _, replay_id = waiting_id.partition(".")
    return page_id, int(replay_id) if replay_id else None


def _pack(page: RawPage) -> bytes:
    return contracts.encode_header(page) + b"\n" + compression.compress(page.body)


def _unpack(stored: bytes, most: int) -> Taken | Unreadable:
    """Return the page of up to `most` bytes; anybody who reaches Redis may have written it."""
    if len(stored) > most:
        return Unreadable(stored=stored[:KEPT], problem=f"more than {most} bytes")
    header, _, compressed = stored.partition(b"\n")
    try:
        page = contracts.decode_header(header, compression.decompress(compressed, most))
    except (ValueError, InvalidMessage) as error:
        return Unreadable(stored=stored, problem=str(error))
    return Taken(page=page, compressed=compressed)
