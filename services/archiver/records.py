"""A page of the store in; a WARC 1.1 record and the line of its index out.

A page that was fetched is a `response` with the HTTP headers that are kept, one that came from a
file a `resource`. Pages of one body follow each other: the first has it, the others are `revisit`s.
"""

import base64
import gzip
import hashlib
import json
import re
import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime
from http import HTTPStatus
from urllib.parse import quote, urlsplit

from services.storage.archives import ArchivedPage, Capture

NAMESPACE = uuid.UUID("5f0c9b52-6a53-5c0e-9a5b-3d1f7a6e2c11")  # of our record ids
PROFILE = "http://netpreserve.org/warc/1.1/revisit/identical-payload-digest"
#: Of the body as the server packed it: it is kept unpacked.
NOT_KEPT = ("content-length", "content-encoding", "transfer-encoding", "connection")
GZIP_LEVEL = 6
PHRASES = {status.value: status.phrase for status in HTTPStatus}


@dataclass(frozen=True, slots=True)
class Record:
    """A record, packed as one gzip member, and what its index says of it."""

    packed: bytes
    key: str
    at: datetime
    entry: dict[str, str]

    @property
    def time(self) -> str:
        """Return when it is of, as its index says it."""
        return f"{self.at.astimezone(UTC):%Y%m%d%H%M%S}"

    def line(self, offset: int, name: str) -> str:
        """Return the line of the index for a record at this place."""
        where = {"length": str(len(self.packed)), "offset": str(offset), "filename": name}
        entry = json.dumps({**self.entry, **where}, ensure_ascii=False)
        return f"{self.key} {self.time} {entry}\n"


def info(name: str, day: date) -> bytes:
    """Return the record that opens a file."""
    fields = {
        "software": "rasid",
        "format": "WARC File Format 1.1",
        "conformsTo": "http://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/",
        "description": f"pages received on {day} (UTC); bodies as received, without their coding",
    }
    block = "".join(f"{key}: {value}\r\n" for key, value in fields.items()).encode()
    at = datetime(day.year, day.month, day.day, tzinfo=UTC)
    head = {
        "WARC-Type": "warcinfo",
        "WARC-Record-ID": _urn(f"{name} {day}"),
        "WARC-Date": _time(at),
        "WARC-Filename": name,
        "Content-Type": "application/warc-fields",
    }
    return _packed(head, block)


def of_capture(capture: Capture, body: bytes, day: date) -> list[Record]:
    """Return the records of a body: one that holds it, and one for each other page that had it."""
    digest = digest_of(capture.sha256)
    if not capture.pages:
        return [_bare(capture, body, digest, day)]
    pages = sorted(capture.pages, key=lambda page: not _is_response(page))
    first, *others = pages
    return [
        _whole(first, body, digest, day),
        *(_revisit(page, first, digest, day) for page in others),
    ]


def digest_of(sha256: bytes) -> str:
    """Return a hash as WARC files write it."""
    return "sha256:" + base64.b32encode(sha256).decode()


def target(page: ArchivedPage) -> str:
    """Return the address a record is of; the body's own where the page has none."""
    return target_of(page.final_url or page.requested_url, page.id)


def target_of(url: str | None, page_id: str) -> str:
    """Return the address of the record of a page."""
    return quote(url, safe="!#$%&'()*+,/:;=?@[]~") if url else f"urn:rasid:page:{page_id}"


def target_of_body(sha256: bytes) -> str:
    """Return the address of the record of a body whose pages are not known any more."""
    return f"urn:sha256:{sha256.hex()}"


