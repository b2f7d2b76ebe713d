"""Paths in; their pages on the queue, what was refused in Postgres, and a summary out.

Each page is published at least once: a container's position is written only after its pages are
on the queue, and a page's id makes a repeat harmless. Killed anywhere, the same command goes on.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Protocol, TypeVar

from services.importer import files
from services.importer.files import File
from services.importer.progress import Quiet, Report, Watcher
from services.importer.read import read
from services.importer.records import Found, Omitted, Refusal, is_source
from services.importer.summary import NAMED, Batch, Summary, Tally
from services.queue import Queue
from services.shared.backoff import Backoff
from services.shared.contracts import Lane, RawPage
from services.shared.errors import RasidError, TransientError
from services.shared.settings import Settings
from services.shared.sources import Source, as_known_today
from services.storage import Connection, Database, imports, raw_pages
from services.storage.imports import ImportKey, ImportStep, RefusedRow

#: How long a server that has never answered is waited for; one that has is waited for for ever.
PATIENCE_S = 120.0
#: Between two tries: at first, and at most.
WAIT_S = 1.0, 15.0
#: Refusals after which another reading may do better: the file is not finished with them.
MAY_RECOVER = frozenset({"unreadable", "missing"})

T = TypeVar("T")


class Sink(Protocol):
    """Where what was read goes."""

    def begin(self, file: File) -> int | None:
        """Return the last record of a container that is done already; None: all of them are."""

    def take(self, batch: Batch) -> int:
        """Take the batch for good and return how many of its pages were new."""


class Dry:
    """Takes nothing and keeps nothing; every page counts as new."""

    def begin(self, file: File) -> int | None:  # noqa: ARG002 - as the protocol has it
        """Return 0."""
        return 0

    def take(self, batch: Batch) -> int:
        """Count the pages."""
        return len(batch.pages)


class Publisher:
    """Publishes pages and writes down refusals and positions."""

    def __init__(self, settings: Settings, *, lane: Lane, again: bool, watcher: Watcher) -> None:
        """Prepare the connections; nothing is opened before it is needed."""
        if not settings.database_url:
            raise RasidError("DATABASE_URL is not set: say where Postgres is")
        self._queue = Queue(settings)
        self._database = Database(settings.database_url)
        self._lane = lane
        self._again = again
        self._watcher = watcher
        self._answered = False

    def begin(self, file: File) -> int | None:
        """Return the last record done, as the last import of this very file left it."""
        state = self._store(lambda tx: imports.begin(tx, _key(file), again=self._again))
        if state.finished:
            self._watcher.say(f"{file.origin}: already imported; --again to do it anyway")
            return None
        if state.position:
            self._watcher.say(f"{file.origin}: going on after record {state.position:,}")
        return state.position

    def take(self, batch: Batch) -> int:
        """Publish the new pages, then write down the rest."""
        published = self._publish(batch.pages)
        refused = [RefusedRow(r.origin, r.reason, r.detail) for r in batch.refusals]
        if batch.container:
            key = _key(batch.container)
            step = ImportStep(batch.position, len(batch.pages), refused, batch.finished)
            self._store(lambda tx: imports.advance(tx, key, step))
        elif refused:
            self._store(lambda tx: imports.refuse(tx, refused))
        return published

    def _publish(self, pages: Sequence[RawPage]) -> int:
        if not pages:
            return 0
        ids = [page.id for page in pages]
        known = set() if self._again else self._store(lambda tx: raw_pages.known(tx, ids))
        new = [page for page, page_id in zip(pages, ids, strict=True) if page_id not in known]
        self._queue.wait_for_room(lambda reason: self._watcher.say(f"waiting: {reason}"))
        return self._patiently(lambda: self._queue.publish(new, self._lane))

    def _store(self, action: Callable[[Connection], T]) -> T:
        return self._patiently(lambda: action(self._database.connection()))

    def _patiently(self, action: Callable[[], T]) -> T:
        """Do the action, again and again while a server is away."""
        deadline = time.monotonic() + PATIENCE_S
        backoff = Backoff(*WAIT_S)
        told = False
        while True:
            try:
                done = action()
            except TransientError as error:
                if not self._answered and time.monotonic() > deadline:
                    raise
                if not told:
                    self._watcher.say(f"waiting: {error}")
                told = True
                time.sleep(backoff.next())
            else:
                self._answered = True
                return done

    def close(self) -> None:
        """Close the connections."""
        self._database.close()


def run(  # noqa: PLR0913 - each is an option of the command
    paths: Sequence[Path],
    settings: Settings,
    *,
    lane: Lane = "bulk",
    source: str | None = None,
    again: bool = False,
    dry_run: bool = False,
    sources: Mapping[str, Source] = MappingProxyType({}),
    progress: Watcher | None = None,
) -> Summary:
    """Import every file of the paths and return what came of it.

    `source` names the source of pages that name none. `again` publishes what was imported before
    too. `dry_run` reads everything and needs no server. Pages of one of `sources`, by name, are
    read with its rules and its time zone, as the crawler's are.

    Raises:
        RasidError: settings are missing, or `source` is no name.
        TransientError: Postgres or Redis was away too long; the same call goes on from there.
    """
    watcher = progress or Quiet()
    if source is not None and not is_source(source):
        raise RasidError(f"not the name of a source: {source[:100]!r}")
    if dry_run:
        return _Import(settings, Dry(), watcher, source, sources).run(paths)
    publisher = Publisher(settings, lane=lane, again=again, watcher=watcher)
    try:
        return _Import(settings, publisher, watcher, source, sources).run(paths)
    finally:
        publisher.close()


class _Import:
    """One run over some paths."""

    def __init__(
        self,
        settings: Settings,
        sink: Sink,
        watcher: Watcher,
        source: str | None,
        sources: Mapping[str, Source],
    ) -> None:
        self._max_body_bytes = settings.max_body_bytes
        self._sink = sink
        self._watcher = watcher
        self._source = source
        self._sources = sources
        self._tally = Tally()

    def run(self, paths: Sequence[Path]) -> Summary:
        self._tally.bytes_total = sum(
            item.size_bytes for item in files.find(paths) if isinstance(item, File)
        )
        documents = Batch()
        for item in files.find(paths):
            if isinstance(item, Omitted | Refusal):
                self._add(documents, item)
            elif item.kind in files.CONTAINERS:
                self._container(item)
            else:
                self._document(documents, item)
            if documents.full:
                documents = self._flush(documents)
        self._flush(documents)
        return self._tally.summary(dry_run=isinstance(self._sink, Dry))

    def _document(self, batch: Batch, file: File) -> None:
        self._tally.files += 1
        for found in read(file, max_body_bytes=self._max_body_bytes):
            self._add(batch, found.outcome, file)
        self._tally.bytes_before += file.size_bytes
        self._report(file, 0)

    def _container(self, file: File) -> None:
        after = self._sink.begin(file)
        if after is None:
            self._tally.finished_before += 1
        else:
            self._tally.files += 1
            self._records(file, after)
        self._tally.bytes_before += file.size_bytes
        self._report(file, 0)

    def _records(self, file: File, after: int) -> None:
        batch = Batch(container=file, position=after)
        finished = True
        for found in read(file, max_body_bytes=self._max_body_bytes, after=after):
            self._add(batch, found.outcome, file)
            if _may_recover(found):
                finished = False
                break
            batch.position = found.number
            self._report(file, found.bytes_read)
            if batch.full:
                batch = self._flush(batch)
        batch.finished = finished
        self._flush(batch)

    def _add(
        self, batch: Batch, outcome: RawPage | Refusal | Omitted, file: File | None = None
    ) -> None:
        if isinstance(outcome, Refusal):
            self._tally.refuse(outcome)
            batch.refusals.append(outcome)
            self._name(outcome)
        elif isinstance(outcome, Omitted):
            self._tally.omitted[outcome.reason] += 1
        else:
            self._tally.page(file.kind if file else "html")
            page = replace(outcome, source=outcome.source or self._source)
            batch.add(as_known_today(page, self._sources))

    def _name(self, refusal: Refusal) -> None:
        if self._tally.refused <= NAMED:
            self._watcher.say(f"refused: {refusal.origin}: {refusal.reason}: {refusal.detail}")
        if self._tally.refused == NAMED:
            self._watcher.say("refused: more; they are counted, but named here no longer")

    def _flush(self, batch: Batch) -> Batch:
        """Hand the batch on, count it and return the next one."""
        if batch.pages or batch.refusals or batch.container:
            self._tally.published += self._sink.take(batch)
        return Batch(container=batch.container, position=batch.position)

    def _report(self, file: File, bytes_read: int) -> None:
        self._watcher.report(
            Report(
                origin=file.origin,
                bytes_read=self._tally.bytes_before + bytes_read,
                bytes_total=self._tally.bytes_total,
                pages=self._tally.pages,
                refused=self._tally.refused,
            )
        )


def _may_recover(found: Found) -> bool:
    return isinstance(found.outcome, Refusal) and found.outcome.reason in MAY_RECOVER


def _key(file: File) -> ImportKey:
    return ImportKey(file.key, file.size_bytes, file.modified_ns)
