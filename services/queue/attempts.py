"""What was tried with pages that are pending: it lies in the broker, which may lose everything.

Keys: `rasid:attempts` (hash: how often a page was tried), `rasid:lost` (hash: how the process was
lost that last worked on it), `rasid:resent` (ids, scored by when they were sent again).
"""

import time
from collections.abc import Sequence

import redis

from services.queue.broker import transient_errors

ATTEMPTS = "rasid:attempts"
LOST = "rasid:lost"
RESENT = "rasid:resent"
#: Characters kept of how a process was lost.
SAID = 100


class Attempts:
    """The attempts of all workers that share a broker."""

    def __init__(self, broker: "redis.Redis") -> None:
        """Nothing is asked yet."""
        self._redis = broker

    def count(self, ids: Sequence[str]) -> list[int]:
        """Count one more attempt for each id and return the counts, this one included.

        Raises:
            TransientError: the broker is away.
        """
        with transient_errors(), self._redis.pipeline(transaction=False) as pipe:
            for page_id in ids:
                pipe.hincrby(ATTEMPTS, page_id, 1)
            return [int(count) for count in pipe.execute()]

    def so_far(self, ids: Sequence[str]) -> list[int]:
        """Return how often each id has been tried.

        Raises:
            TransientError: the broker is away.
        """
        with transient_errors():
            return [int(count or 0) for count in self._redis.hmget(ATTEMPTS, list(ids))]

    def forgive(self, ids: Sequence[str]) -> None:
        """Take back the attempts of pages that failed for no fault of their own.

        Raises:
            TransientError: the broker is away.
        """
        with transient_errors(), self._redis.pipeline(transaction=False) as pipe:
            pipe.hdel(ATTEMPTS, *ids)
            pipe.hdel(LOST, *ids)
            pipe.execute()

    def note_lost(self, ids: Sequence[str], how: str) -> None:
        """Keep in words how the process that worked on these pages was lost.

        Raises:
            TransientError: the broker is away.
        """
        if ids:
            with transient_errors():
                self._redis.hset(LOST, mapping=dict.fromkeys(ids, how[:SAID]))

    def last_lost(self, page_id: str) -> str:
        """Return how the process that last worked on a page was lost; "" where nobody saw it.

        Raises:
            TransientError: the broker is away.
        """
        with transient_errors():
            how = self._redis.hget(LOST, page_id)
        return how.decode("ascii", "replace")[:SAID] if isinstance(how, bytes) else ""

    def note_resent(self, ids: Sequence[str]) -> None:
        """Keep that these pages are sent again now.

        Raises:
            TransientError: the broker is away.
        """
        with transient_errors():
            self._redis.zadd(RESENT, dict.fromkeys(ids, time.time()))

    def resent_at(self, ids: Sequence[str]) -> list[float | None]:
        """Return when each id was last sent again (seconds since 1970), or None if it was not.

        Raises:
            TransientError: the broker is away.
        """
        with transient_errors():
            return list(self._redis.zmscore(RESENT, list(ids)))

    def noted(self) -> list[bytes]:
        """Return of which pages anything is noted; one may come more than once.

        Raises:
            TransientError: the broker is away.
        """
        with transient_errors(), self._redis.pipeline(transaction=False) as pipe:
            pipe.hkeys(ATTEMPTS)
            pipe.hkeys(LOST)
            pipe.zrange(RESENT, 0, -1)
            return [page_id for ids in pipe.execute() for page_id in ids]

    def forget(self, ids: Sequence[str] | Sequence[bytes]) -> None:
        """Forget all of pages that are done.

        Raises:
            TransientError: the broker is away.
        """
        with transient_errors(), self._redis.pipeline(transaction=False) as pipe:
            pipe.hdel(ATTEMPTS, *ids)
            pipe.hdel(LOST, *ids)
            pipe.zrem(RESENT, *ids)
            pipe.execute()
