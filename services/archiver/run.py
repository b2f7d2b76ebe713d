"""Days of captures go in; verified WARC files and their indexes come out, and then the days go.

A file is noted in the database when it lies in its place, was read back, and holds what the
database has; a day's table goes when all of it is in files that are noted. Killed at any point, the
next run goes on after the last file that is noted.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Any, cast

from services.archiver import records, verify
from services.archiver.places import Place, full, open_place
from services.shared import compression
from services.shared.errors import RasidError
from services.storage import Connection, archives
from services.storage.archives import Capture, Day, File

FILE_BYTES = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Where to, days before which, and the folder in which files of any database are made."""

    address: str
    before: date
    work: Path
    file_bytes: int = FILE_BYTES
    anew: bool = False


@dataclass(slots=True)
class Done:
    """What a run has done with a day."""

    day: Day
    files: int = 0
    captures: int = 0
    bytes: int = 0
    dropped: bool = False


Report = Callable[[Done], None]


@dataclass(slots=True)
class _Open:
    """A file that is being written."""

    name: str
    path: Path
    after: bytes
    last: bytes = b""
    size: int = 0
    captures: int = 0
    pages: int = 0
    revisits: int = 0
    left: set[bytes] = field(default_factory=set)
    lines: list[str] = field(default_factory=list)


def run(connection: Connection, order: Order, report: Report) -> Iterator[Done]:
    """Archive the days one after the other; yield each that is finished.

    Raises:
        RasidError: a file is not what was written, or a day changed meanwhile; it was not dropped.
        TransientError: Postgres is away.
        OSError: a file cannot be written or read; the same.
    """
    place = open_place(full(order.address))  # where it is looked for later
    # Another database may be archived at the same time, from here and to the same place.
    mark = archives.mark(connection)
    (order.work / mark).mkdir(parents=True, exist_ok=True)
    for day in archives.days(connection, order.before):
        writer = _Writer(connection, order, place, mark, Done(day), report)
        yield writer.archive(_goes_on(connection, day.captured_on, anew=order.anew))
    clear(connection, order.work)


def clear(connection: Connection, work: Path) -> None:
    """Remove what runs on this database, also killed ones, have left where files are made."""
    own = work / archives.mark(connection)
    if own.is_dir():
        for left in own.iterdir():
            left.unlink()
        own.rmdir()
        with suppress(OSError):  # another database's files are made there
            work.rmdir()


def _goes_on(connection: Connection, day: date, *, anew: bool) -> bytes:
    """Return the hash after which an earlier run stopped. Files that are gone are forgotten."""
    files = archives.unfinished(connection, day)
    if anew or any(not _is_there(file) for file in files):
        for file in files:
            archives.forget(connection, file)
        return b""
    return files[-1].last_sha256 if files else b""


def _is_there(file: File) -> bool:
    try:
        with open_place(file.folder).open(file.name) as stored:
            return hashlib.file_digest(cast("Any", stored), "sha256").digest() == file.file_sha256
    except FileNotFoundError:
        return False


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes the files of one day."""

    connection: Connection
    order: Order
    place: Place
    mark: str
    done: Done
    report: Report

    @property
    def day(self) -> date:
        return self.done.day.captured_on

    def archive(self, after: bytes) -> Done:
        """Write and verify what comes after a hash, and drop the day."""
        while file := self._write(after):
            noted = self._put(file)
            self.done.files += 1
            self.done.bytes += noted.size_bytes
            after = noted.last_sha256
            self.report(self.done)
        archives.drop(self.connection, self.day)
        self.done.dropped = True
        return self.done

    def _write(self, after: bytes) -> _Open | None:
        """Write the next file; None where all is written."""
        captures = archives.read(self.connection, self.day, after)
        first = next(captures, None)
        if first is None:
            return None
        there = archives.names(self.connection, self.day, full(self.order.address))
        name = f"rasid-{self.day}-{len(there) + 1:05}-{self.mark}.warc.gz"
        file = _Open(name, self.order.work / self.mark / name, after)
        with file.path.open("wb") as out:
            file.size = out.write(records.info(name, self.day))
            for capture in chain([first], captures):
                for record in self._records(file, capture):
                    file.lines.append(record.line(file.size, name))
                    file.size += out.write(record.packed)
                file.last = capture.sha256
                self.done.captures += 1
                if self.done.captures % archives.BATCH == 0:
                    self.report(self.done)
                if file.size >= self.order.file_bytes:
                    break
        return file

    def _records(self, file: _Open, capture: Capture) -> list[records.Record]:
        sha256 = capture.sha256
        if not capture.pages and archives.is_kept_later(self.connection, self.day, sha256):
            file.left.add(sha256)
            return []
        try:
            body = compression.decompress(capture.compressed)
        except ValueError as error:
            raise RasidError(f"capture {sha256.hex()} of {self.day} is broken: {error}") from error
        if hashlib.sha256(body).digest() != sha256:
            raise RasidError(f"capture {sha256.hex()} of {self.day} is of other bytes")
        file.captures += 1
        file.pages += len(capture.pages)
        file.revisits += max(0, len(capture.pages) - 1)
        return records.of_capture(capture, body, self.day)

    def _put(self, file: _Open) -> File:
        """Put a file and its index into their place, read both back, compare, and note them."""
        try:
            held = verify.put(self.place, file.path, file.lines)
        except RasidError as error:
            raise self._refused(file, str(error)) from error
        wanted = archives.hashes(self.connection, self.day, file.after, file.last)
        if list(held.bodies) != [sha256 for sha256 in wanted if sha256 not in file.left]:
            raise self._refused(file, "it has not the bodies that the database has")
        if (held.revisits, len(held.bodies)) != (file.revisits, file.captures):
            raise self._refused(file, "it has not as many records as were written")
        noted = File(
            captured_on=self.day,
            folder=full(self.order.address),
            name=file.name,
            first_sha256=wanted[0],
            last_sha256=file.last,
            captures_count=file.captures,
            pages_count=file.pages,
            revisits_count=file.revisits,
            left_count=len(file.left),
            size_bytes=held.bytes,
            file_sha256=held.sha256,
            index_sha256=held.index_sha256,
        )
        archives.add(self.connection, noted)
        return noted

    def _refused(self, file: _Open, why: str) -> RasidError:
        return RasidError(
            f"{self.order.address}: {file.name}: {why}; nothing was dropped, run it again"
        )
