"""A record that `rasid archive` wrote in; the raw page it was made of out, with all it knew.

Pages of one body follow each other in a file: the first has it, the others are revisits of it.
"""

import base64
import hashlib
from datetime import datetime

from fastwarc.warc import WarcRecord

from services.importer.records import Refused, is_source, kept_headers, storable, too_large
from services.shared.contracts import RawPage

#: By this header a record is known as one of ours.
MARK = b"rasid-page-id:"
MAX_VALUE = 4_000
UNTYPED = "application/octet-stream"


def is_ours(header: bytes) -> bool:
    """Return whether a record's header lines are of a page that was archived."""
    return b"\n" + MARK in header.lower()


def page(record: WarcRecord, whole: WarcRecord, origin: str, max_body_bytes: int) -> RawPage:
    """Return the page of a record; `whole` is the one with its body, which may be the same.

    Raises:
        Refused: the body is another, or has more than the allowed bytes.
    """
    is_http = record.is_http and record.http_headers.status_code is not None
    body = whole.reader.read()
    if len(body) > max_body_bytes:
        raise too_large(max_body_bytes)
    digest = "sha256:" + base64.b32encode(hashlib.sha256(body).digest()).decode()
    if record.headers.get("WARC-Payload-Digest") != digest:
        raise Refused("broken_record", "the body is not the one it was archived with")
    stated = record.headers.get("Content-Type") or UNTYPED
    headers = {"content-type": stated} if not is_http and stated != UNTYPED else {}
    source = _value(record, "Rasid-Source")
    fetched_at: datetime | None = record.record_date
    return RawPage(
        body=body,
        origin=_value(record, "Rasid-Origin") or origin,
        requested_url=_value(record, "Rasid-Requested-URL"),
        final_url=_value(record, "Rasid-Final-URL"),
        fetched_at=fetched_at,
        status=record.http_headers.status_code if is_http else None,
        headers=kept_headers(record.http_headers.to_dict()) if is_http else headers,
        source=source if source and is_source(source) else None,
        feed_url=_value(record, "Rasid-Feed-URL"),
    )


def _value(record: WarcRecord, name: str) -> str | None:
    value = record.headers.get(name)
    return storable(value)[:MAX_VALUE] if value else None
