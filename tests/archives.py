"""WARC and JSON-lines files for tests: pages in, the bytes of a file out."""

import gzip
import json
from collections.abc import Iterable


def address(number: int) -> str:
    """Return the made-up address of a page."""
    return f"https://news.example/{number}"


def html(number: int, filler: str = "") -> bytes:
    """Return a small page that no other number has."""
    return f"<html><head><title>خبر {number}</title></head><body>{filler}</body></html>".encode()


def response(
    number: int,
    body: bytes | None = None,
    *,
    headers: Iterable[str] = ("Content-Type: text/html; charset=utf-8",),
    record_type: str = "response",
    status: str = "200 OK",
    length: int | None = None,
) -> bytes:
    """Return one WARC record; `length` states another Content-Length than the true one."""
    head = "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status}", *headers, ""))
    content = head.encode() + (html(number) if body is None else body)
    fields = (
        "WARC/1.0",
        f"WARC-Type: {record_type}",
        f"WARC-Record-ID: <urn:uuid:{number}>",
        f"WARC-Target-URI: {address(number)}",
        f"WARC-Date: 2024-03-01T10:{number // 60 % 60:02}:{number % 60:02}Z",
        "Content-Type: application/http; msgtype=response",
        f"Content-Length: {len(content) if length is None else length}",
        "",
    )
    return "".join(f"{field}\r\n" for field in fields).encode() + content + b"\r\n\r\n"


def line(number: int, **fields: object) -> bytes:
    """Return one line of JSON that holds a page."""
    page = {"url": address(number), "html": html(number).decode()}
    return json.dumps({**page, **fields}, ensure_ascii=False).encode() + b"\n"


def members(parts: Iterable[bytes]) -> bytes:
    """Return a gzip file with a member for each part, as WARC files have."""
    return b"".join(gzip.compress(part, mtime=0) for part in parts)


def one_member(parts: Iterable[bytes]) -> bytes:
    """Return a gzip file of all parts in one member."""
    return gzip.compress(b"".join(parts), mtime=0)
