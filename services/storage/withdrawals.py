"""Articles whose page is gone: they keep their text, and say so."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from services.shared import urls
from services.shared.contracts import Event, WithdrawnReason
from services.shared.frontier import LinkOutcome
from services.storage import Connection, changes, queries, transient_errors

SQL = queries("withdrawals")
#: What an answer for good says of an article that was behind the link.
REASONS: dict[int | None, WithdrawnReason] = {404: "not_found", 410: "gone"}
#: Withdrawn for these reasons, an article comes back with its page; else a person restores it.
BY_ITSELF: tuple[WithdrawnReason, ...] = ("not_found", "gone")


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
    keys = [urls.key_sha256(key) for key in normalized_urls]
    with transient_errors(), connection.cursor(row_factory=class_row(Found)) as cursor:
        return cursor.execute(SQL.find, {"ids": list(ids), "keys": keys}).fetchall()


def withdraw(connection: Connection, ids: Sequence[int], reason: WithdrawnReason) -> list[int]:
    """Withdraw articles in one transaction, and return those it changes.

    Those that are not withdrawn; with a reason that a person gives, also those whose page is gone.
    `changes.publish` is to follow the commit.

    Raises:
        TransientError: Postgres is away.
    """
    values = {"ids": list(ids), "reason": reason, "replaced": _replaced_by(reason)}
    with transient_errors():
        rows = connection.execute(SQL.withdraw, values).fetchall()
    return [int(str(article)) for (article,) in rows]


def may_withdraw(found: Found, reason: WithdrawnReason) -> bool:
    """Return whether `withdraw` would do anything."""
    return found.withdrawn_at is None or found.withdrawn_reason in _replaced_by(reason)


def _replaced_by(reason: WithdrawnReason) -> list[str]:
    return [] if reason in BY_ITSELF else list(BY_ITSELF)


def restore(connection: Connection, ids: Sequence[int]) -> list[int]:
    """Undo `withdraw` in one transaction, and return those that were withdrawn.

    `changes.publish` is to follow the commit.

    Raises:
        TransientError: Postgres is away.
    """
    with transient_errors(), connection.transaction():
        rows = connection.execute(SQL.restore, {"ids": list(ids)}).fetchall()
        represent_stories(connection, [article for article, _ in rows])
        events = [
            Event(kind="restored", article_id=int(str(article)), version=int(str(version)))
            for article, version in sorted(rows)
        ]
        changes.emit(connection, events)
    return [event.article_id for event in events]


def represent_stories(tx: Connection, ids: Sequence[object]) -> None:
    """Have articles that are not withdrawn represent the stories of these, which just changed."""
    if ids:
        tx.execute(SQL.represent_stories, {"ids": list(ids)})


def links_ended(tx: Connection, outcomes: Sequence[LinkOutcome]) -> None:
    """Withdraw the articles of links whose page is gone for good.

    Of a page that is still on the queue `pages_saved` does.
    """
    reasons = {o.link_id: reason for o in outcomes if o.state == "failed" and (reason := _why(o))}
    if not reasons:
        return
    with transient_errors():
        tx.execute(SQL.wait_for_pages, {"link_ids": list(reasons)})
        tx.execute(SQL.of_links, {"link_ids": list(reasons), "reasons": list(reasons.values())})


def hold_pages(tx: Connection, page_ids: Sequence[str]) -> list[str]:
    """Have the ends of these pages' links wait until what they became is saved.

    Returns those of the pages that have no result yet.
    """
    return [str(row[0]) for row in tx.execute(SQL.hold_pages, {"ids": list(page_ids)}).fetchall()]


def pages_saved(tx: Connection, page_ids: Sequence[str]) -> None:
    """Withdraw what pages became whose links were gone before.

    The pages are what `hold_pages` returned in the same transaction, and those that are articles
    now for the first time: what was one before, and has perhaps been restored by a person since,
    is left alone.
    """
    tx.execute(SQL.of_pages, {"ids": list(page_ids)})


def _why(outcome: LinkOutcome) -> WithdrawnReason | None:
    # A redirect to the home page is how many sites say that they do not have it any more.
    return "not_found" if outcome.reason == "redirected_home" else REASONS.get(outcome.status)
