"""A record as it lies in a file of the archive in, one gzip member; the record and its body out."""

import gzip
import zlib

from fastwarc.warc import WarcRecord, WarcRecordType


def parsed(packed: bytes) -> WarcRecord:
    """Return the record of a member.

    Raises:
        OSError: these bytes are none.
    """
    try:
        return WarcRecord.from_bytes(gzip.decompress(packed))
    except (EOFError, ValueError, zlib.error) as error:
        raise OSError(f"no record: {error}") from error


def body(record: WarcRecord, block: bytes) -> bytes:
    """Return the page's body in a record's block, without HTTP's headers if it has any."""
    is_response = record.record_type == WarcRecordType.response
    return block.partition(b"\r\n\r\n")[2] if is_response else block
