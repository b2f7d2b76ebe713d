"""A WARC file in; a raw page out of each response that is HTML, or what is wrong with it.

The frames of records are found here, so that one broken record costs only itself and nothing is
cut short in silence; what is in a record is read by fastwarc.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from fastwarc.warc import HeaderMap, WarcRecord

from services.importer import archived, http_bodies
from services.importer.records import (
    Found,
    Omitted,
    Refusal,
    Refused,
    kept_headers,
    too_large,
)
from services.importer.streams import Stream
from services.shared.contracts import RawPage

MAX_LINE = 64 * 1024
MAX_HEADER = 64 * 1024
#: Room for the HTTP headers beside the body.
MAX_HTTP_HEADERS = 256 * 1024
SKIP_BYTES = 1024 * 1024
MAX_DIGITS = 18  # of a length; more is no length
VERSION = re.compile(rb"WARC/\d")
FIELD = re.compile(rb"(?im)^(content-length|warc-type):(.*)$")
HTML_TYPES = ("text/html", "application/xhtml+xml")
#: Records other than responses that hold pages, where `rasid archive` wrote them.
OURS = (b"resource", b"revisit")
REDIRECTS = range(300, 400)
LOOKS_HTML = re.compile(rb"<(!doctype\s+html|html|head|body)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Frame:
    """One record's header lines and content; content None: a response above the limit."""

    start: int  # among the decompressed bytes
    type: bytes
    header: bytes
    content: bytes | None


class Records:
    """The frames of a WARC stream, one after the other."""

    def __init__(self, data: BinaryIO, max_content: int) -> None:
        """Read from `data`; content of more than `max_content` bytes is skipped."""
        self._data = data
        self._max_content = max_content
        self._pushed = b""  # bytes to read again
        self._position = 0
        self._line = b""  # a record's first line, if it was read already
        self._lost = False

    def __iter__(self) -> Iterator[Frame | Refused]:
        """Yield each record, and each broken place once."""
        while True:
            try:
                if not self._line:
                    self._line = self._find_version() if self._lost else self._next_line()[0]
                self._lost = False
                if not self._line:
                    return
                frame = self._frame()
            except Refused as error:
                self._line, self._lost = b"", True
                yield error
                continue
            yield from self._checked(frame)

    def _checked(self, frame: Frame) -> Iterator[Frame | Refused]:
        """Yield the frame if what follows it shows that it was read rightly."""
        try:
            self._line, blank = self._next_line()
        except Refused as damage:
            self._lost = True
            if damage.member_start != frame.start:
                yield frame
            yield damage
            return
        if not blank and self._line and not VERSION.match(self._line):
            self._push((frame.content or b"") + self._line)
            self._line, self._lost = b"", True
            yield Refused(
                "broken_record", "its Content-Length is wrong: something else follows than a record"
            )
            return
        yield frame

    def _frame(self) -> Frame:
        start = self._position - len(self._line)
        if not VERSION.match(self._line):
            raise Refused("broken_record", "not a WARC record")
        lines = [self._line]
        self._line = b""
        size = 0
        while (line := self._readline()).strip(b"\r\n"):
            lines.append(line)
            size += len(line)
            if size > MAX_HEADER:
                raise Refused("broken_record", "its header has no end")
        if not line:
            raise Refused("broken_record", "the file ends within its header")
        header = b"".join(lines) + b"\r\n"
        fields = {name.lower(): value.strip() for name, value in FIELD.findall(header)}
        length = fields.get(b"content-length", b"")
        if not length.isdigit() or len(length) > MAX_DIGITS:
            raise Refused("broken_record", "no Content-Length in its header")
        kind = fields.get(b"warc-type", b"").lower()
        keep = kind == b"response" or (kind in OURS and archived.is_ours(header))
        content = self._content(int(length), keep=keep)
        return Frame(start, kind, header, content)

    def _content(self, length: int, *, keep: bool) -> bytes | None:
        if keep and length <= self._max_content:
            content = self._read(length)
            if len(content) < length:
                self._push(content)
                raise Refused(
                    "broken_record", f"the file ends {length - len(content):,} bytes before it does"
                )
            return content
        left = length
        while left and (skipped := len(self._read(min(left, SKIP_BYTES)))):
            left -= skipped
        if left:
            raise Refused("broken_record", f"the file ends {left:,} bytes before it does")
        return None if keep else b""

    def _read(self, size: int) -> bytes:
        content, self._pushed = self._pushed[:size], self._pushed[size:]
        if len(content) < size:
            content += self._data.read(size - len(content))
        self._position += len(content)
        return content

    def _readline(self) -> bytes:
        line = b""
        if self._pushed:
            end = self._pushed.find(b"\n") + 1 or len(self._pushed)
            line, self._pushed = self._pushed[:end], self._pushed[end:]
        if not line.endswith(b"\n"):
            line += self._data.readline(MAX_LINE)
        self._position += len(line)
        return line

    def _push(self, content: bytes) -> None:
        """Have these bytes read again, to find the records a wrong length swallowed."""
        self._pushed = content + self._pushed
        self._position -= len(content)

    def _next_line(self) -> tuple[bytes, int]:
        """Return the next line that is not blank (nothing at the end), and the blank ones."""
        blank = 0
        while (line := self._readline()) and not line.strip(b"\r\n"):
            blank += 1
        return line, blank

    def _find_version(self) -> bytes:
        """Return the next line that begins a record; nothing if none comes."""
        while (line := self._readline()) and not VERSION.match(line):
            pass
        return line


