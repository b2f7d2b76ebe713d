"""A worker that failed ends, whatever hangs while it shuts down."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from services.cli.session import environment
from services.shared.settings import Settings
from tests.patience import PATIENCE_S
from worker.guards import STALLED_EXIT

ROOT = Path(__file__).resolve().parents[2]
#: A worker that fails once it runs, and then hangs in its shutdown.
PROGRAM = """
import ctypes
import sys
import time

from billiard import active_children
from celery import bootsteps

from services.shared import settings
from worker import app, guards

if sys.argv[1] in ("python", "c"):
    guards.FAILED_GRACE_S = guards.CERTAIN_AFTER_S = 1.0
elif sys.argv[1] == "loop":
    guards.LOOK_EVERY_S, guards.WATCH_EVERY_S, guards.SILENT_WAITS = 0.1, 0.5, 0.1
else:  # nothing hangs, however long it takes
    guards.FAILED_GRACE_S = app.FAILED_GRACE_S = 200.0
make = app.make_app


class Fails(bootsteps.StartStopStep):
    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, parent):
        print(*(child.pid for child in active_children()), file=sys.__stdout__, flush=True)
        if sys.argv[1] == "loop":
            parent.timer.call_after(0.5, hang)
            return
        raise ZeroDivisionError("a bug")


def hang():
    time.sleep(600)


class Hangs(bootsteps.StartStopStep):
    requires = ("worker.guards:EndGuard",)

    def close(self, parent):
        if sys.argv[1] == "python":
            hang()
        elif sys.argv[1] == "c":
            ctypes.PyDLL(None).sleep(600)  # no thread of Python gets to run


def failing(settings):
    made = make(settings)
    made.steps["consumer"].add(Fails)
    made.steps["worker"].add(Hangs)
    return made


app.make_app = failing
app.main(settings.load())
"""


@pytest.mark.parametrize(
    ("where", "code"),
    [("python", STALLED_EXIT), ("c", 1), ("nowhere", 1), ("loop", STALLED_EXIT)],
)
def test_a_worker_that_hangs_in_its_shutdown_ends(
    settings: Settings, where: str, code: int
) -> None:
    """A worker that fails or hangs ends with its processes, not as 0, and says where it hung."""
    worker = subprocess.Popen(
        [sys.executable, "-P", "-c", PROGRAM, where],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            **environment(settings),
            "RASID_CONCURRENCY": "2",
        },
        text=True,
    )
    try:
        assert worker.stdout is not None
        children = [int(pid) for pid in worker.stdout.readline().split()]

        assert len(children) == 2
        assert worker.wait(PATIENCE_S) == code
        for pid in children:
            _wait_until_gone(pid)
        told = worker.communicate()[1]
        assert ("hang <string>" in told) == (code == STALLED_EXIT), told
    finally:
        worker.kill()
        worker.communicate()


def _wait_until_gone(pid: int) -> None:
    try:
        process = psutil.Process(pid)
        if process.status() != psutil.STATUS_ZOMBIE:
            process.wait(PATIENCE_S)
    except psutil.NoSuchProcess:
        return
