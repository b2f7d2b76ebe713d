"""The one Celery task: a chunk of page ids through the pipeline."""

import random
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from celery import Celery, Task

from services.queue import TASK, Queue
from services.shared.contracts import Lane
from services.shared.errors import NotMigrated, TransientError
from services.shared.observability import get_logger
from services.shared.settings import Settings
from services.storage import Database
from worker import pipeline
from worker.stories import Documents

BACKOFF_MAX_S = 15.0

log = get_logger()


@dataclass(slots=True)
class Edges:
    """What a worker process holds open: its queue and its database, and how long it backs off."""

    settings: Settings
    queue: Queue
    database: Database
    documents: Documents = field(default_factory=Documents)
    backoff_s: float = field(default=0.0)

    @classmethod
    def of(cls, settings: Settings) -> "Edges":
        """Prepare the edges of this process; nothing is opened yet."""
        return cls(settings, Queue(settings), Database(settings.database_url or ""))


def run(edges: Edges, lane: Lane, ids: Sequence[str]) -> None:
    """Process a chunk; while Postgres or Redis is away, wait a little and send it again."""
    started = time.monotonic()
    try:
        connection = edges.database.connection()
        decisions = pipeline.process(
            ids, lane, edges.queue, connection, edges.settings, documents=edges.documents
        )
    except (TransientError, NotMigrated) as error:
        _put_back(edges, lane, ids, error)
        return
    except MemoryError:
        # It must not leave the task: it would end Celery's main process. The attempts stay counted.
        log.warning("out of memory", lane=lane, pages=len(ids))
        with suppress(TransientError):
            edges.queue.send(ids, lane, alone=True)
        return
    edges.backoff_s = 0.0
    statuses = [decision.status for decision in decisions]
    log.info(
        "processed",
        lane=lane,
        pages=len(ids),
        seconds=round(time.monotonic() - started, 3),
        **{status: statuses.count(status) for status in sorted(set(statuses))},
    )


def _put_back(edges: Edges, lane: Lane, ids: Sequence[str], error: Exception) -> None:
    """It was not the pages' fault: take the attempt back, wait, and tell the workers again."""
    edges.backoff_s = min(BACKOFF_MAX_S, max(0.5, edges.backoff_s * 2))
    wait = edges.backoff_s * random.uniform(0.5, 1)  # noqa: S311 - jitter
    log.warning("put back", lane=lane, pages=len(ids), error=str(error), wait_s=round(wait, 1))
    # What cannot be said now, because Redis is away, the reconciler says later.
    with suppress(TransientError):
        edges.queue.forgive(ids)
    time.sleep(wait)
    with suppress(TransientError):
        edges.queue.send(ids, lane)


def register(app: Celery, settings: Settings) -> None:
    """Define the task on the application; its edges are made in each process that runs it."""
    edges: list[Edges] = []

    @app.task(name=TASK, bind=True)  # type: ignore[untyped-decorator]
    def process(_task: Task, lane: Lane, ids: list[str]) -> None:
        if not edges:
            edges.append(Edges.of(settings))
        run(edges[0], lane, ids)
