"""The whole pipeline: page ids in, what became of each page out.

    queue.take -> extract -> normalize -> save -> link stories -> look for quotations
                     |          |                  -> publish changes -> queue.done
                     |  (clean, fingerprint and quote are called by these two)
                     +-> Rejection, counted with its reason
                     +-> DeadLetter, kept with body, reason and traceback

Killed anywhere in between, a page is still pending and simply done again: commit, then remove, then
acknowledge, and every step may be repeated.
"""

import traceback
from collections.abc import Sequence
from dataclasses import replace

import psycopg

from services.queue import Queue
from services.queue.bodies import Taken, Unreadable, of_ticket
from services.shared import compression
from services.shared.contracts import (
    EXTRACTOR_VERSION,
    Article,
    DeadLetter,
    Decision,
    Lane,
    RawPage,
    Rejection,
    Result,
)
from services.shared.errors import TransientError
from services.shared.observability import get_logger
from services.shared.settings import Settings
from services.storage import Connection, changes, raw_pages, results
from services.storage.rows import Processed
from worker import quotations, stories
from worker.extract import extract
from worker.limits import guarded
from worker.normalize import normalize
from worker.stories import Documents

log = get_logger()


def read(page: RawPage, max_body_bytes: int) -> Article | Rejection:
    """Return the article in a raw page, or why there is none. Pure: no I/O."""
    extraction = extract(page, max_body_bytes=max_body_bytes)
    return extraction if isinstance(extraction, Rejection) else normalize(extraction, page)


def process(  # noqa: PLR0913 - all that a process holds open
    ids: Sequence[str],
    lane: Lane,
    queue: Queue,
    connection: Connection,
    settings: Settings,
    *,
    documents: Documents | None = None,
) -> list[Decision]:
    """Take the pages, read each on its own, store all in one transaction, then let go of them.

    `documents` are texts of this database that were compared before.

    Raises:
        TransientError: Postgres or Redis is away; all pages are still pending.
    """
    ids = _leave_suspects(ids, lane, queue)
    if not ids:
        return []
    attempts = dict(zip(ids, queue.attempts.count(ids), strict=True))
    taken = queue.take(ids)
    gone = [waiting_id for waiting_id in ids if taken[waiting_id] is None]
    done_before = raw_pages.known(connection, gone) if gone else set()
    # Nothing is lost where a body is gone that was to be read again: it is kept in the store.
    done_before |= {waiting_id for waiting_id in gone if of_ticket(waiting_id)[1] is not None}
    processed = [
        _result(waiting_id, taken[waiting_id], attempts[waiting_id], queue, settings)
        for waiting_id in ids
        if waiting_id not in done_before
    ]
    decisions = _save(connection, processed)
    stored = [found.article_id for found in decisions if found.article_id is not None]
    stories.link(connection, documents or Documents(), stored)
    quotations.look(connection, _passages(processed, decisions))
    _publish(connection)
    queue.done(ids)
    return decisions


def fails(
    waiting_id: str, lane: Lane, queue: Queue, connection: Connection, settings: Settings
) -> bool | None:
    """Try one page, and return whether it would become a dead letter; then it stays pending.

    None where it tells nothing: it was refused, or was done before.

    Raises:
        TransientError: Postgres or Redis is away; the page is still pending.
    """
    taken = queue.take([waiting_id])[waiting_id]
    if isinstance(taken, Taken) and queue.attempts.so_far([waiting_id])[0] < settings.max_attempts:
        (attempt,) = queue.attempts.count([waiting_id])
        item = _result(waiting_id, taken, attempt, queue, settings)
        queue.attempts.forgive([waiting_id])
        if isinstance(item.result, DeadLetter) or _is_refused(connection, item):
            return True
    decisions = process([waiting_id], lane, queue, connection, settings)
    stored = all(decision.article_id is not None for decision in decisions)
    return False if decisions and stored else None


