"""A selection and a target go in; a file, a folder of parts or a stream of articles comes out.

What is not finished lies in `PATH.part/`, with how far it has come; PATH appears only when it is
whole. Killed at any point, the same export goes on after its last whole chunk.
"""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from services.exporter.lines import LinesFile, LinesParts, Stream
from services.exporter.parquet import ParquetParts, merge
from services.exporter.progress import STATE, Progress, load, save, sync_file, sync_folder
from services.exporter.target import Target
from services.shared.errors import RasidError
from services.storage import Connection, export
from services.storage.export import Selection

#: Articles after which a single file of JSON lines can be gone on with.
CHUNK_ROWS = 10_000
#: Articles in one Parquet file, or in one file of a folder.
PART_ROWS = 50_000
#: A part ends before that where its articles are long; bytes of JSON.
PART_BYTES = 256 * 1024 * 1024
DATA, MANIFEST, LOCK = "data", "export.json", "lock"

Report = Callable[[Progress], None]


class Writer(Protocol):
    """Takes lines; what `end_chunk` has returned from survives a kill."""

    def write(self, line: bytes) -> None:
        """Add a line."""

    def end_chunk(self, progress: Progress) -> None:
        """Have all lines so far on disk, and note in the progress what is whole."""

    def close(self) -> None:
        """Let go of what is open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is asked for: which articles, where to, and what to do with what is there."""

    target: Target
    selection: Selection
    part_rows: int = PART_ROWS
    resume: bool = False
    force: bool = False


@dataclass(frozen=True, slots=True)
class _Output:
    """Where lines go, in chunks of so many rows; the folder that keeps the progress, if any."""

    writer: Writer
    chunk_rows: int
    working: Path | None = None


def run(connection: Connection, order: Order, *, stdout: BinaryIO, report: Report) -> Progress:
    """Export the selection; `report` is told of the progress every few hundred articles.

    Raises:
        RasidError: the output is there, another export writes it, or the one to go on with was
            another; the message says what to do.
        TransientError: Postgres is away; what is written stays, to be gone on with.
        OSError: the output cannot be written; the same.
    """
    columns = export.columns(connection, order.selection.columns)
    target = order.target
    if target.path is None:
        if order.resume:
            raise RasidError("what went to standard output cannot be resumed")
        with export.snapshot(connection) as start:
            progress = _fresh({}, start)
            output = _Output(Stream(stdout), CHUNK_ROWS)
            _write(_rows(connection, order, progress), progress, output, report)
        return progress
    _check(order)
    with _locked(order):
        kept = _kept(order, columns)
        if kept is None:
            _empty(target.working)
        if kept is None or not kept.finished:
            with export.snapshot(connection) as start:
                _check_feed(kept, start)
                progress = kept or _fresh(_options(order, columns), start)
                save(progress, target.working)
                output = _output(order, progress, columns)
                try:
                    _write(_rows(connection, order, progress), progress, output, report)
                finally:
                    output.writer.close()
            progress.finished = True
            save(progress, target.working)
        else:
            progress = kept
        _publish(target, progress)
    return progress


def _rows(connection: Connection, order: Order, progress: Progress) -> Iterator[tuple[int, bytes]]:
    return export.rows(connection, order.selection, after=progress.last_id, until=progress.until_id)


def _write(
    rows: Iterator[tuple[int, bytes]], progress: Progress, output: _Output, report: Report
) -> None:
    seen, in_chunk, size = replace(progress), 0, 0

    def end_chunk() -> None:
        progress.last_id, progress.articles = seen.last_id, seen.articles
        output.writer.end_chunk(progress)
        if output.working:
            save(progress, output.working)

    for article_id, line in rows:
        output.writer.write(line)
        seen.last_id = article_id
        seen.articles += 1
        in_chunk += 1
        size += len(line)
        if in_chunk % export.FETCH_ROWS == 0:
            report(seen)
        if in_chunk >= output.chunk_rows or size >= PART_BYTES:
            end_chunk()
            in_chunk, size = 0, 0
    if in_chunk or not progress.bytes:
        end_chunk()
    report(progress)


def _kept(order: Order, columns: dict[str, str]) -> Progress | None:
    """Return how far the export that is to be gone on with has come; None to start anew."""
    working = order.target.working
    kept = load(working) if order.resume else None
    if kept and kept.options != _options(order, columns):
        raise RasidError(
            f"the unfinished export in {working} was begun with other options: repeat those with "
            "--resume, or start anew with --force"
        )
    return kept


