"""Requests in, the guard process' answers and news out: the program's end of its pipes."""

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from services.shared.errors import LocalServersError

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """A spawned process (or a server) ended by itself; a negative code is a signal's number."""

    name: str
    pid: int
    code: int
    #: Seconds until it is started again; None when it will not be.
    restart_in_s: float | None


class GuardLink:
    """A guard process that this program started."""

    def __init__(self, specification: Mapping[str, Any], log: Path) -> None:
        """Start the guard process; `ready` tells when it is."""
        self._owner = os.getpid()
        self._log = log
        self._buffer = b""
        self._exits: deque[Exit] = deque()
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        with log.open("ab") as stderr:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-P", "-m", "services.local.guard", json.dumps(specification)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env={**os.environ, "PYTHONPATH": path},
                cwd="/",
                start_new_session=True,  # Ctrl-C must not reach the servers before their users
            )
        self._requests = cast("IO[bytes]", self._process.stdin)
        self._messages = cast("IO[bytes]", self._process.stdout)

    def ready(self) -> dict[str, str]:
        """Wait until the servers are ready, and return their addresses."""
        return dict(self._answer("ready"))

    def ask(self, **request: Any) -> Any:
        """Send a request and return its answer.

        Raises:
            LocalServersError: the guard refuses, or is gone.
        """
        try:
            self._requests.write(json.dumps(request).encode("ascii") + b"\n")
            self._requests.flush()
        except (BrokenPipeError, ValueError) as error:
            raise LocalServersError(f"the servers' guard is gone; {self._log} says why") from error
        return self._answer("answer")

    def next_exit(self, timeout: float | None) -> Exit | None:
        """Return the next exit that the guard tells of; None after `timeout` seconds."""
        until = None if timeout is None else time.monotonic() + timeout
        if self._exits:
            return self._exits.popleft()
        message = self.next_message(until)
        return Exit(**message["exit"]) if message else None

    def next_message(self, until: float | None) -> dict[str, Any]:
        """Return the next line that the guard writes; empty at the time `until` (monotonic).

        Raises:
            LocalServersError: the guard says that it failed, or ended without a word.
        """
        while b"\n" not in self._buffer:
            left = None if until is None else max(0.0, until - time.monotonic())
            if not self._readable(left):
                return {}
            if not self._read():
                raise LocalServersError(f"the servers' guard ended; {self._log} says why")
        line, self._buffer = self._buffer.split(b"\n", 1)
        message: dict[str, Any] = json.loads(line)
        if "failed" in message:
            raise LocalServersError(message["failed"])
        return message

    def lost(self) -> bool:
        """Return whether the guard process ended without being asked to."""
        while not self._requests.closed and self._readable(0):
            if not self._read():
                return True
        return False

    def stop(self) -> None:
        """Have the guard stop everything, and wait for it; Ctrl-C tells it to hurry."""
        if os.getpid() != self._owner:  # a fork of the program must not stop what it does not own
            return
        lost = self.lost()
        self._requests.close()
        try:
            self._process.wait()
        except BaseException:  # KeyboardInterrupt, or what a handler of signals raises
            self._process.send_signal(signal.SIGTERM)
            self._process.wait()
            if not lost:  # else it is the keeper's word for what we know
                raise
        finally:
            self._messages.close()

    def _answer(self, name: str) -> Any:
        while True:
            message = self.next_message(None)
            if name in message:
                return message[name]
            if "refused" in message:
                raise LocalServersError(message["refused"])
            self._exits.append(Exit(**message["exit"]))

    def _readable(self, seconds: float | None) -> bool:
        with selectors.DefaultSelector() as selector:
            selector.register(self._messages, selectors.EVENT_READ)
            return bool(selector.select(seconds))

    def _read(self) -> bool:
        data = os.read(self._messages.fileno(), 65536)
        self._buffer += data
        return bool(data)
