"""Articles whose page is gone: they keep their text, and say so."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from services.shared.contracts import Event, WithdrawnReason
from services.shared.frontier import LinkOutcome
from services.storage import Connection, changes, queries, transient_errors

SQL = queries("withdrawals")
#: What an answer for good says of an article that was behind the link.
REASONS: dict[int | None, WithdrawnReason] = {404: "not_found", 410: "gone"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An article that may be withdrawn or restored."""

    id: int
    url: str
    title: str | None
    version: int
    withdrawn_at: datetime | None
    withdrawn_reason: str | None


def find(connection: Connection, ids: Sequence[int], normalized_urls: Sequence[str]) -> list[Found]:
    """Return the articles with these ids or keys, by id.

    Raises:
        TransientError: Postgres is away.
    """
    keys = [hashlib.sha256(key.encode()).digest() for key in normalized_urls]
    with transient_errors(), connection.cursor(row_factory=class_row(Found)) as cursor:
        return cursor.execute(SQL.find, {"ids": list(ids), "keys": keys}).fetchall()


def withdraw(connection: Connection, ids: Sequence[int], reason: WithdrawnReason) -> list[int]:
    """Withdraw articles in one transaction, and return those that were not withdrawn before.

    `changes.publish` is to follow the commit.

    Raises:
        TransientError: Postgres is away.
    """
    with transient_errors(), connection.transaction():
        rows = connection.execute(SQL.withdraw, {"ids": list(ids), "reason": reason}).fetchall()
        events = [
            Event(
                kind="withdrawn",
                article_id=int(str(article)),
                version=int(str(version)),
                detail={"reason": reason},
            )
            for article, version in sorted(rows)
        ]
        changes.emit(connection, events)
    return [event.article_id for event in events]


def restore(connection: Connection, ids: Sequence[int]) -> list[int]:
    """Undo `withdraw` in one transaction, and return those that were withdrawn.

    `changes.publish` is to follow the commit.

    Raises:
        TransientError: Postgres is away.
    """
    with transient_errors(), connection.transaction():
        rows = connection.execute(SQL.restore, {"ids": list(ids)}).fetchall()
        events = [
            Event(kind="restored", article_id=int(str(article)), version=int(str(version)))
            for article, version in sorted(rows)
        ]
        changes.emit(connection, events)
    return [event.article_id for event in events]


def links_ended(tx: Connection, outcomes: Sequence[LinkOutcome]) -> None:
    """Withdraw the articles of links whose page is gone for good."""
    for reason in dict.fromkeys(REASONS.values()):
        gone = [o.link_id for o in outcomes if o.state == "failed" and _why(o) == reason]
        if gone:
            articles = tx.execute(SQL.of_links, {"link_ids": gone}).fetchall()
            withdraw(tx, [int(str(article)) for (article,) in articles], reason)


def _why(outcome: LinkOutcome) -> WithdrawnReason | None:
    # A redirect to the home page is how many sites say that they do not have it any more.
    return "not_found" if outcome.reason == "redirected_home" else REASONS.get(outcome.status)
