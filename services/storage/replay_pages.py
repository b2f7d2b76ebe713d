"""The pages of a replay, handed on in the order of their fetch until none is left."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg.rows import dict_row

from services.shared import page_header, urls
from services.shared.contracts import RawPage
from services.shared.errors import InvalidUrl
from services.storage import Connection, captures, queries, transient_errors

SQL = queries("replays")


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A page to be read again: bytes are a message that nobody could read; None has no body."""

    position: int
    page_id: str
    message: RawPage | bytes | None
    is_dead_letter: bool


def next_pages(
    connection: Connection,
    replay_id: int,
    *,
    after: int,
    limit: int,
    body: captures.Reader = captures.body,
) -> list[Waiting]:
    """Return pages that are not done yet, from a position on, with the bodies that `body` finds.

    A dead letter comes with all it came with the first time.

    Raises:
        TransientError: Postgres is away.
    """
    values = {"replay_id": replay_id, "after": after, "limit": limit}
    with transient_errors(), connection.cursor(row_factory=dict_row) as cursor:
        rows: list[dict[str, Any]] = cursor.execute(SQL.next_pages, values).fetchall()
    _add_words_of_feeds(connection, rows)
    return [
        Waiting(
            position=row["position"],
            page_id=row["page_id"],
            message=_message(connection, row, body),
            is_dead_letter=row["dead_letter_reason"] is not None,
        )
        for row in rows
    ]


def _add_words_of_feeds(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Pages of before these were kept with them: their link knows, which may name a later page."""
    keys = {}
    for row in rows:
        if row["feed_title"] is None and row["feed_published_at"] is None and row["requested_url"]:
            try:
                key = urls.key(row["requested_url"])
            except InvalidUrl:
                continue
            keys[urls.key_sha256(key)] = row
    if not keys:
        return
    with transient_errors():
        found = connection.execute(SQL.link_word, {"keys": list(keys)}).fetchall()
    for key_sha256, title, published_at in found:
        row = keys[key_sha256]  # type: ignore[index]
        row["feed_title"], row["feed_published_at"] = title, published_at


def _message(
    connection: Connection, row: Mapping[str, Any], read: captures.Reader
) -> RawPage | bytes | None:
    if row["capture_sha256"] is None:
        return None  # pruned since
    body = read(connection, row["capture_sha256"], row["captured_on"])
    if body is None:
        return None
    if row["dead_letter_reason"] == "invalid_message":
        return body
    if row["header"] is not None:
        return page_header.decode(row["header"].encode(), body)
    names = RawPage.__dataclass_fields__.keys() & row.keys()
    return RawPage(body=body, **{name: row[name] for name in names})


def give_up(connection: Connection, replay_id: int, page_ids: Sequence[str]) -> None:
    """Note that the bodies of these pages have gone.

    Raises:
        TransientError: Postgres is away.
    """
    values = {"replay_id": replay_id, "page_ids": list(page_ids)}
    with transient_errors():
        connection.execute(SQL.give_up, values)


def mark_letters(connection: Connection, page_ids: Sequence[str]) -> None:
    """Note that these dead letters are about to be read again; a failure clears the note.

    Raises:
        TransientError: Postgres is away.
    """
    with transient_errors():
        connection.execute(SQL.mark_letters, {"page_ids": list(page_ids)})


def left(connection: Connection, replay_id: int) -> int:
    """Return how many pages are not done yet.

    Raises:
        TransientError: Postgres is away.
    """
    with transient_errors():
        row = connection.execute(SQL.left, {"replay_id": replay_id}).fetchone()
    return int(str(row[0])) if row else 0
