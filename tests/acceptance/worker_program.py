"""A real worker whose reading of a page can be made to fail by a word in the page.

It stands for an extractor that hangs or crashes on a page nobody has seen yet.
"""

import ctypes
import os
import signal
import time

from services.shared import settings
from services.shared.contracts import Article, RawPage, Rejection
from worker import app, pipeline

read = pipeline.read


def failing(page: RawPage, max_body_bytes: int) -> Article | Rejection:
    """Do what the page says, or read it."""
    if b"HANG-IN-PYTHON" in page.body:
        while True:
            try:
                time.monotonic()
            except Exception:  # noqa: BLE001 - like a library that swallows everything
                continue
    if b"HANG-IN-C" in page.body:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGPROF])
        ctypes.CDLL(None).pause()
    if b"CRASH" in page.body:
        os.kill(os.getpid(), signal.SIGSEGV)
    if b"BLOAT" in page.body:
        filler = [bytearray(10_000_000)]
        while True:
            filler.append(bytearray(10_000_000))
    if b"RAISE" in page.body:
        raise ZeroDivisionError("a bug")
    return read(page, max_body_bytes)


if __name__ == "__main__":
    pipeline.read = failing
    app.main(settings.load())
