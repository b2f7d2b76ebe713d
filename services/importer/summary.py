"""Outcomes one by one in; batches to hand on, and at the end a summary, out."""

import time
from collections import Counter
from dataclasses import dataclass, field

from services.importer.files import File
from services.importer.records import Refusal
from services.shared.contracts import RawPage
from services.shared.settings import MIB

BATCH_PAGES = 100
BATCH_BYTES = 8 * MIB
BATCH_REFUSALS = 1000
#: Refusals the summary names; all of them are in Postgres.
NAMED = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What came of an import.

    `pages` were read, and of them `published` were new and `known` had been imported before, or
    were waiting to be. `refusals` holds the first hundred. `finished_before` counts containers
    left alone because all of them was imported before.
    """

    files: int
    finished_before: int
    pages: int
    published: int
    known: int
    pages_by_kind: dict[str, int]
    refused: int
    refused_by_reason: dict[str, int]
    refusals: tuple[Refusal, ...]
    omitted: dict[str, int]
    bytes_read: int
    seconds: float
    dry_run: bool


@dataclass(slots=True)
class Batch:
    """Pages and refusals that are handed on together; of one container, or of many documents."""

    container: File | None = None
    position: int = 0
    finished: bool = False
    pages: list[RawPage] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    size_bytes: int = 0

    def add(self, page: RawPage) -> None:
        """Add a page."""
        self.pages.append(page)
        self.size_bytes += len(page.body)

    @property
    def full(self) -> bool:
        """Whether it is time to hand it on."""
        return (
            len(self.pages) >= BATCH_PAGES
            or self.size_bytes >= BATCH_BYTES
            or len(self.refusals) >= BATCH_REFUSALS
        )


@dataclass(slots=True)
class Tally:
    """The running counts of an import."""

    files: int = 0
    finished_before: int = 0
    published: int = 0
    bytes_total: int = 0
    #: Of the files before the one being read.
    bytes_before: int = 0
    by_kind: Counter[str] = field(default_factory=Counter)
    by_reason: Counter[str] = field(default_factory=Counter)
    omitted: Counter[str] = field(default_factory=Counter)
    refusals: list[Refusal] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)
    pages: int = 0
    refused: int = 0

    def page(self, kind: str) -> None:
        """Count a page."""
        self.pages += 1
        self.by_kind[kind] += 1

    def refuse(self, refusal: Refusal) -> None:
        """Count a refusal, and keep the first ones."""
        self.refused += 1
        self.by_reason[refusal.reason] += 1
        if len(self.refusals) < NAMED:
            self.refusals.append(refusal)

    def summary(self, *, dry_run: bool) -> Summary:
        """Return the counts as they stand."""
        return Summary(
            files=self.files,
            finished_before=self.finished_before,
            pages=self.pages,
            published=self.published,
            known=self.pages - self.published,
            pages_by_kind=dict(self.by_kind),
            refused=self.refused,
            refused_by_reason=dict(self.by_reason),
            refusals=tuple(self.refusals),
            omitted=dict(self.omitted),
            bytes_read=self.bytes_before,
            seconds=time.monotonic() - self.started,
            dry_run=dry_run,
        )
