"""A raw page and its id, as they lie in Redis."""

import re
from dataclasses import dataclass
from typing import TypeGuard

from services.shared import compression, page_header
from services.shared.contracts import RawPage
from services.shared.errors import InvalidMessage
from services.shared.settings import MIB

#: A page's id, or the ticket of one that is read again.
PAGE_ID = re.compile(r"[\w-]{1,80}(?:\.\d{1,18})?", re.ASCII)
KEPT = MIB  # of what is too large to be a page


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A raw page taken from the queue, and its body as it was stored (one zstd frame)."""

    page: RawPage
    compressed: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """What lay under a page's id is not a raw page: the bytes as they were, and why."""

    stored: bytes
    problem: str


def is_page_id(value: object) -> TypeGuard[str]:
    """Tell what can be the id of a page or a ticket; those of `RawPage.id` are 32 digits."""
    return isinstance(value, str) and bool(PAGE_ID.fullmatch(value))


def ticket(page_id: str, replay_id: int) -> str:
    """Return the id under which a page waits that is read again.

    Not its own: it may come from the crawler at the same time.
    """
    return f"{page_id}.{replay_id}"


def of_ticket(waiting_id: str) -> tuple[str, int | None]:
    """Return the id of the page that waits under an id, and the replay that reads it again."""
    page_id, _, replay_id = waiting_id.partition(".")
    return page_id, int(replay_id) if replay_id else None


def pack(page: RawPage) -> bytes:
    """Return the page as it lies in Redis: its header as a line, then its body as zstd."""
    return page_header.encode(page) + b"\n" + compression.compress(page.body)


def unpack(stored: bytes, most: int) -> Taken | Unreadable:
    """Return the page of up to `most` bytes; anybody who reaches Redis may have written it."""
    if len(stored) > most:
        return Unreadable(stored=stored[:KEPT], problem=f"more than {most} bytes")
    header, _, compressed = stored.partition(b"\n")
    try:
        page = page_header.decode(header, compression.decompress(compressed, most))
    except (ValueError, InvalidMessage) as error:
        return Unreadable(stored=stored, problem=str(error))
    return Taken(page=page, compressed=compressed)
