"""A source and days, or a list of addresses, go in; all of it is fetched, after what is new.

Both are jobs in the store: killed halfway, the same command goes on where it was.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from crawler import run as crawler_run
from crawler import walking
from services.shared import urls
from services.shared.errors import InvalidUrl, RasidError
from services.shared.frontier import Job, JobProgress, ListedLink
from services.shared.settings import Settings
from services.shared.sources import CrawlPolicy, Rules, Source
from services.storage import Connection, connect, jobs, sources

#: Lines that become links in one transaction.
BATCH = 1000
MAX_LINE = 64 * 1024
CHUNK = 1024 * 1024
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A job as far as it has come. `is_resumed`: an earlier command had begun it."""

    job: Job
    progress: JobProgress
    reasons: list[tuple[str, str, int]]
    is_resumed: bool


def backfill(  # noqa: PLR0913 - all but two are by keyword only
    settings: Settings,
    source: Source,
    *,
    since: datetime,
    until: datetime,
    input_: str,
    archives: Sequence[str] = (),
    dry_run: bool = False,
    progress: Progress,
) -> Done:
    """Fetch what the source's sitemaps and these archives list of the days wanted.

    In a dry run only they are read. `input_` is by what the same backfill is known again.

    Raises:
        RasidError: the database is not fit for it.
    """
    with closing(connect(_database(settings))) as connection, connection.transaction():
        sources.save(connection, [source])
        job, is_new = jobs.begin(
            connection,
            "backfill",
            input_,
            source=source.name,
            since=since,
            until=until,
            is_dry_run=dry_run,
        )
        if is_new:
            _add_roots(connection, job, source, archives)
    return _work_off(settings, [source], job, progress, with_live=not dry_run, is_new=is_new)


def _add_roots(tx: Connection, job: Job, source: Source, archives: Sequence[str]) -> None:
    jobs.add_known_roots(tx, job)
    sitemaps = walking.usual_places(source.home_page)
    jobs.add_roots(tx, job.id, source.name, sitemaps, kind="sitemap")
    for url in archives:
        jobs.add_roots(tx, job.id, source.name, [url], kind=walking.kind_of(url))


def fetch(  # noqa: PLR0913 - all but three are by keyword only
    settings: Settings,
    every_source: Sequence[Source],
    addresses: Sequence[str] | Path,
    *,
    source: Source | None = None,
    again: bool = False,
    progress: Progress,
) -> Done:
    """Fetch addresses, given or from a file with one a line.

    They belong to `source`, else to the source whose site they are of, else to none.

    Raises:
        RasidError: the file cannot be read, or the database is not fit for it.
    """
    known = (source,) if source else every_source
    owner = _Owner(known, source)
    input_ = _input_of(addresses) + (" again" if again else "")
    with closing(connect(_database(settings))) as connection:
        with connection.transaction():
            sources.save(connection, every_source)
            sources.retire(connection, [one.name for one in every_source if not one.enabled])
            job, is_new = jobs.begin(connection, "fetch", input_)
            gone = set(sources.names(connection)).difference(one.name for one in every_source)
        with closing(_Lines(addresses)) as lines:
            lines.skip_to(job.position)
            while batch := lines.batch():
                links, invalid = _links_of(batch, owner)
                at = lines.position
                with connection.transaction():
                    jobs.add_addresses(
                        connection, job, links, position=at, invalid=invalid, again=again
                    )
                progress(f"{lines.position:,} bytes of the list read")
        used = jobs.sources_of(connection, job.id)
    # A long list must not keep a host from what is new on it.
    with_live = isinstance(addresses, Path)
    # What another source needs, a browser above all, need not be there.
    needed = [one for one in every_source if one.name in used or (with_live and one.enabled)]
    chosen = [*needed, *(_without_feeds(name) for name in ["", *sorted(gone)])]
    return _work_off(settings, chosen, job, progress, with_live=with_live, is_new=is_new)


def _without_feeds(name: str) -> Source:
    """Return by what addresses are fetched that no source of the file claims."""
    return Source.model_construct(
        name=name,
        title=name,
        home_page="",
        country=None,
        language=None,
        time_zone=None,
        enabled=False,
        crawl=CrawlPolicy(),
        rules=Rules(),
        feeds=(),
    )


def _work_off(  # noqa: PLR0913 - two are by keyword only
    settings: Settings,
    chosen: Sequence[Source],
    job: Job,
    progress: Progress,
    *,
    with_live: bool,
    is_new: bool,
) -> Done:
    crawler_run.run(settings, chosen, once=False, progress=progress, job=job, with_live=with_live)
    with closing(connect(_database(settings))) as connection, connection.transaction():
        found = jobs.progress(connection, job.id)
        if found.is_done:
            jobs.end(connection, job.id)
        reasons = jobs.reasons(connection, job.id)
    return Done(job=job, progress=found, reasons=reasons, is_resumed=not is_new)


def invalid_lines(addresses: Sequence[str] | Path) -> Iterator[tuple[str, str]]:
    """Yield each line of a list that is no address, and why."""
    with closing(_Lines(addresses)) as lines:
        while batch := lines.batch():
            for line in batch:
                try:
                    urls.clean(line)
                except InvalidUrl as error:
                    yield line, str(error)


class _Owner:
    """Tells whose an address is, by its site."""

    def __init__(self, known: Sequence[Source], always: Source | None) -> None:
        self._always = always.name if always else None
        self._by_site = {urls.site(source.home_page): source.name for source in reversed(known)}

    def of(self, url: str) -> str:
        return self._always or self._by_site.get(urls.site(url), "")


def _links_of(batch: Sequence[str], owner: _Owner) -> tuple[list[tuple[ListedLink, str]], int]:
    links = []
    for line in batch:
        try:
            url = urls.clean(line)
        except InvalidUrl:
            continue
        links.append((ListedLink(url=url), owner.of(url)))
    return links, len(batch) - len(links)


class _Lines:
    """The lines of a list, a batch at a time; empty ones and those after # are left out."""

    def __init__(self, addresses: Sequence[str] | Path) -> None:
        self._given = None if isinstance(addresses, Path) else list(addresses)
        self._file: BinaryIO | None = None
        if isinstance(addresses, Path):
            self._file = _opened(addresses)
        #: Bytes of the file, or addresses given, that were read.
        self.position = 0

    def skip_to(self, position: int) -> None:
        self.position = position
        if self._file:
            self._file.seek(position)

    def batch(self) -> list[str]:
        if self._file is None:
            found = (self._given or [])[self.position : self.position + BATCH]
            self.position += len(found)
            return found
        lines: list[str] = []
        while len(lines) < BATCH and (line := self._file.readline(MAX_LINE)):
            text = line.decode("utf-8-sig", "replace").strip()
            if text and not text.startswith("#"):
                lines.append(text)
        self.position = self._file.tell()
        return lines

    def close(self) -> None:
        if self._file:
            self._file.close()


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise RasidError(f"cannot read {path}: {error.strerror}") from error


def _input_of(addresses: Sequence[str] | Path) -> str:
    if isinstance(addresses, Path):
        digest = hashlib.sha256()
        with _opened(addresses) as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
        return f"file {digest.hexdigest()}"
    digest = hashlib.sha256("\n".join(addresses).encode())
    return f"given {digest.hexdigest()}"


def _database(settings: Settings) -> str:
    if not settings.database_url:
        raise RasidError("DATABASE_URL is not set")
    return settings.database_url
