"""What ends a worker that can do no more, so that its supervisor starts it again.

Celery can be left without credit to fetch anything, wait for ever in its event loop, or hang while
it shuts down after an error. All of these were provoked by failures of Redis.
"""

import faulthandler
import math
import os
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

from billiard import active_children
from celery import bootsteps
from celery.worker import state

from services.shared.observability import get_logger

STALLED_EXIT = 75  # EX_TEMPFAIL: start me again
#: Seconds between two looks; of a loop that is well, and of whoever watches that loop.
LOOK_EVERY_S = 2.0
WATCH_EVERY_S = 5.0
#: Looks at credit that nothing uses until the worker connects anew, and again until it ends.
STALLED_LOOKS = 3
#: A loop may rightly wait for a Redis that takes no connection or does not answer, so many times;
#: then, without a look, the worker ends.
SILENT_WAITS = 4
#: Seconds for a worker that has failed to let its tasks come to their end.
FAILED_GRACE_S = 5.0
#: Seconds more than a task may take, for a worker that was told to stop.
TOLD_GRACE_S = 10.0
#: Seconds after which a worker that should have ended itself is ended from outside of Python.
CERTAIN_AFTER_S = 5.0

log = get_logger()


def leave(reason: str) -> None:
    """End this worker and its processes at once, whatever fails on the way."""
    try:
        frames = sys._current_frames()  # noqa: SLF001 - documented: the only way to see where it is
        main = frames.get(threading.main_thread().ident or 0)
        where = [f"{at.name} {at.filename}:{at.lineno}" for at in traceback.extract_stack(main)]
        log.error("worker stalled: exits to be started again", reason=reason, where=where[-12:])
        for child in active_children():
            with suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGKILL)
    finally:
        os._exit(STALLED_EXIT)


def end_within(seconds: float) -> None:
    """Have this process end in so many seconds at most, unless it ends by itself; it goes on.

    Where no thread of Python gets to run any more, the clock of faulthandler, which needs none,
    ends it a little later and tells where it hung. Its children then die as the kernel sees to it.
    """
    faulthandler.dump_traceback_later(
        seconds + CERTAIN_AFTER_S, exit=True, file=sys.__stderr__ or sys.stderr
    )
    end = threading.Timer(seconds, leave, ["it cannot shut down"])
    end.daemon = True
    end.start()


class StallGuard(bootsteps.StartStopStep):  # type: ignore[misc]
    """Mends or ends a worker that can no longer consume, ends one whose event loop does not turn.

    What cannot be acknowledged, because Redis is away just then, holds its credit for ever: Celery
    fetches less, in the end nothing, although nothing is being worked on. A new connection has all
    credit. While all is well it touches a file, which is the health check.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, parent: Any, **options: Any) -> None:
        """Nothing is wrong yet."""
        super().__init__(parent, **options)
        self._stalled = 0
        self._silent = 0
        self._timer: Any = None
        self._alive = Path(os.environ.get("RASID_ALIVE_FILE", ""))
        redis = parent.app.conf.broker_transport_options
        wait_s = redis["socket_timeout"] + redis["socket_connect_timeout"]
        self._silent_watches = math.ceil(SILENT_WAITS * wait_s / WATCH_EVERY_S)
        threading.Thread(target=self._watch, name="stall-guard", daemon=True).start()

    def start(self, parent: Any) -> None:
        """Look every two seconds from now on."""
        self.stop(parent)
        self._timer = parent.timer.call_repeatedly(LOOK_EVERY_S, self._look, (parent,))

    def stop(self, parent: Any) -> None:  # noqa: ARG002 - Celery's signature
        """Look no more."""
        self._silent = 0
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _look(self, consumer: Any) -> None:
        self._silent = 0
        channel = getattr(consumer.task_consumer, "channel", None)
        if channel is None:
            return
        held = channel.qos.prefetch_count - channel.qos.can_consume_max_estimate()
        if held <= len({*state.reserved_requests, *state.active_requests}):
            self._stalled = 0
            if self._alive.name:
                self._alive.touch()
            return
        self._stalled += 1
        if self._stalled >= 2 * STALLED_LOOKS:
            leave("it can take no more messages")
        if self._stalled == STALLED_LOOKS:
            raise ConnectionError("credit was lost")  # Celery connects anew

    def _watch(self) -> None:
        # Watches are counted, not seconds: a process that was frozen has not been silent.
        while True:
            time.sleep(WATCH_EVERY_S)
            if self._timer is not None:
                self._silent += 1
            if self._silent >= self._silent_watches:
                leave("its event loop does not turn")


class EndGuard(bootsteps.StartStopStep):  # type: ignore[misc]
    """Ends a worker whose shutdown takes longer than its tasks may."""

    def close(self, parent: Any) -> None:
        """Begin to count: this is called when the worker is told to stop, or has failed."""
        told = parent.app.conf.task_time_limit + TOLD_GRACE_S
        end_within(FAILED_GRACE_S if parent.exitcode else told)
