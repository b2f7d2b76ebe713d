"""Lines of an index (CDXJ: key, time, JSON) sorted for standard tools, and found by their key."""

import json
import os
from collections.abc import Iterable, Iterator
from typing import BinaryIO


def name_of(warc: str) -> str:
    """Return the name of the index of a WARC file."""
    return warc.removesuffix(".warc.gz") + ".cdxj"


def sort(lines: Iterable[str]) -> bytes:
    """Return the file: its lines by their bytes, as `LC_ALL=C sort` has them."""
    return b"".join(sorted(line.encode() for line in lines))


def find(file: BinaryIO, key: str) -> Iterator[dict[str, str]]:
    """Yield the entries under a key; a few ranges of the file are read."""
    wanted = key.encode() + b" "
    # Lines that begin before `low` come before the key, those from `high` on do not.
    low, high = 0, file.seek(0, os.SEEK_END)
    while low < high:
        middle = (low + high) // 2
        begin = _begin_after(file, middle)
        line = file.readline()
        if begin < high and line[: len(wanted)] < wanted:
            low = begin + len(line)
        else:
            high = middle
    file.seek(low)
    while (line := file.readline()).startswith(wanted):
        entry: dict[str, str] = json.loads(line.split(b" ", 2)[2])
        yield entry


def _begin_after(file: BinaryIO, position: int) -> int:
    """Go to the first line that begins at the position or after it."""
    file.seek(max(position - 1, 0))
    if position:
        file.readline()
    return file.tell()
