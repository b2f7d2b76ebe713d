"""JSON lines go in, one at a time; a file comes out in chunks, each of which can be the last.

Each chunk is a gzip member or a zstd frame of its own, so that a file can go on after a kill where
its last chunk ended, and has the very same bytes as one that was written without a break.
"""

import os
import zlib
from pathlib import Path
from typing import BinaryIO, Protocol

from services.exporter.progress import Progress
from services.exporter.target import Format
from services.shared import compression
from services.shared.errors import RasidError

UNFINISHED = "part.new"
GZIP = 31  # zlib's word for a gzip header, here without time and name


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


class _Plain:
    def compress(self, data: bytes, /) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""


def _compressor(form: Format) -> _Compressor:
    match form:
        case "jsonl.gz":
            return zlib.compressobj(6, zlib.DEFLATED, GZIP)
        case "jsonl.zst":
            return compression.compressor()
        case _:
            return _Plain()


def part_name(progress: Progress, form: Format) -> str:
    """Return the name of the next part."""
    return f"part-{len(progress.parts) + 1:06}.{form}"


class LinesFile:
    """One file that grows by chunks; `progress.bytes` is where its last whole chunk ends."""

    def __init__(self, path: Path, form: Format, whole_bytes: int = 0) -> None:
        """Open the file and take away what a kill has left behind its last whole chunk.

        Raises:
            RasidError: there is less in it than that.
        """
        self._file = path.open("ab")
        if self._file.tell() < whole_bytes:
            self._file.close()
            raise RasidError(f"{path} has lost what was written: --force starts the export anew")
        self._file.truncate(whole_bytes)
        self._form = form
        self._compressor = _compressor(form)

    def write(self, line: bytes) -> None:
        """Add a line."""
        self._file.write(self._compressor.compress(line + b"\n"))

    def end_chunk(self, progress: Progress) -> None:
        """Have all lines so far on disk."""
        self._file.write(self._compressor.flush())
        self._compressor = _compressor(self._form)
        self._file.flush()
        os.fsync(self._file.fileno())
        progress.bytes = self._file.tell()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class LinesParts:
    """A folder of files, one for each chunk; a part has its name only when it is whole."""

    def __init__(self, folder: Path, form: Format) -> None:
        """Nothing is opened yet."""
        self._folder, self._form = folder, form
        self._unfinished = folder / UNFINISHED
        self._part: LinesFile | None = None

    def write(self, line: bytes) -> None:
        """Add a line to the part that is being written."""
        if self._part is None:
            self._part = LinesFile(self._unfinished, self._form)
        self._part.write(line)

    def end_chunk(self, progress: Progress) -> None:
        """Finish the part, which may be empty."""
        part = self._part or LinesFile(self._unfinished, self._form)
        whole = progress.bytes
        part.end_chunk(progress)
        part.close()
        self._part = None
        progress.bytes += whole
        name = part_name(progress, self._form)
        self._unfinished.replace(self._folder / name)
        progress.parts.append(name)

    def close(self) -> None:
        """Close the part that is being written, which is not whole."""
        if self._part:
            self._part.close()


class Stream:
    """A stream that gets the lines as they come; nothing of it can be resumed."""

    def __init__(self, stream: BinaryIO) -> None:
        """Write to a stream that is open."""
        self._stream = stream

    def write(self, line: bytes) -> None:
        """Write a line."""
        self._stream.write(line + b"\n")

    def end_chunk(self, progress: Progress) -> None:  # noqa: ARG002 - nothing is kept of it
        """Send on what was written so far."""
        self._stream.flush()

    def close(self) -> None:
        """Leave the stream open: it is not ours."""
