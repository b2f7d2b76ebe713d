"""The brake: when most pages become dead letters, it is not the pages' fault, and workers stop.

What became of the last pages is kept beside the bodies, for all workers together, so that it
outlives them. While the brake is on pages stay pending; now and then one of them is tried, and a
page that is read and stored again ends it.

Keys: `rasid-recent` (list: for each of the last pages what its dead letter said, or nothing),
`rasid-brake` (JSON, while it is on), `rasid-trial` (while a worker tries a page).
"""

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import redis

from services.queue.broker import transient_errors
from services.shared.secrets import hidden
from services.shared.settings import Settings

RECENT, BRAKE, TRIAL = "rasid-recent", "rasid-brake", "rasid-trial"
#: Characters kept of what a dead letter said. Its secrets are hidden before: of one that is cut the
#: end is missing by which it is known.
SAID = 200
MOST_OFTEN = 3
RETRY_MAX_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Braked:
    """Since when the brake is on (seconds since 1970), why, and when a page is tried next."""

    since: float
    dead_letters: int
    of_pages: int
    #: What the letters said, the most frequent first, with how often.
    said: tuple[tuple[str, int], ...]
    trials: int
    next_trial_at: float

    @property
    def reason(self) -> str:
        """Return in words why it is on."""
        said = "; ".join(f"{count} x {words}" for words, count in self.said)
        return f"{self.dead_letters} of the last {self.of_pages} pages became dead letters: {said}"


class Brake:
    """The brake of all workers that share a Redis for bodies."""

    def __init__(self, settings: Settings, bodies: "redis.Redis") -> None:
        """Nothing is asked yet."""
        self._settings = settings
        self._redis = bodies

    def state(self) -> Braked | None:
        """Return why the brake is on, or None if it is not.

        Raises:
            TransientError: Redis is away.
        """
        with transient_errors():
            stored = self._redis.get(BRAKE)
        if not isinstance(stored, bytes):
            return None
        fields = json.loads(stored)
        return Braked(**{**fields, "said": tuple((words, n) for words, n in fields["said"])})

    def note(self, letters: Sequence[str]) -> Braked | None:
        """Count pages that are done: "" for each, or what its dead letter said.

        Return the brake if this puts it on.

        Raises:
            TransientError: Redis is away or full; then they are not counted.
        """
        if not letters or not self._settings.brake_pages:
            return None
        with transient_errors(), self._redis.pipeline(transaction=True) as pipe:
            pipe.lpush(RECENT, *(hidden(words)[:SAID] for words in letters))
            pipe.ltrim(RECENT, 0, self._settings.brake_pages - 1)
            if any(letters):
                pipe.lrange(RECENT, 0, -1)
            answers = pipe.execute()
        if not any(letters):
            return None
        recent = [words.decode("utf-8", "replace") for words in answers[-1]]
        failed = [words for words in recent if words]
        if len(failed) < self._settings.brake_dead_letters:
            return None
        if len(failed) < len(recent) * self._settings.brake_share:
            return None
        now = time.time()
        braked = Braked(
            since=now,
            dead_letters=len(failed),
            of_pages=len(recent),
            said=tuple(Counter(failed).most_common(MOST_OFTEN)),
            trials=0,
            next_trial_at=now + self._settings.brake_retry_s,
        )
        return braked if self._put(braked, nx=True) else None

    def begin_trial(self, braked: Braked) -> bool:
        """Return whether this worker is to try a page now; one does at a time.

        Raises:
            TransientError: Redis is away.
        """
        if time.time() < braked.next_trial_at:
            return False
        # Should the page kill its worker, another is tried after this time.
        seconds = int(self._settings.task_time_limit_s) + 1
        with transient_errors():
            return bool(self._redis.set(TRIAL, 1, nx=True, ex=seconds))

    def end_trial(self, braked: Braked, *, failed: bool | None) -> None:
        """Let go if the page was stored; wait longer if it failed; None tells nothing.

        Raises:
            TransientError: Redis is away.
        """
        if failed is False:
            self.release()
            return
        if failed:
            wait = min(RETRY_MAX_S, self._settings.brake_retry_s * 2 ** min(braked.trials, 10))
            trials = braked.trials + 1
            self._put(replace(braked, trials=trials, next_trial_at=time.time() + wait), xx=True)
        with transient_errors():
            self._redis.delete(TRIAL)

    def release(self) -> bool:
        """Let go, and count anew; return whether it was on.

        Raises:
            TransientError: Redis is away.
        """
        with transient_errors():
            # First the count: a page that is done amidst this would put it on again by that.
            _, was_on, _ = (self._redis.delete(key) for key in (RECENT, BRAKE, TRIAL))
        return bool(was_on)

    def _put(self, braked: Braked, *, nx: bool = False, xx: bool = False) -> bool:
        with transient_errors():
            return bool(self._redis.set(BRAKE, json.dumps(asdict(braked)), nx=nx, xx=xx))
