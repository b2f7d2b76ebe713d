"""Lines of JSON in; a raw page out of each, or what is wrong with it."""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from services.importer import texts
from services.importer.records import (
    Found,
    Omitted,
    Refusal,
    Refused,
    is_source,
    kept_headers,
    storable,
    too_large,
)
from services.importer.streams import Stream
from services.shared.contracts import RawPage

#: Most of what a character of HTML takes in JSON: an Arabic letter is 2 bytes, its escape 6.
ESCAPED = 4
#: Also a byte order mark, and the padding some writers leave.
BLANK = b" \t\r\n\0\xef\xbb\xbf"
#: Seconds after which a number in `fetched_at` must be milliseconds (the year 5138).
MAX_SECONDS = 1e11
STATUSES = range(100, 600)


def read(stream: Stream, origin: str, *, max_body_bytes: int, after: int = 0) -> Iterator[Found]:
    """Yield an outcome for each line after number `after`; blank lines are counted, not named.

    A line looks like `{"url": ..., "html": ..., "fetched_at": ...}`. The body is `html_base64`,
    else `html`, else `text`; `final_url`, `status`, `headers`, `source` and `title` may follow.
    """
    for number, line in enumerate(_lines(stream, ESCAPED * max_body_bytes), 1):
        if number > after:
            for outcome in _outcomes(line, f"{origin}#{number}", max_body_bytes):
                yield Found(number, stream.bytes_read, outcome)


def _lines(stream: Stream, limit: int) -> Iterator[bytes | Refused]:
    """Yield lines of at most `limit` + 1 bytes, longer ones cut there, and each damage once."""
    while True:
        try:
            line = stream.data.readline(limit + 1)
            if not line:
                return
            yield line
            while len(line) > limit and not line.endswith(b"\n"):
                line = stream.data.readline(limit + 1)
        except Refused as damage:
            yield damage


def _outcomes(
    line: bytes | Refused, origin: str, max_body_bytes: int
) -> Iterator[RawPage | Refusal | Omitted]:
    try:
        page, known_time = _line_page(line, origin, max_body_bytes)
    except Refused as refused:
        yield refused.at(origin)
        return
    if page and not known_time:
        yield Omitted(reason="fetched_at_unread")
    if page:
        yield page


def _line_page(
    line: bytes | Refused, origin: str, max_body_bytes: int
) -> tuple[RawPage | None, bool]:
    """Return the line's page (None: a blank line), and whether its time could be read."""
    if isinstance(line, Refused):
        raise line
    if len(line) > ESCAPED * max_body_bytes:
        raise too_large(max_body_bytes)
    if not line.strip(BLANK):
        return None, True
    page, known_time = _page(_record(line), origin)
    if len(page.body) > max_body_bytes:
        raise too_large(max_body_bytes)
    return page, known_time


def _record(line: bytes) -> Mapping[str, object]:
    try:
        record: object = json.loads(line.removeprefix(b"\xef\xbb\xbf").decode("utf-8"))
    except UnicodeDecodeError as error:
        raise Refused(
            "broken_line", f"not UTF-8: {error.reason} at byte {error.start + 1}"
        ) from error
    except RecursionError as error:
        raise Refused("broken_line", "not JSON a page would need: nested too deeply") from error
    except ValueError as error:
        raise Refused("broken_line", f"not JSON: {error}") from error
    if not isinstance(record, dict):
        raise Refused("broken_line", f"not a JSON object but {type(record).__name__}")
    return record


def _page(record: Mapping[str, object], origin: str) -> tuple[RawPage, bool]:
    """Return the record's page, and whether its `fetched_at` could be read or is not there."""
    body, is_text = _body(record)
    headers = record.get("headers")
    kept = kept_headers(headers) if isinstance(headers, dict) else {}
    if is_text:  # a page declares the charset it once came in, but this is UTF-8 now
        kept["content-type"] = "text/html; charset=utf-8"
    stated = record.get("fetched_at")
    fetched_at = read_time(stated)
    status = record.get("status")
    page = RawPage(
        body=body,
        origin=origin,
        requested_url=_string(record, "url"),
        final_url=_string(record, "final_url"),
        fetched_at=fetched_at,
        status=status if isinstance(status, int) and status in STATUSES else None,
        headers=kept,
        source=_source(record),
        feed_title=_string(record, "title"),
    )
    return page, fetched_at is not None or stated in (None, "")


def _body(record: Mapping[str, object]) -> tuple[bytes, bool]:
    """Return the page's bytes, and whether they were given as text and not as bytes."""
    if encoded := _string(record, "html_base64"):
        try:
            return base64.b64decode(encoded, validate=True), False
        except (binascii.Error, ValueError) as error:
            raise Refused("broken_line", f"html_base64: {error}") from error
    html = _string(record, "html")
    if html is not None:
        return html.encode("utf-8"), True
    text = _string(record, "text")
    if text is not None:
        return texts.page(text), True
    raise Refused("broken_line", "no html, html_base64 or text")


def _string(record: Mapping[str, object], name: str) -> str | None:
    value = record.get(name)
    if value is not None and not isinstance(value, str):
        raise Refused("broken_line", f"{name}: not a string but {type(value).__name__}")
    return value and storable(value)


def _source(record: Mapping[str, object]) -> str | None:
    source = _string(record, "source")
    if source and not is_source(source):
        raise Refused("broken_line", "source: not a name")
    return source or None


def read_time(value: object) -> datetime | None:
    """Return the UTC time of an ISO 8601 string (without an offset: UTC) or a Unix time."""
    try:
        if isinstance(value, str):
            time = datetime.fromisoformat(value.strip())
            return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000 if value > MAX_SECONDS else value, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None
