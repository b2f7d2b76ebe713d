"""Articles that are there already: a new version where the content changed, and never a worse one.

Called by `results.save`, inside of its transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg.rows import dict_row

from services.shared import versions
from services.shared.contracts import DecisionStatus, Event, VersionReason
from services.storage import Connection, queries
from services.storage.rereading import Before
from services.storage.withdrawals import BY_ITSELF

ARTICLES = queries("articles")
RAW_PAGES = queries("raw_pages")
SQL = queries("versions")
WITHDRAWALS = queries("withdrawals")

Row = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a page whose article was there already."""

    article_id: int
    status: DecisionStatus
    detail: str | None = None


@dataclass(slots=True, kw_only=True)
class Updates:
    """The last new row by article id, each page's outcome, and what there is to tell of it.

    `restored` are articles that were withdrawn: `withdrawals.represent_stories` is to follow.
    """

    rows: dict[int, Row] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    restored: list[int] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class _Stored:
    """An article row as it stands in the store while a chunk is saved."""

    id: int
    version: int
    content_sha256: bytes
    text_sha256: bytes
    capture_sha256: bytes
    extractor_version: int
    page_id: str
    observed_page_id: str
    fetched_at: datetime | None
    observed_at: datetime
    withdrawn_at: datetime | None
    withdrawn_reason: str | None


def update(tx: Connection, rows: Sequence[Row]) -> Updates:
    """Make a new version of each article whose content changed.

    A page fetched before the stored one changes nothing: pages may arrive in any order. Neither
    does a worse copy, until it has lasted (`services.shared.versions`).
    """
    updates = Updates()
    if not rows:
        return updates
    with tx.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(
            ARTICLES.lock_articles, {"keys": [row["normalized_url_sha256"] for row in rows]}
        )
        stored = {row.pop("normalized_url_sha256"): _Stored(**row) for row in found}
    for row in rows:
        current = stored[row["normalized_url_sha256"]]
        row["id"] = current.id
        _restore(tx, row, current, updates)
        updates.outcomes[str(row["page_id"])] = _update(tx, row, current, updates)
    return updates


def _update(tx: Connection, row: Row, current: _Stored, updates: Updates) -> Outcome:
    was = row["was"]
    if isinstance(was, Before) and was.article_id == current.id:
        return _read_again(tx, row, current, updates)
    observed_at = row["observed_at"]
    if row["content_sha256"] == current.content_sha256:
        tx.execute(SQL.forget_worse, {"id": current.id, "seen_at": observed_at})
        if isinstance(observed_at, datetime) and observed_at > current.observed_at:
            tx.execute(SQL.seen_again, row)
            current.observed_at, current.observed_page_id = observed_at, str(row["page_id"])
        return Outcome(article_id=current.id, status="unchanged")
    if _is_outdated(tx, row, current):
        return Outcome(article_id=current.id, status="outdated")
    old = _content(tx, current)
    changed = versions.changed(old, row)
    if not changed:
        return Outcome(article_id=current.id, status="unchanged")
    reason = versions.reason(
        same_bytes=row["capture_sha256"] == current.capture_sha256,
        same_extractor=row["extractor_version"] == current.extractor_version,
    )
    detail = _why_worse(tx, old, row, changed, reason)
    if detail:
        return Outcome(article_id=current.id, status="worse", detail=detail)
    _explain(row, reason, old, changed)
    _store(tx, row, current, updates)
    return Outcome(article_id=current.id, status="updated")


def _read_again(tx: Connection, row: Row, current: _Stored, updates: Updates) -> Outcome:
    """Take what a page says that the article was made of before.

    An article is read again only from the page it was last seen on: so the order in which its pages
    are read again makes no difference. What is newly read of it is better, also where it is less.
    """
    if row["page_id"] != current.observed_page_id or _is_older_reading(row, current):
        return Outcome(article_id=current.id, status="outdated")
    old = _content(tx, current)
    changed = versions.changed(old, row)
    details = [name for name in versions.DETAILS if old[name] != row[name]]
    same_page = row["page_id"] == current.page_id
    # Bytes that came again at a later time are one page, which names its first time.
    row |= {
        "fetched_at": current.fetched_at if same_page else row["fetched_at"],
        "observed_at": current.observed_at,
    }
    reason: VersionReason = (
        "context" if row["extractor_version"] == current.extractor_version else "extractor"
    )
    _explain(row, reason, old, [*changed, *details])
    if changed:
        _store(tx, row, current, updates)
        return Outcome(article_id=current.id, status="updated")
    if details or row["extractor_version"] != current.extractor_version:
        tx.execute(SQL.read_again, row)
        current.extractor_version = int(str(row["extractor_version"]))
    if details:
        detail = {"reason": reason, "changed": details, **cause(row)}
        updates.events.append(
            Event(kind="updated", article_id=current.id, version=current.version, detail=detail)
        )
    return Outcome(article_id=current.id, status="unchanged")