def _is_refused(connection: Connection, item: Processed) -> bool:
    """Return whether Postgres refuses the page; if not, it is stored."""
    try:
        results.save(connection, [item], EXTRACTOR_VERSION)
    except psycopg.Error:
        return True
    return False


def _passages(
    processed: Sequence[Processed], decisions: Sequence[Decision]
) -> dict[int, tuple[int, ...]]:
    """Return the hashes of passages by article, where the page is what the article is made of.

    Also where it was stored before: perhaps the worker was killed after that.
    """
    return {
        decision.article_id: item.result.passages
        for item, decision in zip(processed, decisions, strict=True)
        if decision.article_id is not None
        and isinstance(item.result, Article)
        and decision.status not in {"outdated", "worse"}
    }


def _publish(connection: Connection) -> None:
    """Give what was committed its place in the change feed; if it cannot be now, others will."""
    try:
        changes.publish(connection)
    except TransientError as error:
        log.warning("left to the reconciler", error=str(error))


def _leave_suspects(ids: Sequence[str], lane: Lane, queue: Queue) -> Sequence[str]:
    """Send pages that were tried before alone, so that one that kills takes no neighbours."""
    if len(ids) == 1:
        return ids
    suspects = {i for i, n in zip(ids, queue.attempts.so_far(ids), strict=True) if n > 0}
    queue.send([i for i in ids if i in suspects], lane, alone=True)
    return [i for i in ids if i not in suspects]


def _result(
    waiting_id: str,
    taken: Taken | Unreadable | None,
    attempt: int,
    queue: Queue,
    settings: Settings,
) -> Processed:
    result: Result
    # A process that is lost while it writes down that a page failed, as Postgres does not answer,
    # counts one more and tries nothing: no page is tried more often than it may be.
    tried = min(attempt, settings.max_attempts)
    if isinstance(taken, Taken):
        if attempt > settings.max_attempts:
            detail = f"the worker process died or hung {tried} times with this page"
            if how := queue.attempts.last_lost(waiting_id):
                detail += f"; the last time: {how}"
            result = DeadLetter(reason="worker_lost", detail=detail, attempts=tried)
        else:
            result = guarded(
                lambda: read(taken.page, settings.max_body_bytes),
                seconds=settings.page_time_limit_s,
                attempt=attempt,
            )
        page, compressed = taken.page, taken.compressed
    elif taken is None:
        page = RawPage(body=b"", origin="queue")
        result = DeadLetter(reason="body_missing", detail="no body under this id", attempts=tried)
        compressed = compression.compress(b"")
    else:
        page = RawPage(body=taken.stored, origin="queue")
        result = DeadLetter(reason="invalid_message", detail=taken.problem, attempts=tried)
        compressed = compression.compress(taken.stored)
    page_id, replay_id = of_ticket(waiting_id)
    return Processed(
        page_id=page_id, page=page, compressed=compressed, result=result, replay_id=replay_id
    )


def _save(connection: Connection, processed: Sequence[Processed]) -> list[Decision]:
    """Store the chunk; where Postgres refuses it, store each page alone and keep the culprit."""
    try:
        return results.save(connection, processed, EXTRACTOR_VERSION)
    except psycopg.Error as error:
        if len(processed) > 1:
            return [d for item in processed for d in _save(connection, [item])]
        (item,) = processed
        letter = DeadLetter(
            reason="not_storable", detail=str(error), traceback=traceback.format_exc()
        )
        failed = replace(item, result=letter)
        try:
            return results.save(connection, [failed], EXTRACTOR_VERSION)
        except psycopg.Error:
            # It refuses even what came along with the page: its body and addresses are kept.
            page = item.page
            bare = RawPage(
                body=page.body,
                origin=page.origin,
                requested_url=page.requested_url,
                final_url=page.final_url,
            )
            return results.save(connection, [replace(failed, page=bare)], EXTRACTOR_VERSION)
