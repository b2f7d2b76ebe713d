"""A record that `rasid archive` wrote in; the raw page it was made of out, with all it knew.

Pages of one body follow each other in a file: the first has it, the others are revisits of it.
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from datetime import datetime

from fastwarc.warc import WarcRecord

from services.importer.records import Refused, is_source, storable, too_large
from services.shared.contracts import RawPage

#: By this header a record is known as one of ours.
MARK = b"rasid-page-id:"
MAX_VALUE = 4_000
UNTYPED = "application/octet-stream"
STATUS = re.compile(r"[1-9][0-9]{2}")


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
    source = _value(record, "Rasid-Source")
    received_at = _time(record, "Rasid-Received-At")
    fetched_at: datetime | None = None if received_at else record.record_date
    return RawPage(
        body=body,
        origin=_value(record, "Rasid-Origin") or origin,
        requested_url=_value(record, "Rasid-Requested-URL"),
        final_url=_value(record, "Rasid-Final-URL"),
        fetched_at=fetched_at,
        received_at=received_at,
        status=record.http_headers.status_code if is_http else _status(record),
        headers=_kept(record.http_headers.to_dict() if is_http else _headers(record)),
        source=source if source and is_source(source) else None,
        time_zone=_value(record, "Rasid-Time-Zone"),
        feed_url=_value(record, "Rasid-Feed-URL"),
        feed_title=_value(record, "Rasid-Feed-Title"),
        feed_published_at=_time(record, "Rasid-Feed-Published-At"),
    )


def _value(record: WarcRecord, name: str) -> str | None:
    value = record.headers.get(name)
    return storable(value)[:MAX_VALUE] if value else None


def _time(record: WarcRecord, name: str) -> datetime | None:
    """Return a time; None where it is missing or none, as in files of before it was written."""
    try:
        at = datetime.fromisoformat(_value(record, name) or "")
    except ValueError:
        return None
    return at if at.tzinfo else None


def _status(record: WarcRecord) -> int | None:
    stated = _value(record, "Rasid-Status") or ""
    return int(stated) if STATUS.fullmatch(stated) else None


def _kept(headers: Mapping[str, object]) -> dict[str, str]:
    """Return all headers that were kept with the page; the length is the record's own."""
    return {
        name.lower(): storable(value)
        for name, value in headers.items()
        if isinstance(value, str) and name.lower() != "content-length"
    }


def _headers(record: WarcRecord) -> dict[str, object]:
    """Return the headers of a page that did not come by HTTP; before, only its type was written."""
    try:
        found = json.loads(record.headers.get("Rasid-HTTP-Headers") or "")
    except (ValueError, RecursionError):
        stated = record.headers.get("Content-Type") or UNTYPED
        return {"content-type": stated} if stated != UNTYPED else {}
    return found if isinstance(found, dict) else {}
