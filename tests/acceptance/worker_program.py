"""A real worker whose reading of a page can be made to fail by a word in the page.

It stands for an extractor that hangs or crashes on a page nobody has seen yet; with NEWER set, for
another version of the extractor. Each try of a word is a line in the file TRIES.
"""

import ctypes
import os
import re
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from services.shared import settings
from services.shared.contracts import Article, RawPage, Rejection
from worker import app, pipeline

read = pipeline.read


def hang_in_python() -> None:
    """Swallow every exception, like some libraries."""
    while True:
        try:
            time.monotonic()
        except Exception:  # noqa: BLE001 - that is the point
            continue


def hang_in_c() -> None:
    """Never come back to where an alarm is seen."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGPROF])
    ctypes.CDLL(None).pause()


def bloat() -> None:
    """Take memory without end, and next to no time: nothing is written to it."""
    filler = [bytes(10_000_000)]
    while True:
        filler.append(bytes(10_000_000))


def fail() -> None:
    """Have a bug."""
    raise ZeroDivisionError("a bug")


DO: dict[bytes, Callable[[], object]] = {
    b"HANG-IN-PYTHON": hang_in_python,
    b"HANG-IN-C": hang_in_c,
    b"CRASH": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    b"KILLED": lambda: os.kill(os.getpid(), signal.SIGKILL),
    b"EXIT": lambda: os._exit(3),
    b"REGEX": lambda: re.match(r"(a+)+$", "a" * 64 + "!"),
    b"BLOAT": bloat,
    b"RAISE": fail,
}


def failing(page: RawPage, max_body_bytes: int) -> Article | Rejection:
    """Do what the page says, or read it."""
    for word, do in DO.items():
        if word in page.body:
            if "TRIES" in os.environ:
                with Path(os.environ["TRIES"]).open("ab") as tries:
                    tries.write(word + b"\n")
            do()
    if "NEWER" in os.environ:
        page = replace(page, body=page.body.replace(b"harbour", b"seaport"))
    return read(page, max_body_bytes)


if __name__ == "__main__":
    pipeline.read = failing
    if "NEWER" in os.environ:
        pipeline.EXTRACTOR_VERSION = 2  # type: ignore[attr-defined]
    app.main(settings.load())
