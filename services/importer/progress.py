"""How an import is going; a live line on a terminal, a plain line now and then elsewhere, out."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, TextIO

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

PLAIN_EVERY_S = 5.0
LIVE_EVERY_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How far an import has come. `origin` is the file being read."""

    origin: str
    bytes_read: int
    bytes_total: int
    pages: int
    refused: int

    def line(self, seconds: float) -> str:
        """Return the report in words, with the pages a second since the beginning."""
        pace = f"{self.pages / seconds:,.0f} pages/s" if seconds > 0 else ""
        refused = f", {self.refused:,} refused" if self.refused else ""
        return (
            f"{decimal(self.bytes_read)} of {decimal(self.bytes_total)}, "
            f"{self.pages:,} pages{refused}, {pace}"
        )


class Watcher(Protocol):
    """Somebody to tell how an import goes."""

    def report(self, report: Report) -> None:
        """Take note of how far it has come; called for every page, so it must be quick."""

    def say(self, text: str) -> None:
        """Tell a person something worth a line."""


class Silent:
    """Tells nobody."""

    def report(self, report: Report) -> None:
        """Ignore it."""

    def say(self, text: str) -> None:
        """Ignore it."""


class Plain:
    """Writes a line every few seconds: for log files and pipes."""

    def __init__(self, stream: TextIO, every_s: float = PLAIN_EVERY_S) -> None:
        """Write to the stream."""
        self._stream = stream
        self._every_s = every_s
        self._started = self._last = time.monotonic()

    def report(self, report: Report) -> None:
        """Write the report, if the last one was some seconds ago."""
        now = time.monotonic()
        if now - self._last >= self._every_s:
            self._last = now
            self.say(f"{report.origin}: {report.line(now - self._started)}")

    def say(self, text: str) -> None:
        """Write the line."""
        print(text, file=self._stream, flush=True)


class Live:
    """Keeps one line of a terminal up to date."""

    def __init__(self, progress: Progress) -> None:
        """Draw on `progress`, which the caller starts and stops."""
        self._progress = progress
        self._task = progress.add_task("", total=None)
        self._started = time.monotonic()
        self._last = 0.0

    def report(self, report: Report) -> None:
        """Show the report."""
        now = time.monotonic()
        if now - self._last < LIVE_EVERY_S:
            return
        self._last = now
        self._progress.update(
            self._task,
            total=report.bytes_total,
            completed=report.bytes_read,
            description=report.line(now - self._started),
        )

    def say(self, text: str) -> None:
        """Write the text above the line."""
        self._progress.console.print(text, markup=False, highlight=False)


@contextmanager
def shown(stream: TextIO | None = None) -> Iterator[Watcher]:
    """Yield a watcher that writes to the stream (stderr): live on a terminal, else plain."""
    console = Console(file=stream or sys.stderr)
    if not console.is_terminal:
        yield Plain(stream or sys.stderr)
        return
    columns = (SpinnerColumn(), BarColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress:
        yield Live(progress)
