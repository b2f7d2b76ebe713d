"""A file of the archive in; it lies in its place, and what it truly holds or lacks comes out."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType

from services.archiver import index, members
from services.archiver.places import Place
from services.archiver.records import digest_of
from services.shared.errors import RasidError


@dataclass(frozen=True, slots=True)
class Held:
    """The hashes of bodies in their order, how many revisits; hashes of file and index, length."""

    bodies: tuple[bytes, ...]
    revisits: int
    sha256: bytes
    index_sha256: bytes
    bytes: int


class _Hashing:
    """A stream that hashes what is read of it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()
        self.bytes = 0

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.sha256.update(data)
        self.bytes += len(data)
        return data

    def tell(self) -> int:
        return self.bytes


def put(place: Place, path: Path, lines: Iterable[str]) -> Held:
    """Put a file and the index of these lines into their place, read both back, and compare them.

    Raises:
        RasidError: what lies there is not what was written.
        OSError: it cannot be written or read.
    """
    name = index.name_of(path.name)
    index_path = path.with_name(name)
    index_path.write_bytes(index.sort(lines))
    place.put(index_path, name)
    place.put(path, path.name)
    with place.open(name) as stored:
        index_lines = stored.read()
    with place.open(path.name) as stored:
        return read(stored, index_lines)


def read(warc: BinaryIO, index_lines: bytes) -> Held:
    """Read every record, and compare it with its digests and with the index.

    Raises:
        RasidError: a record is not what it says, or the index has another.
    """
    entries = {}
    for line in index_lines.splitlines():
        entry = json.loads(line.split(b" ", 2)[2])
        entries[int(entry["offset"])] = entry
    stream = _Hashing(warc)
    bodies, revisits = [], 0
    for record in ArchiveIterator(cast("Any", stream), parse_http=False):
        block = _block(record)
        if record.record_type == WarcRecordType.warcinfo:
            continue
        entry = entries.pop(record.stream_pos, {})
        for name, field in (("digest", "WARC-Payload-Digest"), ("url", "WARC-Target-URI")):
            if entry.get(name) != record.headers.get(field):
                raise RasidError(f"the index has not the record at byte {record.stream_pos:,}")
        if record.record_type == WarcRecordType.revisit:
            revisits += 1
        else:
            bodies.append(_body(record, block))
    if entries:
        raise RasidError(f"the index has {len(entries)} records that are not there")
    while stream.read(1024 * 1024):
        pass
    index_sha256 = hashlib.sha256(index_lines).digest()
    return Held(tuple(bodies), revisits, stream.sha256.digest(), index_sha256, stream.bytes)


def _block(record: WarcRecord) -> bytes:
    block = record.reader.read()
    if record.headers.get("WARC-Block-Digest") != digest_of(hashlib.sha256(block).digest()):
        raise RasidError(f"the record at byte {record.stream_pos:,} has not the content it had")
    return block


def _body(record: WarcRecord, block: bytes) -> bytes:
    """Return the hash of the body."""
    sha256 = hashlib.sha256(members.body(record, block)).digest()
    if record.headers.get("WARC-Payload-Digest") != digest_of(sha256):
        raise RasidError(f"the body at byte {record.stream_pos:,} is not the one it was")
    return sha256