def _content(tx: Connection, current: _Stored) -> dict[str, Any]:
    with tx.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(SQL.content, {"id": current.id}).fetchone() or {}


def _explain(
    row: Row, reason: VersionReason, old: Mapping[str, Any], changed: Sequence[str]
) -> None:
    row |= {
        "version_reason": reason,
        "version_changed": [name for name in changed if name in versions.FIELDS],
        "differences": {name: versions.difference(old[name], row[name]) for name in changed},
    }


def _store(tx: Connection, row: Row, current: _Stored, updates: Updates) -> None:
    """Make the row the article's newest version, when `_explain` has said why."""
    before = updates.rows.get(current.id, {})
    row["text_changed"] = row["text_sha256"] != current.text_sha256 or before.get("text_changed")
    tx.execute(ARTICLES.supersede, row)
    tx.execute(ARTICLES.update_article, row)
    tx.execute(SQL.forget_worse, {"id": current.id, "seen_at": None})
    if row["text_sha256"] != current.text_sha256:
        updates.events += _release_text(tx, current)
    current.version += 1
    for name in ("content_sha256", "text_sha256", "capture_sha256", "extractor_version", "page_id"):
        setattr(current, name, row[name])
    current.observed_page_id, current.fetched_at = str(row["page_id"]), row["fetched_at"]  # type: ignore[assignment]
    if isinstance(row["observed_at"], datetime):
        current.observed_at = row["observed_at"]
    updates.rows[current.id] = row
    updates.events.append(
        Event(
            kind="updated",
            article_id=current.id,
            version=current.version,
            detail={
                "reason": row["version_reason"],
                "changed": row["version_changed"],
                **cause(row),
            },
        )
    )


def cause(row: Mapping[str, object]) -> dict[str, object]:
    """Return what an event says beside the rest where the page has not just been fetched."""
    return {"cause": "replay"} if row["was"] else {}


def _is_older_reading(row: Row, current: _Stored) -> bool:
    return int(str(row["extractor_version"])) < current.extractor_version


def _is_outdated(tx: Connection, row: Row, current: _Stored) -> bool:
    """Return whether the stored article is of a later page, or of a better reading of this one."""
    observed_at = row["observed_at"]
    if row["was"]:
        # At its own time, whatever is done first.
        place = observed_at, row["page_id"]
        return place < (current.observed_at, current.observed_page_id)
    if row["capture_sha256"] == current.capture_sha256:
        return _is_older_reading(row, current)
    if isinstance(observed_at, datetime) and observed_at != current.observed_at:
        return observed_at < current.observed_at
    # Times do not tell. A page that was done before is done again because a worker was killed.
    return bool(tx.execute(RAW_PAGES.is_done, {"id": row["page_id"]}).fetchall())


def _why_worse(
    tx: Connection,
    old: Mapping[str, Any],
    row: Mapping[str, Any],
    changed: Sequence[str],
    reason: VersionReason,
) -> str | None:
    """Return why this copy is worse than the stored one, or None if it may replace it."""
    # Of the same bytes the newer reading is the better one, also where it has less.
    if reason == "extractor" or (reason == "context" and "text" in changed):
        return None
    if "text" in changed:
        found = versions.worse(old["text"], old["labels"], row["text"], row["labels"])
    else:
        found = versions.poorer(old, row, changed)
    if found is None:
        return None
    observed_at = row["observed_at"]
    if found.final or not isinstance(observed_at, datetime):
        return found.detail
    sha256 = row["text_sha256" if "text" in changed else "content_sha256"]
    values = {"id": row["id"], "sha256": sha256, "observed_at": observed_at}
    ((first,),) = tx.execute(SQL.seen_worse, values).fetchall()
    lasting = isinstance(first, datetime) and observed_at - first >= versions.ACCEPTED_AFTER
    return None if lasting else found.detail


def _restore(tx: Connection, row: Row, current: _Stored, updates: Updates) -> None:
    """An article whose page was gone, and has been fetched since."""
    fetched_at = row["fetched_at"]
    if (
        current.withdrawn_at is not None
        and current.withdrawn_reason in BY_ITSELF
        and isinstance(fetched_at, datetime)
        and fetched_at > current.withdrawn_at
    ):
        tx.execute(WITHDRAWALS.restore, {"ids": [current.id]})
        updates.restored.append(current.id)
        current.withdrawn_at = None
        updates.events.append(
            Event(kind="restored", article_id=current.id, version=current.version)
        )


def _release_text(tx: Connection, current: _Stored) -> list[Event]:
    """Give the article's old text to its oldest copy; return what that changes for copies."""
    values = {"text_sha256": current.text_sha256, "article_id": current.id}
    tx.execute(ARTICLES.lock_text, values)
    return [
        Event(
            kind="duplicate_changed",
            article_id=int(str(copy)),
            version=int(str(version)),
            detail={"duplicate_of": owner},
        )
        for copy, version, owner in tx.execute(ARTICLES.release_text, values)
    ]
