"""Lines of JSON on standard input in, requests out; the end of the input is the order to stop."""

import contextlib
import json
import os
import selectors
import signal
from typing import Any

#: Seconds after which at the latest the guard looks whether its parent still lives.
LOOK_EVERY = 0.5
STDIN, STDOUT = 0, 1
#: Bytes of messages kept for a program that does not read them; more are dropped.
MOST_UNREAD = 1024 * 1024


class StopOrder(Exception):
    """It is time to stop everything; the text says why."""


class Orders:
    """What the guard is asked to do, by its program and by signals, and what it says to that."""

    def __init__(self) -> None:
        """Listen from now on."""
        self._parent = os.getppid()
        self._heard = self._unsaid = b""
        self._signals = self._signals_obeyed = 0
        self._selector = selectors.DefaultSelector()
        self._selector.register(STDIN, selectors.EVENT_READ)
        self._selector.register(self._signal_pipe(), selectors.EVENT_READ)
        os.set_blocking(STDOUT, False)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._count_signal)
        # Not SIG_IGN, which the processes started from here would inherit.
        signal.signal(signal.SIGINT, lambda *_: None)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # merely ends the wait below

    def wait(self, seconds: float) -> list[dict[str, Any]]:
        """Return the requests that came within the time; a signal ends the wait as well.

        Raises:
            StopOrder: the program closed its end, or ended, or somebody sent SIGTERM or SIGHUP.
        """
        self._flush()
        for key, _ in self._selector.select(max(0.0, min(seconds, LOOK_EVERY))):
            data = os.read(key.fd, 65536)
            if key.fd == STDIN:
                if not data:
                    raise StopOrder("standard input ended")
                self._heard += data
        if self.urgent():
            raise StopOrder("signal")
        if os.getppid() != self._parent:
            raise StopOrder("the keeper is gone")
        *lines, self._heard = self._heard.split(b"\n")
        return [json.loads(line) for line in lines]

    def say(self, **message: Any) -> None:
        """Send the program a line of JSON, without ever waiting for it."""
        if len(self._unsaid) < MOST_UNREAD:
            self._unsaid += json.dumps(message).encode("ascii") + b"\n"
        self._flush()

    def obey(self) -> None:
        """Take the signals that came so far as one order; a later one means: hurry."""
        self._signals_obeyed = self._signals

    def urgent(self) -> bool:
        """Return whether another signal came since `obey`."""
        return self._signals > self._signals_obeyed

    def _flush(self) -> None:
        with contextlib.suppress(BlockingIOError):
            try:
                while self._unsaid:
                    self._unsaid = self._unsaid[os.write(STDOUT, self._unsaid) :]
            except BrokenPipeError:  # the program is gone: nobody to tell
                self._unsaid = b""

    def _count_signal(self, *_: object) -> None:
        self._signals += 1

    def _signal_pipe(self) -> int:
        read, write = os.pipe()
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        return read
