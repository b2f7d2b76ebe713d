"""The one Celery task: a chunk of page ids through the pipeline."""

import random
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from celery import Celery, Task

from services.queue import TASK, Queue
from services.queue.brake import Braked
from services.shared.backoff import Backoff
from services.shared.contracts import Lane
from services.shared.errors import NotMigrated, TransientError
from services.shared.observability import get_logger
from services.shared.settings import Settings
from services.storage import Database, Limits
from worker import pipeline
from worker.stories import Documents

BACKOFF_S = 0.5, 15.0
#: While the brake is on a process looks again after about this time.
BRAKED_S = 3.0

log = get_logger()


@dataclass(slots=True)
class Edges:
    """What a worker process holds open: its queue and its database, and how long it backs off."""

    settings: Settings
    queue: Queue
    database: Database
    documents: Documents = field(default_factory=Documents)
    backoff: Backoff = field(default_factory=lambda: Backoff(*BACKOFF_S))

    @classmethod
    def of(cls, settings: Settings) -> "Edges":
        """Prepare the edges of this process; nothing is opened yet."""
        limits = Limits(patience_s=settings.postgres_timeout_s)
        database = Database(settings.database_url or "", limits)
        return cls(settings, Queue(settings), database)


def run(edges: Edges, lane: Lane, ids: Sequence[str]) -> None:
    """Process a chunk; while Postgres or Redis is away, wait a little and send it again."""
    try:
        if braked := edges.queue.brake.state():
            _wait_or_try(edges, lane, ids, braked)
        else:
            _process(edges, lane, ids)
    except (TransientError, NotMigrated) as error:
        _put_back(edges, lane, ids, error)
    except MemoryError:
        # It must not leave the task: it would end Celery's main process.
        _send_alone(edges, lane, ids)


def _process(edges: Edges, lane: Lane, ids: Sequence[str]) -> None:
    started = time.monotonic()
    decisions = pipeline.process(
        ids,
        lane,
        edges.queue,
        edges.database.connection(),
        edges.settings,
        documents=edges.documents,
    )
    edges.backoff.reset()
    statuses = [decision.status for decision in decisions]
    log.info(
        "processed",
        lane=lane,
        pages=len(ids),
        seconds=round(time.monotonic() - started, 3),
        **{status: statuses.count(status) for status in sorted(set(statuses))},
    )
    # What failed before says nothing of today.
    counted = [found for found in decisions if found.before != "dead_letter"]
    letters = [(found.detail or "") if found.status == "dead_letter" else "" for found in counted]
    with suppress(TransientError):
        if braked := edges.queue.brake.note(letters):
            log.error("brake on: no pages are taken", reason=braked.reason)


def _wait_or_try(edges: Edges, lane: Lane, ids: Sequence[str], braked: Braked) -> None:
    """Take no page while the brake is on, but for one, now and then, to see whether it goes."""
    if not edges.queue.brake.begin_trial(braked):
        # The pages stay pending, and so does the word of them.
        time.sleep(BRAKED_S * random.uniform(0.5, 1))  # noqa: S311 - jitter
        edges.queue.send(ids, lane)
        return
    chosen = random.choice(ids)  # noqa: S311 - not always the same, which may be the culprit
    edges.queue.send([page_id for page_id in ids if page_id != chosen], lane)
    failed: bool | None = None
    try:
        failed = pipeline.fails(
            chosen, lane, edges.queue, edges.database.connection(), edges.settings
        )
    finally:
        edges.queue.brake.end_trial(braked, failed=failed)
    if failed:
        edges.queue.send([chosen], lane, alone=True)
        log.error("brake stays on", reason=braked.reason)
    elif failed is False:
        log.warning("brake off: a page was stored", lasted_s=round(time.time() - braked.since))


def _put_back(edges: Edges, lane: Lane, ids: Sequence[str], error: Exception) -> None:
    """It was not the pages' fault: take the attempt back, wait, and tell the workers again."""
    wait = edges.backoff.next()
    log.warning("put back", lane=lane, pages=len(ids), error=str(error), wait_s=round(wait, 1))
    # What cannot be said now, because Redis is away, the reconciler says later.
    with suppress(TransientError):
        edges.queue.attempts.forgive(ids)
    time.sleep(wait)
    with suppress(TransientError):
        edges.queue.send(ids, lane)


def _send_alone(edges: Edges, lane: Lane, ids: Sequence[str]) -> None:
    """Memory ran out: wait, and have each page tried with none beside it.

    The attempt counts for a page that was alone already; of several nobody knows whose it was.
    """
    wait = edges.backoff.next()
    log.warning("out of memory", lane=lane, pages=len(ids), wait_s=round(wait, 1))
    if len(ids) > 1:
        with suppress(TransientError):
            edges.queue.attempts.forgive(ids)
    time.sleep(wait)
    with suppress(TransientError):
        edges.queue.send(ids, lane, alone=True)


def register(app: Celery, settings: Settings) -> None:
    """Define the task on the application; its edges are made in each process that runs it.

    It is told only what `services.queue.messages` lets through: a lane and ids of pages.
    """
    edges: list[Edges] = []

    @app.task(name=TASK, bind=True)  # type: ignore[untyped-decorator]
    def process(_task: Task, lane: Lane, ids: Sequence[str]) -> None:
        if not edges:
            edges.append(Edges.of(settings))
        run(edges[0], lane, ids)
