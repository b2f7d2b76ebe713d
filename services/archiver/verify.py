"""A file of the archive in; what it truly holds out, or what is wrong with it."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType

from services.archiver.records import digest_of
from services.shared.errors import RasidError


@dataclass(frozen=True, slots=True)
class Held:
    """The hashes of bodies in their order, how many revisits; hash and length of the file."""

    bodies: tuple[bytes, ...]
    revisits: int
    sha256: bytes
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


def read(warc: BinaryIO, index: bytes) -> Held:
    """Read every record, and compare it with its digests and with the index.

    Raises:
        RasidError: a record is not what it says, or the index has another.
    """
    entries = {}
    for line in index.splitlines():
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
    return Held(tuple(bodies), revisits, stream.sha256.digest(), stream.bytes)


def _block(record: WarcRecord) -> bytes:
    block = record.reader.read()
    if record.headers.get("WARC-Block-Digest") != digest_of(hashlib.sha256(block).digest()):
        raise RasidError(f"the record at byte {record.stream_pos:,} has not the content it had")
    return block


def _body(record: WarcRecord, block: bytes) -> bytes:
    """Return the hash of the body."""
    if record.record_type == WarcRecordType.response:
        block = block.partition(b"\r\n\r\n")[2]
    sha256 = hashlib.sha256(block).digest()
    if record.headers.get("WARC-Payload-Digest") != digest_of(sha256):
        raise RasidError(f"the body at byte {record.stream_pos:,} is not the one it was")
    return sha256
