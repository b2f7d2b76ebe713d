"""Lines of JSON on standard input in, requests out; the end of the input is the order to stop."""

import json
import os
import selectors
import signal
from typing import Any

#: Seconds after which at the latest the guard looks whether its parent still lives.
LOOK_EVERY = 0.5
STDIN = 0


class StopOrder(Exception):  # noqa: N818 (an order, not an error)
    """It is time to stop everything; the text says why."""


class Orders:
    """What the guard is asked to do, by its parent and by signals."""

    def __init__(self) -> None:
        """Listen from now on."""
        self._parent = os.getppid()
        self._buffer = b""
        self._signals = 0
        self._signals_obeyed = 0
        self._selector = selectors.DefaultSelector()
        self._selector.register(STDIN, selectors.EVENT_READ)
        self._selector.register(self._signal_pipe(), selectors.EVENT_READ)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._count_signal)
        # Not SIG_IGN, which the processes started from here would inherit.
        signal.signal(signal.SIGINT, lambda *_: None)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # merely ends the wait below

    def wait(self, seconds: float) -> list[dict[str, Any]]:
        """Return the requests that came within the time; a signal ends the wait as well.

        Raises:
            StopOrder: the parent closed its end, or ended, or somebody sent SIGTERM or SIGHUP.
        """
        for key, _ in self._selector.select(max(0.0, min(seconds, LOOK_EVERY))):
            data = os.read(key.fd, 65536)
            if key.fd == STDIN:
                if not data:
                    raise StopOrder("standard input ended")
                self._buffer += data
        if self._signals > self._signals_obeyed:
            raise StopOrder("signal")
        if os.getppid() != self._parent:
            raise StopOrder("the parent is gone")
        *lines, self._buffer = self._buffer.split(b"\n")
        return [json.loads(line) for line in lines]

    def obey(self) -> None:
        """Take the signals that came so far as one order; a later one means: hurry."""
        self._signals_obeyed = self._signals

    def urgent(self) -> bool:
        """Return whether another signal came since `obey`."""
        return self._signals > self._signals_obeyed

    def _count_signal(self, *_: object) -> None:
        self._signals += 1

    def _signal_pipe(self) -> int:
        read, write = os.pipe()
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        return read
