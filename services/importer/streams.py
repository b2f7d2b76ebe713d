"""An open file in, its bytes out: decompressed as they are read, with each damage named."""

import io
import zlib
from pathlib import Path
from typing import BinaryIO, Self

from services.importer.records import Refused

GZIP_MAGIC = b"\x1f\x8b\x08"
#: How WARC and JSON lines begin.
PLAIN_STARTS = (b"WARC/", b"{")
#: Small, because the output of the very call in which zlib finds damage is lost.
READ_BYTES = 8 * 1024
BUFFER_BYTES = 256 * 1024


class Gunzip(io.RawIOBase):
    """The decompressed bytes of all members of a gzip file.

    What is damaged raises `Refused` once; reading then goes on at the next member, so that one
    broken record of a WARC file does not cost those behind it.
    """

    def __init__(self, compressed: BinaryIO) -> None:
        """Take over the open file; closing this closes it."""
        self._compressed = compressed
        self._member: zlib._Decompress | None = None  # None between members
        self._member_start = 0
        self._position = 0
        self._input = b""
        self._searching = False

    def readable(self) -> bool:
        """Return True, as io asks for it."""
        return True

    def close(self) -> None:
        """Close the compressed file."""
        self._compressed.close()
        super().close()

    def readinto(self, buffer: object) -> int:
        """Fill the buffer with decompressed bytes and return how many; 0 at the end.

        Raises:
            Refused: the data is not gzip, is damaged or ends too early.
        """
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        while True:
            if self._member is None and not self._next_member():
                return 0
            if output := self._decompress(len(view)):
                view[: len(output)] = output
                self._position += len(output)
                return len(output)

    def _next_member(self) -> bool:
        """Begin the next member; False at the end of the file."""
        while True:
            if not self._searching:
                self._input = self._input.lstrip(b"\0")  # padding between members is allowed
            if len(self._input) < len(GZIP_MAGIC) and self._fill():
                continue
            if not self._input:
                return False
            if self._input.startswith(GZIP_MAGIC):
                self._searching = False
                self._member = zlib.decompressobj(wbits=31)
                self._member_start = self._position
                return True
            if not self._searching:
                self._searching = True
                raise Refused("broken_gzip", "no gzip where it should be")
            self._skip_to_magic()

    def _skip_to_magic(self) -> None:
        """Drop input up to what may be a member's beginning."""
        found = self._input.find(GZIP_MAGIC)
        if found >= 0:
            self._input = self._input[found:]
            return
        tail = self._input[-(len(GZIP_MAGIC) - 1) :]
        self._input = tail
        if not self._fill():
            self._input = b""

    def _decompress(self, limit: int) -> bytes:
        """Return up to `limit` bytes of the current member; none at its end."""
        member = self._member
        if member is None:
            return b""
        more = bool(self._input) or self._fill()
        try:
            output = member.decompress(self._input, limit)
        except zlib.error as error:
            self._member, self._searching = None, True
            self._input = self._input[1:]  # else the same damaged member would be found again
            raise self._broken(str(error)) from error
        self._input = member.unconsumed_tail
        if member.eof:
            self._input, self._member = member.unused_data, None
        elif not more and not output:
            self._member = None
            raise Refused("truncated_gzip", "the compressed data ends too early")
        return output

    def _broken(self, message: str) -> Refused:
        if "incorrect" in message and "check" in message and "header" not in message:
            return Refused("broken_gzip", "wrong checksum", checksum_of=self._member_start)
        return Refused("broken_gzip", "the compressed data is damaged")

    def _fill(self) -> bool:
        more = self._compressed.read(READ_BYTES)
        self._input += more
        return bool(more)


class Stream:
    """An open file: `data` gives its bytes decompressed, `bytes_read` how far reading has come."""

    def __init__(self, path: Path, *, compressed: bool, look: bool = False) -> None:
        """Open the file; with `look` its beginning has a say besides its name.

        Raises:
            OSError: the file cannot be opened or read.
        """
        self._file = io.BufferedReader(io.FileIO(path), BUFFER_BYTES)
        try:
            start = self._file.peek(len(GZIP_MAGIC)) if look else b""
        except OSError:
            self._file.close()
            raise
        if start.startswith(GZIP_MAGIC):
            compressed = True
        elif start.startswith(PLAIN_STARTS):
            compressed = False
        self.data: BinaryIO = self._file
        if compressed:
            self.data = io.BufferedReader(Gunzip(self._file), BUFFER_BYTES)

    @property
    def bytes_read(self) -> int:
        """How many bytes of the file, as stored, have been read; a buffer more at most."""
        return 0 if self._file.closed else self._file.tell()

    def close(self) -> None:
        """Close the file."""
        self.data.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()
