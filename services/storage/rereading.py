"""A page that is read again: what it was before, and what that leaves of the new result.

Called by `results.save`, inside of its transaction. The rule, whatever the order: an article is
read again from the page it was last seen on, and from no other. A page that made no article before
comes to its article like one that has just been fetched, at its own time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from services.storage import Connection, queries

SQL = queries("replays")
WITHOUT = ("rejected", "dead_letter")
Row = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What became of a page when it was last read; `received_at` is when Rasid first had it."""

    id: str
    outcome: str
    reason: str | None
    article_id: int | None
    received_at: datetime


def before(tx: Connection, page_ids: Sequence[str]) -> dict[str, Before]:
    """Return what the pages were, by id; not those whose row is gone."""
    if not page_ids:
        return {}
    with tx.cursor(row_factory=class_row(Before)) as cursor:
        rows = cursor.execute(SQL.known, {"ids": list(page_ids)}).fetchall()
    return {row.id: row for row in rows}


def record(tx: Connection, was: Before, row: Mapping[str, Any]) -> None:
    """Store the result where the page made no article before, or makes another one now.

    A page that makes none any more keeps its article; one that fails keeps what it was.
    """
    is_other = row["article_id"] not in (None, was.article_id)
    if was.outcome in WITHOUT:
        if row["outcome"] != "dead_letter" or was.outcome == "dead_letter":
            tx.execute(SQL.replace_result, row)
    elif is_other:
        tx.execute(SQL.replace_result, row)
    elif row["outcome"] != "dead_letter":
        tx.execute(SQL.read_again, row)


def done(
    tx: Connection, replay_id: int, row: Mapping[str, Any], differences: object, was: Before | None
) -> None:
    """Note what became of a page of a replay, and which fields of its article differ now."""
    tx.execute(
        SQL.done,
        {
            "replay_id": replay_id,
            "page_id": row["id"],
            "outcome": row["outcome"],
            "reason": row["reason"],
            "article_id": row["article_id"] or (was and was.article_id),
            "differences": Jsonb(differences) if differences else None,
        },
    )
