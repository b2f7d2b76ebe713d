"""What commands share that run other processes: start them, wait for their work, stop in time."""

import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from types import FrameType

from services import reconciler
from services.cli.app import progress_console
from services.cli.session import Session, environment
from services.local import Stack
from services.queue import Queue
from services.queue.reconcile import Reconciler
from services.shared.errors import RasidError, TransientError

#: A worker that ends so often by itself will not do the work.
CRASHES = 4


def spawn(
    session: Session,
    stack: Stack,
    command: str,
    *arguments: str,
    restart: bool = True,
    env: Mapping[str, str] | None = None,
) -> None:
    """Run `rasid COMMAND ARGUMENTS` under the guard, on the servers of this session."""
    stack.spawn(
        command,
        [sys.executable, "-P", "-m", "services.cli", command, *arguments],
        env={**environment(session.settings), **(env or {})},
        restart=restart,
    )


def drain(session: Session, *, timeout_s: float = 3600) -> None:
    """Wait until the queue is empty, saying how much is left.

    On servers of this session there is no reconciler but this.

    Raises:
        RasidError: it is not empty in time, or the worker cannot be kept running.
    """
    crashes = 0
    queue = Queue(session.settings)
    reconciling = Reconciler(queue)
    end = time.monotonic() + timeout_s
    look_at = time.monotonic() + session.settings.reconcile_every_s
    with progress_console().status("worker starts") as shown:
        while time.monotonic() < end:
            try:
                total = queue.depth().total
            except TransientError as error:
                shown.update(str(error))
            else:
                if not total:
                    return
                shown.update(f"{total} pages to work off")
            if session.stack and time.monotonic() > look_at:
                look_at = time.monotonic() + session.settings.reconcile_every_s
                with suppress(TransientError):
                    reconciler.look(reconciling)
            if session.stack is None:
                time.sleep(0.2)
            elif ended := session.stack.wait(0.1):
                crashes += 1
                if crashes >= CRASHES:
                    log = session.stack.log(ended.name)
                    raise RasidError(f"{ended.name} ended {crashes} times; see {log}")
    raise RasidError("the queue is not empty yet: see `rasid status`")


def stop_on_signals() -> None:
    """Make SIGTERM, SIGHUP and SIGINT end this process in order, so that all it started stops."""

    def stop(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, stop)