def key_of(url: str) -> str:
    """Return an address in the order of its parts, from the largest: com,example)/path?query."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return url.replace(" ", "%20")
    host = re.sub(r"^www\d*\.", "", (parts.hostname or "").lower())
    reversed_host = host if ":" in host else ",".join(reversed(host.split(".")))
    try:
        port = f":{parts.port}" if parts.port not in (None, 80, 443) else ""
    except ValueError:
        port = ""
    path = re.sub("//+", "/", parts.path).rstrip("/").lower() or "/"
    query = "?" + "&".join(sorted(parts.query.lower().split("&"))) if parts.query else ""
    return f"{reversed_host}{port}){path}{query}".replace(" ", "%20")


def _is_response(page: ArchivedPage) -> bool:
    url = page.final_url or page.requested_url or ""
    return page.status is not None and url.startswith(("http://", "https://"))


def _whole(page: ArchivedPage, body: bytes, digest: str, day: date) -> Record:
    http = _http(page, len(body)) if _is_response(page) else b""
    stated = _line(page.headers.get("content-type", "")) or "application/octet-stream"
    head = {
        "WARC-Type": "response" if http else "resource",
        **_head(page, digest, day),
        "Content-Type": "application/http;msgtype=response" if http else stated,
    }
    return _record(page, head, http + body, digest, stated)


def _revisit(page: ArchivedPage, first: ArchivedPage, digest: str, day: date) -> Record:
    http = _http(page, None) if _is_response(page) else b""
    head = {
        "WARC-Type": "revisit",
        **_head(page, digest, day),
        "WARC-Profile": PROFILE,
        "WARC-Refers-To": _urn(f"{first.id} {day}"),
        "WARC-Refers-To-Target-URI": target(first),
        "WARC-Refers-To-Date": _time(first.at),
        **({"Content-Type": "application/http;msgtype=response"} if http else {}),
    }
    return _record(page, head, http, digest, "warc/revisit")


def _bare(capture: Capture, body: bytes, digest: str, day: date) -> Record:
    """Return the record of a body whose pages are not known any more."""
    url = target_of_body(capture.sha256)
    head = {
        "WARC-Type": "resource",
        "WARC-Record-ID": _urn(f"{url} {day}"),
        "WARC-Date": _time(capture.first_seen_at),
        "WARC-Target-URI": url,
        "WARC-Payload-Digest": digest,
        "Content-Type": "application/octet-stream",
    }
    entry = {"url": url, "mime": "application/octet-stream", "digest": digest}
    return Record(_packed(head, body), url, capture.first_seen_at, entry)


def _record(
    page: ArchivedPage, head: dict[str, str], block: bytes, digest: str, mime: str
) -> Record:
    url = target(page)
    entry = {"url": url, "mime": mime.partition(";")[0].strip(), "digest": digest}
    if page.status is not None:
        entry["status"] = str(page.status)
    return Record(_packed(head, block), key_of(url), page.at, entry)


def _head(page: ArchivedPage, digest: str, day: date) -> dict[str, str]:
    ours = {
        "Rasid-Page-ID": page.id,
        "Rasid-Requested-URL": page.requested_url,
        "Rasid-Final-URL": page.final_url,
        "Rasid-Origin": page.origin,
        "Rasid-Source": page.source,
        "Rasid-Time-Zone": page.time_zone,
        "Rasid-Feed-URL": page.feed_url,
        "Rasid-Feed-Title": page.feed_title,
        "Rasid-Feed-Published-At": page.feed_published_at and page.feed_published_at.isoformat(),
        # Where these are missing, WARC-Date is when it was fetched, and HTTP has the rest.
        "Rasid-Received-At": None if page.fetched_at else _time(page.received_at),
        **({} if _is_response(page) else _without_http(page)),
    }
    return {
        "WARC-Record-ID": _urn(f"{page.id} {day}"),
        "WARC-Date": _time(page.at),
        "WARC-Target-URI": target(page),
        "WARC-Payload-Digest": digest,
        **{name: _line(value) for name, value in ours.items() if value},
    }


def _without_http(page: ArchivedPage) -> dict[str, str]:
    return {
        "Rasid-Status": "" if page.status is None else str(page.status),
        "Rasid-HTTP-Headers": json.dumps(dict(page.headers)) if page.headers else "",
    }


def _http(page: ArchivedPage, length: int | None) -> bytes:
    status = page.status or 0
    lines = [f"HTTP/1.1 {status} {PHRASES.get(status, 'Unknown')}"]
    for name, value in page.headers.items():
        if name.lower() not in NOT_KEPT and re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
            lines.append(f"{name.title()}: {_line(value)}")
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _packed(head: dict[str, str], block: bytes) -> bytes:
    digest = digest_of(hashlib.sha256(block).digest())
    whole = {**head, "WARC-Block-Digest": digest, "Content-Length": str(len(block))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in whole.items())
    data = b"WARC/1.1\r\n" + lines.encode() + b"\r\n" + block + b"\r\n\r\n"
    return gzip.compress(data, GZIP_LEVEL, mtime=0)


def _line(value: str) -> str:
    """Return text that ends no header line."""
    return re.sub(r"[\x00-\x1f\x7f\x85\u2028\u2029]+", " ", value).strip()


def _urn(name: str) -> str:
    return f"<urn:uuid:{uuid.uuid5(NAMESPACE, name)}>"


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
