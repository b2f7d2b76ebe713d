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
    more: Iterable[str] = (),
) -> bytes:
    """Return one WARC record, with `more` fields; `length` is one that is not true."""
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
        *more,
        "",
    )
    return "".join(f"{field}\r\n" for field in fields).encode() + content + b"\r\n\r\n"


def record(number: int, kind: str, content: bytes, content_type: str, *more: str) -> bytes:
    """Return a WARC record that is no response."""
    fields = (
        "WARC/1.0",
        f"WARC-Type: {kind}",
        "WARC-Date: 2024-05-01T00:00:05Z",
        f"WARC-Record-ID: <urn:uuid:{kind}-{number}>",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(content)}",
        *more,
        "",
    )
    return "".join(f"{field}\r\n" for field in fields).encode() + content + b"\r\n\r\n"


def news_archive() -> tuple[list[bytes], list[int]]:
    """Return records as Common Crawl's news files have them, and the numbers of the good pages.

    A warcinfo, then of each address the request, the response and its metadata; codings as they
    came over the wire, or undone and kept under another name.
    """
    http, fields = "application/http; msgtype=request", "application/warc-fields"
    html_type = "Content-Type: text/html; charset=utf-8"
    info = b"isPartOf: CC-NEWS\r\npublisher: Common Crawl\r\nformat: WARC File Format 1.0\r\n"
    packed = gzip.compress(html(2), mtime=0)
    chunks = (
        b"".join(
            b"%x\r\n%s\r\n" % (len(packed[i : i + 40]), packed[i : i + 40])
            for i in range(0, len(packed), 40)
        )
        + b"0\r\n\r\n"
    )
    crawled = ("X-Crawl-Content-Encoding: gzip", "X-Crawl-Transfer-Encoding: chunked")
    both = (html_type, "Transfer-Encoding: chunked", "Content-Encoding: gzip")
    responses = [
        response(1, headers=[html_type, *crawled, f"Content-Length: {len(html(1))}"]),
        response(2, chunks, headers=both),
        response(
            3,
            b"<html>moved",
            headers=[html_type, f"Location: {address(1)}"],
            status="301 Moved Permanently",
        ),
        response(4, b"<html>no", headers=[html_type], status="404 Not Found"),
        response(5, html(5)[:40], headers=[html_type], more=["WARC-Truncated: length"]),
        response(6, chunks[:60], headers=both, more=["WARC-Truncated: disconnect"]),
        response(7, b"\xff\xd8\xff", headers=["Content-Type: image/jpeg"]),
        response(8, more=["WARC-Identified-Payload-Type: text/html"], headers=()),
        response(9, b"", headers=[html_type], record_type="revisit", status="304 Not Modified"),
    ]
    parts = [record(0, "warcinfo", info, fields)]
    for number, found in enumerate(responses, 1):
        asked = f"GET /{number} HTTP/1.1\r\nHost: news.example\r\n\r\n".encode()
        parts += [
            record(number, "request", asked, http, f"WARC-Target-URI: {address(number)}"),
            found,
            record(number, "metadata", b"fetchTimeMs: 12\r\n", fields),
        ]
    return parts, [1, 2, 8]


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
