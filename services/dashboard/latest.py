"""A slow question goes in; its newest answer comes out, however many ask at the same time."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Generic, TypeVar

T = TypeVar("T")
#: An answer that took long is kept for long, so that whoever is asked spends this share of the time
#: on it; but for no more seconds than these, for it may have waited rather than worked.
SHARE = 1 / 20
MOST_S = 60.0


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What was answered, at which time of the monotonic clock, and how many seconds it took."""

    value: T
    at: float
    took_s: float
    #: What was made of it, by kind.
    made: dict[str, bytes] = field(default_factory=dict)


class Latest(Generic[T]):
    """A question that one thread at a time asks, when somebody wants to know and it is due.

    The thread is a daemon: a question that is never answered keeps no process from its end.
    """

    def __init__(
        self, ask: Callable[[], T], *, keep_s: float, dear: Callable[[T], bool] = lambda _: False
    ) -> None:
        """Take what asks, which raises nothing, and for how long an answer is kept at least.

        One that is `dear` cost its time, and is kept for longer the more of it.
        """
        self._ask = ask
        self._keep_s = keep_s
        self._dear = dear
        self._answer: Answer[T] | None = None
        self._asked_at = 0.0
        self._asking: asyncio.Future[None] | None = None

    async def get(self, wait_s: float) -> Answer[T] | None:
        """Return the newest answer; wait for a new one that is due, but no longer than this."""
        if self._is_due():
            self._start()
        if self._asking:
            await asyncio.wait([self._asking], timeout=wait_s)
        return self._answer

    @property
    def waiting_s(self) -> float:
        """Return for how long the question has been without an answer; 0 if it is answered."""
        return monotonic() - self._asked_at if self._asking else 0.0

    @property
    def age_s(self) -> float:
        """Return how old the answer is; 0 if there is none."""
        return monotonic() - self._answer.at if self._answer else 0.0

    def _is_due(self) -> bool:
        if self._asking:
            return False
        kept = self._answer
        if kept is None:
            return True
        kept_s = min(kept.took_s / SHARE, MOST_S) if self._dear(kept.value) else 0.0
        return monotonic() - kept.at > max(self._keep_s, kept_s)

    def _start(self) -> None:
        loop = asyncio.get_running_loop()

        def run() -> None:
            value = self._ask()
            with suppress(RuntimeError):  # nobody wants to know any more: the server has ended
                loop.call_soon_threadsafe(self._take, value)

        # Begun first: where no thread can be had, the next visitor tries again.
        asked_at = monotonic()
        threading.Thread(target=run, daemon=True).start()
        self._asked_at, self._asking = asked_at, loop.create_future()

    def _take(self, value: T) -> None:
        now = monotonic()
        self._answer = Answer(value, now, now - self._asked_at)
        asking, self._asking = self._asking, None
        if asking and not asking.done():
            asking.set_result(None)
