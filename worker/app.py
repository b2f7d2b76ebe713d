"""The worker: Celery with prefork, made to come back from every failure that was provoked."""

import ctypes
import re
import signal
import sys
import warnings
from typing import Any

from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery import Celery, signals
from celery.exceptions import SecurityWarning

from services.queue import Queue
from services.queue.broker import CELERY_QUEUES, make_celery
from services.shared.errors import TransientError
from services.shared.observability import configure_logging, get_logger
from services.shared.settings import Settings
from worker import limits, tasks
from worker.extract import warm
from worker.guards import FAILED_GRACE_S, TOLD_GRACE_S, EndGuard, StallGuard, end_within

PR_SET_PDEATHSIG = 1
#: What billiard says of a process that ended; the rest of its words is never the same twice.
ENDED = re.compile(r"signal \d+(?: \(\w+\))?|exitcode \d+")

log = get_logger()


def make_app(settings: Settings) -> Celery:
    """Return the Celery application of a worker."""
    app = make_celery(settings)
    app.conf.update(
        task_acks_late=True,
        # On: a chunk whose process died would come back for ever. The reconciler counts instead.
        task_reject_on_worker_lost=False,
        task_acks_on_failure=True,
        task_acks_on_timeout=True,
        task_time_limit=settings.task_time_limit_s,
        worker_concurrency=settings.concurrency,
        worker_prefetch_multiplier=1,
        worker_max_tasks_per_child=200,
        worker_max_memory_per_child=settings.page_memory_limit_mb * 1024,
        worker_eta_task_limit=100,
        worker_hijack_root_logger=False,
        worker_consumer="worker.consumer:Consumer",
        worker_pool="worker.pool:Pool",
        # Nobody who reaches the broker gives orders to workers. And it is the one read of Celery's
        # loop without a time limit.
        worker_enable_remote_control=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        # A broker at its memory limit answers with an error that would end the worker.
        broker_channel_error_retry=True,
    )
    app.steps["consumer"].add(StallGuard)
    app.steps["worker"].add(EndGuard)
    tasks.register(app, settings)
    return app


def main(settings: Settings) -> None:
    """Run a worker until SIGTERM or SIGINT, which let tasks that run come to their end.

    One that fails raises SystemExit, so that whoever looks at its exit code starts it again.
    """
    configure_logging(settings, process="worker")
    # Celery warns root of pickle; only JSON is accepted here.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    app = make_app(settings)
    signals.setup_logging.connect(lambda **_: None, weak=False)  # ours is set up already
    signals.worker_process_init.connect(_start_child(settings), weak=False)
    signals.task_failure.connect(_resend_lost(settings), weak=False)
    signals.worker_shutting_down.connect(
        lambda **_: end_within(settings.task_time_limit_s + TOLD_GRACE_S), weak=False
    )
    workers: list[Any] = []
    signals.worker_init.connect(lambda sender, **_: workers.append(sender), weak=False)
    warm()
    log.info("worker starts", concurrency=settings.concurrency)
    try:
        app.worker_main(
            [
                "--quiet",
                "worker",
                f"--queues={','.join(CELERY_QUEUES.values())}",
                "--without-gossip",
                "--without-mingle",
                "--without-heartbeat",
                "--loglevel=WARNING",
            ]
        )
        # Celery tells its code to nobody, and a worker that failed would seem to have been told.
        if code := workers[0].exitcode:
            sys.exit(code)
    finally:
        # What ends Python waits for threads and processes, which may never end.
        end_within(FAILED_GRACE_S)


def _start_child(settings: Settings) -> Any:
    def start(**_: object) -> None:
        if sys.platform == "linux":
            # Whatever ends the parent ends its children: nobody works on unseen.
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            limits.limit_memory(settings.page_memory_limit_mb)

    return start


def _resend_lost(settings: Settings) -> Any:
    """A chunk whose process died or hung: its pages go again at once, each alone."""
    queue = Queue(settings)

    def resend(exception: object = None, args: Any = None, **_: object) -> None:
        if not isinstance(exception, WorkerLostError | TimeLimitExceeded) or not args:
            return
        lane, ids = args
        how = _how_lost(exception, len(ids), settings)
        log.warning("process lost", lane=lane, pages=len(ids), how=how)
        try:
            queue.attempts.note_lost(ids, how)
            queue.send(ids, lane, alone=True)
        except TransientError as error:
            log.warning("left to the reconciler", error=str(error))

    return resend


def _how_lost(error: WorkerLostError | TimeLimitExceeded, pages: int, settings: Settings) -> str:
    """Return in words, for people, how a process ended, the same for all that end so."""
    if isinstance(error, TimeLimitExceeded):
        how = f"it hung, and was killed after {settings.task_time_limit_s:g} s"
    else:
        found = ENDED.search(str(error))
        how = f"it ended with {found[0]}" if found else "it ended"
    return f"{how}, with {pages - 1} other pages" if pages > 1 else how
