"""What readers hand on: for each record of a file a raw page, a refusal, or a counted omission."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from services.shared.contracts import RawPage

#: Response headers that matter to extraction.
HEADERS = frozenset({"content-type", "content-language", "last-modified", "link"})
MAX_SOURCE = 200
SURROGATES = re.compile("[\ud800-\udfff]")

RefusalReason = Literal[
    "broken_gzip",  # the compressed data is damaged, or is not gzip at all
    "broken_line",  # a line of JSON that is no object, or holds no page
    "broken_record",  # a WARC record that cannot be read
    "empty_file",  # a file meant to hold many pages, with nothing in it
    "missing",  # no such file
    "not_a_file",  # a socket, a pipe, a device
    "not_text",  # a .txt file of binary data
    "symlink_loop",  # a link that leads back to a folder above it
    "too_large",  # a page of more than `max_body_bytes`
    "truncated_record",  # a WARC response that was cut when it was archived
    "truncated_gzip",  # the compressed data ends too early
    "unknown_kind",  # the name says no kind of file the importer knows
    "unreadable",  # the operating system refuses to read it
]
REFUSAL_REASONS: tuple[RefusalReason, ...] = get_args(RefusalReason)

Omission = Literal[
    "fetched_at_unread",  # the page is imported, but its `fetched_at` is not a time
    "hidden_file",  # the name begins with a dot
    "not_html",  # a WARC response that is an image, a script, ...
    "not_response",  # a WARC record of another type: request, metadata, revisit, ...
    "redirect",  # a WARC response that leads elsewhere (3xx)
]
OMISSIONS: tuple[Omission, ...] = get_args(Omission)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A file or record that cannot become a raw page. `detail` is for a person."""

    origin: str
    reason: RefusalReason
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Omitted:
    """Something left out on purpose: counted by its reason, not named one by one."""

    reason: Omission


class Found(NamedTuple):
    """One outcome of reading a file.

    `number` counts the file's records from 1, the same in every reading; one record may have
    more than one outcome. `bytes_read` is how far into the file, as stored, reading has come.
    """

    number: int
    bytes_read: int
    outcome: RawPage | Refusal | Omitted


class Refused(Exception):
    """Why a file, a record or a part of one cannot be read.

    `member_start` is where in the decompressed bytes the gzip member began that is damaged or cut:
    what was read from there on has no checksum to trust.
    """

    def __init__(
        self, reason: RefusalReason, detail: str, *, member_start: int | None = None
    ) -> None:
        """Say what is wrong, in words for a person."""
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.member_start = member_start

    def at(self, origin: str) -> Refusal:
        """Return it as the outcome of reading what is at the origin."""
        return Refusal(origin=origin, reason=self.reason, detail=self.detail)


def too_large(max_body_bytes: int) -> Refused:
    """Return why a page of more than the allowed bytes is refused."""
    return Refused("too_large", f"more than {max_body_bytes:,} bytes (RASID_MAX_BODY_BYTES)")


def kept_headers(headers: Mapping[str, object]) -> dict[str, str]:
    """Return the headers that matter to extraction, their names in lower case."""
    return {
        name.lower(): storable(value)
        for name, value in headers.items()
        if isinstance(value, str) and name.lower() in HEADERS
    }


def is_source(name: str) -> bool:
    """Return whether this can be the name of a source."""
    return bool(name) and name.isprintable() and len(name) <= MAX_SOURCE


def storable(value: str) -> str:
    """Return the string with lone surrogates, which no encoding holds, as U+FFFD."""
    return SURROGATES.sub("\ufffd", value)
