"""The only code that speaks to Redis: raw pages in, ids out, and how full the queue is.

Celery's message is only a hint that something is to be done: it can be lost when a worker is killed
at the wrong moment. The truth is the sorted set of pending page ids, which lies beside the bodies,
and a page leaves it only after its result is committed. The reconciler sends again what has waited
too long.

Keys, in the Redis for bodies: `rasid:body:ID`, `rasid:pending:LANE` (scored by when the page was
published). In the broker, which may lose everything: Celery's own, and those of `attempts`.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from celery import Celery

from services.queue.attempts import Attempts
from services.queue.bodies import Taken, Unreadable, pack, unpack
from services.queue.brake import Brake
from services.queue.broker import CELERY_QUEUES, make_celery, open_client, transient_errors
from services.shared.backoff import Backoff
from services.shared.contracts import LANES, Lane, RawPage
from services.shared.errors import TransientError
from services.shared.observability import get_logger
from services.shared.settings import MIB, Settings

TASK = "rasid.process"
CHUNK = 10  # ids in a task: ten make the message's cost a tenth, and one transaction
BODY = "rasid:body:"
PENDING = {lane: f"rasid:pending:{lane}" for lane in LANES}
#: Share of the bodies' Redis memory, and of each bound, at which producers stop and go on.
MEMORY_HIGH = 0.7
LOW = 0.5

log = get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """How much is in the queue: pages by lane, seconds since the oldest was published, bytes."""

    pages: dict[Lane, int]
    #: Producers wait above it, and above `max_bytes`.
    max_pages: int
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


class Queue:
    """The queue between the producers of raw pages and the workers."""

    def __init__(self, settings: Settings, celery: Celery | None = None) -> None:
        """Prepare the connections; nothing is opened before it is needed.

        Raises:
            RasidError: an address is none.
        """
        self.settings = settings
        self.bodies = open_client(settings.bodies_url, "REDIS_BODIES_URL or REDIS_URL", settings)
        self.broker = open_client(settings.redis_url or "", "REDIS_URL", settings)
        self._celery = celery or make_celery(settings)
        self.brake = Brake(settings, self.bodies)
        self.attempts = Attempts(self.broker)

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
        with transient_errors(), self.bodies.pipeline(transaction=True) as pipe:
            for page_id, page in zip(ids, pages, strict=True):
                # Who has SETNX and no SET can write over nothing, nor have it expire.
                pipe.setnx(BODY + page_id, pack(page))
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
        with transient_errors(), self.bodies.pipeline(transaction=True) as pipe:
            for ticket, page in pages.items():
                body = pack(page) if isinstance(page, RawPage) else page
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
                    TASK,
                    args=[lane, list(ids[start : start + size])],
                    queue=CELERY_QUEUES[lane],
                    # The queue is a list of that name, there or not: who sends need not say so.
                    declare=[],
                )

    def waiting(self) -> dict[Lane, int]:
        """Return how many pages of each lane have no result yet.

        Raises:
            TransientError: Redis is away.
        """
        with transient_errors(), self.bodies.pipeline(transaction=False) as pipe:
            for key in PENDING.values():
                pipe.zcard(key)
            return dict(zip(LANES, pipe.execute(), strict=True))

    def depth(self) -> Depth:
        """Return how much is in the queue.

        Raises:
            TransientError: Redis is away.
        """
        with transient_errors():
            pipe = self.bodies.pipeline(transaction=False)
            for key in PENDING.values():
                pipe.zcard(key)
                pipe.zrange(key, 0, 0, withscores=True)
            pipe.info("memory")
            *answers, memory = pipe.execute()
            messages = self.messages()
        oldest = [score for first in answers[1::2] for _, score in first]
        limit = self.settings.queue_max_mb * MIB
        if memory.get("maxmemory"):
            limit = min(limit, int(memory["maxmemory"] * MEMORY_HIGH))
        return Depth(
            pages=dict(zip(LANES, answers[::2], strict=True)),
            max_pages=self.settings.queue_max_pages,
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
            f"{depth.total} pages are waiting": depth.total / depth.max_pages,
            f"{depth.used_bytes // MIB} MB are waiting": depth.used_bytes / depth.max_bytes,
            f"the oldest page waits since {depth.oldest_age_s:.0f} s": depth.oldest_age_s
            / self.settings.queue_max_age_s,
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

    def take(self, ids: Sequence[str]) -> dict[str, Taken | Unreadable | None]:
        """Return each id's page; None where the body is gone.

        Nothing is removed: that is what `done` does, after the commit.

        Raises:
            TransientError: Redis is away.
            MemoryError: a page does not fit into what this process may have.
        """
        most = 2 * self.settings.max_body_bytes
        with transient_errors():
            pipe = self.bodies.pipeline(transaction=False)
            for page_id in ids:
                # What is larger than any page is not even fetched.
                pipe.getrange(BODY + page_id, 0, most)
            stored = pipe.execute(raise_on_error=False)
            for answer in stored:
                if isinstance(answer, Exception) and not str(answer).startswith("WRONGTYPE"):
                    raise answer
        taken = {
            page_id: unpack(answer, most) if isinstance(answer, bytes) and answer else None
            for page_id, answer in zip(ids, stored, strict=True)
        }
        for page_id, page in taken.items():
            if isinstance(page, Unreadable):
                said = {"problem": page.problem, "bytes": len(page.stored)}
                log.warning("not a raw page", page=page_id, **said, begins=repr(page.stored[:60]))
        return taken

    def done(self, ids: Sequence[str]) -> None:
        """Remove pages whose result is committed. Safe to repeat.

        Raises:
            TransientError: Redis is away; the pages will be done again, which changes nothing.
        """
        with transient_errors():
            # Not a transaction: inside one, a Redis at its memory limit refuses even removals.
            pipe = self.bodies.pipeline(transaction=False)
            pipe.unlink(*(BODY + page_id for page_id in ids))
            for key in PENDING.values():
                pipe.zrem(key, *ids)
            pipe.execute()
        self.attempts.forget(ids)

    def messages(self) -> int:
        """Return how many messages wait in the broker.

        Raises:
            TransientError: the broker is away.
        """
        with transient_errors():
            return sum(int(self.broker.llen(name)) for name in CELERY_QUEUES.values())

    def ping(self) -> None:
        """Return if both Redis servers answer.

        Raises:
            TransientError: one does not.
        """
        with transient_errors():
            self.bodies.ping()
            self.broker.ping()
