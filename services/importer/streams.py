"""An open file in, its bytes out: decompressed as they are read, with each damage named."""

import io
import re
import zlib
from pathlib import Path
from typing import BinaryIO, Self

from services.importer.records import RefusalReason, Refused

GZIP_MAGIC = b"\x1f\x8b\x08"
#: A member's header with values that are in use: three bytes alone turn up in any compressed data.
MEMBER = re.compile(rb"\x1f\x8b\x08[\x00-\x1f].{4}[\x00\x02\x04][\x00-\x0d\xff]", re.DOTALL)
MEMBER_BYTES = 10
#: How WARC and JSON lines begin.
PLAIN_STARTS = (b"WARC/", b"{")
#: Small, because the output of the very call in which zlib finds damage is lost.
READ_BYTES = 8 * 1024
BUFFER_BYTES = 256 * 1024
#: A damaged member larger than this is not searched for the beginnings of others.
SEARCH_BYTES = 16 * 1024 * 1024


class Gunzip(io.RawIOBase):
    """The decompressed bytes of all members of a gzip file.

    What is damaged raises `Refused` once; reading then goes on at the next member, so that one
    broken record of a WARC file does not cost those behind it.
    """

    def __init__(self, compressed: BinaryIO) -> None:
        """Take over the open file; closing this closes it."""
        self._compressed = compressed
        self._member: zlib._Decompress | None = None  # None between members
        self._member_start = 0  # among the decompressed bytes
        self._member_at = 0  # in the file
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
        if self._searching:
            return self._find_member()
        while True:
            self._input = self._input.lstrip(b"\0")  # padding between members is allowed
            if len(self._input) >= len(GZIP_MAGIC) or not self._fill():
                break
        if not self._input:
            return False
        if self._input.startswith(GZIP_MAGIC):
            return self._begin()
        self._searching = True
        if GZIP_MAGIC.startswith(self._input):
            raise Refused("truncated_gzip", "the compressed data ends too early")
        raise Refused("broken_gzip", "no gzip where it should be")

    def _find_member(self) -> bool:
        """Begin the next thing that looks like a member, after damage."""
        while not (found := MEMBER.search(self._input)):
            self._input = self._input[1 - MEMBER_BYTES :]  # it may begin here and end in the next
            if not self._fill():
                self._input = b""
                return False
        self._input = self._input[found.start() :]
        return self._begin()

    def _begin(self) -> bool:
        self._searching = False
        self._member = zlib.decompressobj(wbits=31)
        self._member_start = self._position
        self._member_at = self._compressed.tell() - len(self._input)
        return True

    def _decompress(self, limit: int) -> bytes:
        """Return up to `limit` bytes of the current member; none at its end."""
        member = self._member
        if member is None:
            return b""
        more = bool(self._input) or self._fill()
        try:
            output = member.decompress(self._input, limit)
        except zlib.error as error:
            self._search_again()
            raise self._refused(
                "broken_gzip", f"the compressed data is damaged: {error}"
            ) from error
        self._input = member.unconsumed_tail
        if member.eof:
            self._input, self._member = member.unused_data, None
        elif not more and not output:
            self._search_again()
            raise self._refused("truncated_gzip", "the compressed data ends too early")
        return output

    def _search_again(self) -> None:
        """Look for the next member behind the beginning of this one: damage may hide its end."""
        self._member, self._searching = None, True
        if self._compressed.tell() - self._member_at <= SEARCH_BYTES:
            self._compressed.seek(self._member_at + 1)
            self._input = b""

    def _refused(self, reason: RefusalReason, detail: str) -> Refused:
        return Refused(reason, detail, member_start=self._member_start)

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
