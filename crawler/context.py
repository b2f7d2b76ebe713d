"""What the parts of one crawl share: settings, sources, store, queue, and whether it goes on."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from crawler.store import Store
from crawler.summary import Progress, Reporter
from services.queue import Queue
from services.shared.errors import RasidError
from services.shared.frontier import Job
from services.shared.settings import Settings
from services.shared.sources import Source


@dataclass(kw_only=True)
class Context:
    """One crawl. It is put together by `run` and handed to the spider."""

    settings: Settings
    sources: dict[str, Source]
    once: bool
    store: Store
    queue: Queue
    reporter: Reporter
    #: All of the file, also what is not enabled; nothing where the crawl is for some of it only.
    file: Sequence[Source] = ()
    #: The crawl ends when this is done.
    job: Job | None = None
    #: Whether what is due without a job is done too.
    with_live: bool = True
    #: Set while pages may be fetched; cleared while the queue is full or away.
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    #: Set once the crawl is to end: nothing is tried again from then on.
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    #: Why the crawl ended, if it was not meant to.
    error: BaseException | None = None


def make_context(
    settings: Settings,
    sources: Sequence[Source],
    *,
    once: bool,
    progress: Progress,
    job: Job | None = None,
) -> Context:
    """Return a context; nothing is opened yet.

    Raises:
        RasidError: the settings do not say where Postgres and Redis are.
    """
    if not settings.database_url:
        raise RasidError("DATABASE_URL is not set")
    closing = asyncio.Event()
    context = Context(
        settings=settings,
        sources={source.name: source for source in sources},
        once=once,
        store=Store(settings.database_url, closing),
        queue=Queue(settings),
        reporter=Reporter(progress),
        closing=closing,
        job=job,
    )
    context.gate.set()
    return context