def read(stream: Stream, origin: str, *, max_body_bytes: int, after: int = 0) -> Iterator[Found]:
    """Yield an outcome for each record after number `after`."""
    records = Records(stream.data, max_body_bytes + MAX_HTTP_HEADERS)
    whole: Frame | None = None  # the last one of ours that has a body, for its revisits
    for number, record in enumerate(records, 1):
        if isinstance(record, Frame) and record.type != b"revisit":
            whole = record if archived.is_ours(record.header) else None
        if number > after:
            outcome = _outcome(record, whole, f"{origin}#{number}", max_body_bytes)
            yield Found(number, stream.bytes_read, outcome)


def _outcome(
    record: Frame | Refused, whole: Frame | None, origin: str, max_body_bytes: int
) -> RawPage | Refusal | Omitted:
    try:
        if isinstance(record, Refused):
            raise record
        if record.type in (b"response", *OURS) and archived.is_ours(record.header):
            return _archived(record, whole, origin, max_body_bytes)
        if record.type != b"response":
            return Omitted(reason="not_response")
        if record.content is None:
            raise too_large(max_body_bytes)
        return _page(record.header + record.content, origin, max_body_bytes)
    except Refused as refused:
        return refused.at(origin)


def _archived(record: Frame, whole: Frame | None, origin: str, max_body_bytes: int) -> RawPage:
    if whole is None:
        raise Refused("broken_record", "the record that has its body does not come before it")
    if record.content is None or whole.content is None:
        raise too_large(max_body_bytes)
    own = _parsed(record.header + record.content)
    first = own if whole is record else _parsed(whole.header + whole.content)
    return archived.page(own, first, origin, max_body_bytes)


def _page(raw: bytes, origin: str, max_body_bytes: int) -> RawPage | Omitted:
    record = _parsed(raw)
    http: HeaderMap | None = record.http_headers  # None where nothing of the content is HTTP
    if http is None or http.status_code is None:
        raise Refused("broken_record", "it holds no HTTP response")
    if http.status_code in REDIRECTS:
        return Omitted(reason="redirect")
    body = record.reader.read()
    if not _is_html(record, body):
        return Omitted(reason="not_html")
    if why := record.headers.get("WARC-Truncated"):
        raise Refused("truncated_record", f"it was cut when it was archived: {why[:100]}")
    body = http_bodies.decoded(
        body,
        transfer=http.get("Transfer-Encoding") or "",
        content=http.get("Content-Encoding") or "",
        limit=max_body_bytes,
    )
    address = record.headers.get("WARC-Target-URI")
    return RawPage(
        body=body,
        origin=origin,
        # Some writers put the address in angle brackets, as the first WARC standard did.
        requested_url=address.strip().strip("<>") if address else None,
        fetched_at=record.record_date,
        status=http.status_code,
        headers=kept_headers(http.to_dict()),
    )


def _parsed(raw: bytes) -> WarcRecord:
    try:
        record = WarcRecord.from_bytes(raw)
        if not record.is_http_parsed:
            record.parse_http()
    except (OSError, ValueError) as error:
        raise Refused("broken_record", str(error)) from error
    return record


def _is_html(record: WarcRecord, body: bytes) -> bool:
    """Tell by the server's type, else the crawler's guess, else the body's beginning."""
    for stated in (
        record.http_headers.get("Content-Type"),
        record.headers.get("WARC-Identified-Payload-Type"),
    ):
        if stated:
            return stated.partition(";")[0].strip().lower() in HTML_TYPES
    return bool(LOOKS_HTML.search(body[:1024]))
