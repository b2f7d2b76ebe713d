"""What is pending and what workers were told, brought together again: each without the other."""

import time
from collections.abc import Sequence

from services.queue import BODY, PENDING, Queue
from services.queue.bodies import is_page_id, of_ticket
from services.queue.broker import CELERY_QUEUES, transient_errors
from services.shared.contracts import LANES, Lane
from services.shared.observability import get_logger

#: With more messages than this waiting, old pages are merely waiting their turn.
BUSY_MESSAGES = 100
LOOK = 5000  # pending ids that are looked at per lane and round
SCAN = 1000  # bodies that are looked at per round
#: Clocks of machines may differ by so much; a time further ahead was written by a wrong one.
CLOCKS_DIFFER_S = 60.0

log = get_logger()


class Reconciler:
    """Sends again what waits in a queue and was perhaps lost on the way. Any number may run."""

    def __init__(self, queue: Queue) -> None:
        """Nothing is asked yet."""
        self._queue = queue
        self._bodies, self._broker = queue.bodies, queue.broker
        self._scanned = 0

    def reconcile(self) -> dict[Lane, int]:
        """Send again what has been pending too long, and return how many ids of each lane.

        Ids that were tried before go alone, so that a page that kills its worker never takes
        its neighbours. While the brake is on, workers send on what they do not take.

        Raises:
            TransientError: Redis is away.
        """
        if self._queue.brake.state() and self._queue.messages():
            return dict.fromkeys(LANES, 0)
        sent = {lane: self._send_again(lane) for lane in LANES}
        for lane, count in self._adopt().items():
            sent[lane] += count
        self._forget_done()
        return sent

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
            self._queue.send(page_ids, lane)
            total += len(page_ids)
        return total

    def _adopt(self) -> dict[Lane, int]:
        """Look at some of the bodies; those that are pending in no lane are published again.

        What is to be read again is still the replay's, which tells it by its id.
        """
        with transient_errors():
            self._scanned, keys = self._bodies.scan(self._scanned, match=BODY + "*", count=SCAN)
            names = [k.decode("ascii", "replace") for k in keys if isinstance(k, bytes)]
            ids = [name for k in names if is_page_id(name := k.removeprefix(BODY))]
            if not ids:
                return {}
            lanes = [self._bodies.zmscore(key, ids) for key in PENDING.values()]
            lost: dict[Lane, list[str]] = {"bulk": [], "replay": []}
            for waiting_id, *at in zip(ids, *lanes, strict=True):
                if not any(at):
                    is_replayed = of_ticket(waiting_id)[1] is not None
                    lost["replay" if is_replayed else "bulk"].append(waiting_id)
            lost = {lane: found for lane, found in lost.items() if found}
            for lane, found in lost.items():
                self._bodies.zadd(PENDING[lane], dict.fromkeys(found, time.time()), nx=True)
        for lane, found in lost.items():
            self._queue.send(found, lane)
        return {lane: len(found) for lane, found in lost.items()}

    def _forget_done(self) -> None:
        """Remove notes on pages that are not pending: their worker died before it could."""
        noted = self._queue.attempts.noted()
        if not noted:
            return
        with transient_errors():
            lanes = [self._bodies.zmscore(key, noted) for key in PENDING.values()]  # type: ignore[arg-type]
        done = [i for i, *at in zip(noted, *lanes, strict=True) if not any(at)]
        if done:
            self._queue.attempts.forget(done)

    def _send_again(self, lane: Lane) -> int:
        with transient_errors():
            if self._broker.llen(CELERY_QUEUES[lane]) >= BUSY_MESSAGES:
                return 0
            before = time.time() - self._queue.settings.requeue_after_s
            after = time.time() + CLOCKS_DIFFER_S
            old = [
                *self._bodies.zrangebyscore(PENDING[lane], "-inf", before, start=0, num=LOOK),
                *self._bodies.zrangebyscore(PENDING[lane], after, "+inf", start=0, num=LOOK),
            ]
            ids = self._page_ids(lane, old)
        if not ids:
            return 0
        attempts = self._queue.attempts
        sent = zip(ids, attempts.resent_at(ids), strict=True)
        ids = [i for i, at in sent if at is None or not before <= at <= after]
        if not ids:
            return 0
        attempts.note_resent(ids)
        tried = {i for i, count in zip(ids, attempts.so_far(ids), strict=True) if count > 0}
        self._queue.send([i for i in ids if i not in tried], lane)
        self._queue.send([i for i in ids if i in tried], lane, alone=True)
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