def _check_feed(kept: Progress | None, start: export.Start) -> None:
    if kept and kept.feed_position > start.feed_position:
        raise RasidError(
            "the unfinished export is of another database, or of this one before an older backup "
            "was restored: --force starts it anew"
        )


def _options(order: Order, columns: dict[str, str]) -> dict[str, object]:
    """Return what makes two exports the same one, as JSON gives it back."""
    selection: dict[str, object] = asdict(order.selection)
    for name in ("since", "before"):
        moment = getattr(order.selection, name)
        selection[name] = moment and moment.isoformat()
    selection["columns"] = list(order.selection.columns)
    return {
        "format": order.target.format,
        "folder": order.target.folder,
        "part_rows": order.part_rows,
        "columns": columns,
        "selection": selection,
    }


def _output(order: Order, progress: Progress, columns: dict[str, str]) -> _Output:
    target, working = order.target, order.target.working
    if target.format == "parquet":
        return _Output(ParquetParts(working, columns), order.part_rows, working)
    if target.folder:
        return _Output(LinesParts(working, target.format), order.part_rows, working)
    file = LinesFile(working / DATA, target.format, progress.bytes)
    return _Output(file, CHUNK_ROWS, working)


def _publish(target: Target, progress: Progress) -> None:
    """Give what is whole its name, and take away what was only for the way."""
    path, working = target.path, target.working
    assert path is not None  # noqa: S101 - standard output is not published
    if target.folder:
        for left in working.iterdir():
            if left.name not in (STATE, LOCK, *progress.parts):
                _remove(left)
        _remove(path)
        (working / STATE).replace(working / MANIFEST)
        (working / LOCK).unlink()
        working.replace(path)
    else:
        data = working / DATA
        if target.format == "parquet" and progress.parts:
            # Killed before the rename below, it is made once more from its parts.
            merge(working, progress, data)
            sync_file(data)
        if data.exists():
            data.replace(path)
        _leave(working)
    sync_folder(path.resolve().parent)


def _check(order: Order) -> None:
    path, working = order.target.path, order.target.working
    resume, force = order.resume, order.force
    assert path is not None  # noqa: S101 - see above
    if resume and force:
        raise RasidError("--resume goes on with an export, --force starts it anew: only one")
    if not path.resolve().parent.is_dir():
        raise RasidError(f"there is no folder {path.resolve().parent}")
    if working.exists() and not working.is_dir():
        raise RasidError(f"{working} is in the way: an unfinished export would be kept there")
    _check_path(order, begun=working.exists())
    if working.exists() and not resume and not force:
        raise RasidError(
            f"an unfinished export is in {working}: --resume goes on with it, --force starts anew"
        )


def _check_path(order: Order, *, begun: bool) -> None:
    path = order.target.path
    assert path is not None  # noqa: S101 - see above
    if order.resume and path.exists() and not begun:
        raise RasidError(f"{path} is there and whole: nothing to resume (--force writes it anew)")
    if path.exists() and not order.force and not order.resume:
        raise RasidError(f"{path} is there already: --force replaces it")


@contextmanager
def _locked(order: Order) -> Iterator[None]:
    """Be the only one who writes there; what `_check` has seen may be another's by then."""
    working = order.target.working
    working.mkdir(exist_ok=True)
    with (working / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_ours = os.path.samestat(os.fstat(lock.fileno()), (working / LOCK).stat())
        except (BlockingIOError, FileNotFoundError):
            is_ours = False
        if not is_ours:
            raise RasidError(f"another export is writing {working}")
        begun = any(path.name != LOCK for path in working.iterdir())
        try:
            _check_path(order, begun=begun)
        except RasidError:
            if not begun:
                _leave(working)
            raise
        yield


def _leave(working: Path) -> None:
    """Take away what was only for the way, the lock last: who takes it next stays undisturbed."""
    _empty(working)
    (working / LOCK).unlink()
    with suppress(OSError):
        working.rmdir()


def _empty(working: Path) -> None:
    for path in working.iterdir():
        if path.name != LOCK:
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _fresh(options: dict[str, Any], start: export.Start) -> Progress:
    return Progress(
        options=options,
        feed_position=start.feed_position,
        until_id=start.until_id,
        schema_version=start.schema_version,
    )
