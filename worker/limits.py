"""Bounds on what one page may take: CPU seconds by an alarm, memory by the operating system."""

import resource
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from services.shared.contracts import Article, DeadLetter, DeadLetterReason, Rejection
from services.shared.errors import PageTimeout
from services.shared.settings import MIB


def guarded(
    read: Callable[[], Article | Rejection], *, seconds: float, attempt: int = 1
) -> Article | Rejection | DeadLetter:
    """Return what `read` returns, or a dead letter that says how it failed."""
    try:
        with cpu_limit(seconds):
            return read()
    except PageTimeout:
        return _letter("time_limit", f"more than {seconds:g} s of CPU", attempt)
    except MemoryError:
        # Caught here because a MemoryError that leaves a task ends Celery's main process.
        return _letter("memory_limit", "more memory than a page may take", attempt)
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not be lost
        return _letter("error", f"{type(error).__name__}: {error}", attempt)


def _letter(reason: DeadLetterReason, detail: str, attempt: int) -> DeadLetter:
    return DeadLetter(
        reason=reason, detail=detail, traceback=traceback.format_exc(), attempts=attempt
    )


@contextmanager
def cpu_limit(seconds: float) -> Iterator[None]:
    """Raise PageTimeout in the block after so much CPU time of this process.

    CPU, not wall time: a machine that is busy or asleep must not fail a page. The alarm repeats,
    since a library may swallow the first; C code that never returns to Python is ended by the
    task's own limit. Main thread only.
    """

    def ring(_signal: int, _frame: FrameType | None) -> None:
        raise PageTimeout

    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, seconds, 1.0)
    try:
        yield
    finally:
        # A last ring may come while the alarm is being turned off.
        while True:
            try:
                signal.setitimer(signal.ITIMER_PROF, 0)
                signal.signal(signal.SIGPROF, before)
            except PageTimeout:
                continue
            break


def memory_limit(megabytes: int) -> int:
    """Return the bytes of data this process has now plus so many megabytes."""
    data_pages = int(Path("/proc/self/statm").read_text("ascii").split()[5])
    return data_pages * resource.getpagesize() + megabytes * MIB


def limit_memory(megabytes: int) -> None:
    """Make allocations fail (MemoryError) beyond what this process has now plus so much."""
    limit = memory_limit(megabytes)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
