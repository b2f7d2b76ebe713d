"""How an import is going; a live line on a terminal, a plain line now and then elsewhere, out."""

import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Protocol, TextIO

from rich.filesize import decimal
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from services.importer.summary import NAMED, Summary
from services.shared.console import Console
from services.shared.terminal import harmless

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


class Quiet:
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
        self._stream.write(f"{harmless(text)}\n")
        self._stream.flush()


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
        self._progress.console.print(text, markup=False, highlight=False, emoji=False)


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


def report(summary: Summary, *, as_json: bool = False) -> None:
    """Print the summary to stdout: in words, or as one JSON object."""
    print(json.dumps(asdict(summary)) if as_json else harmless(words(summary)))  # noqa: T201 - its purpose


def words(summary: Summary) -> str:
    """Return the summary in a few lines."""
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in summary.pages_by_kind.items())
    lines = [
        (
            f"{'Would import' if summary.dry_run else 'Read'} {summary.pages:,} pages"
            f"{f' ({kinds})' if kinds else ''} from {summary.files:,} files, "
            f"{decimal(summary.bytes_read)}, in {summary.seconds:.1f} s."
        )
    ]
    if not summary.dry_run:
        lines.append(f"{summary.published:,} are new, {summary.known:,} were known already.")
    if summary.finished_before:
        lines.append(
            f"{summary.finished_before:,} files were imported before; --again to do it anyway."
        )
    if summary.omitted:
        lines.append(f"Left out: {_counts(summary.omitted)}.")
    if summary.refused:
        lines.append(f"Refused: {_counts(summary.refused_by_reason)}.")
    if summary.refused > NAMED and not summary.dry_run:
        lines.append("All of them are named in the table rasid.import_refusals.")
    return "\n".join(lines)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} {count:,}" for reason, count in counts.items())
