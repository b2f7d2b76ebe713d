"""The product as processes, for as long as a benchmark runs: servers, and a worker."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.pages import ROOT
from services.cli.session import environment
from services.local import Stack, start
from services.shared import settings as settings_module
from services.shared.settings import Settings
from services.storage.migrate import migrate


@contextmanager
def servers(
    state: Path | None = None, *, durable: bool = True, **given: object
) -> Iterator[tuple[Stack, Settings]]:
    """Give embedded servers with a database of ours, and settings for them.

    It is empty and goes with the benchmark; what is in a `state` stays there, for the next run.
    """
    with (
        tempfile.TemporaryDirectory(prefix="rasid-benchmark-") as temporary,
        start(state or Path(temporary), durable=durable) as stack,
    ):
        migrate(stack.database_url)
        yield (
            stack,
            settings_module.load(
                database_url=stack.database_url,
                redis_url=stack.redis_url,
                redis_bodies_url=stack.redis_bodies_url,
                **given,
            ),
        )


def command(*words: str) -> list[str]:
    """Return a command of `rasid` as one that can be run."""
    return [sys.executable, "-P", "-m", "services.cli", *words]


def environ(settings: Settings, **more: str) -> dict[str, str]:
    """Return the environment in which a command uses these servers and says little."""
    ours = {"LOG_LEVEL": "WARNING", "PYTHONPATH": str(ROOT)}
    return {**os.environ, **environment(settings), **ours, **more}


@contextmanager
def worker(settings: Settings, processes: int, **more: str) -> Iterator[int]:
    """Give the process id of a worker that begins now, and end it in order."""
    more["RASID_CONCURRENCY"] = str(processes)
    process = subprocess.Popen(command("worker"), env=environ(settings, **more))
    try:
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(90)
