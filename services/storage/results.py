"""Save a chunk's results: captures, articles, versions, rejections and dead letters at once."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from services.shared import compression, urls
from services.shared.contracts import (
    Article,
    DeadLetter,
    Decision,
    Event,
    RawPage,
    Rejection,
)
from services.storage import (
    Connection,
    changes,
    purges,
    queries,
    quotations,
    rereading,
    search,
    stories,
    transient_errors,
    versions,
    watches,
    withdrawals,
)
from services.storage.rereading import Before
from services.storage.rows import (
    Processed,
    Row,
    article_row,
    as_bytes,
    as_int,
    as_text,
    dead_letter_row,
    findable,
    fingerprint_of,
    raw_page_row,
)
from services.storage.text import storable

ARTICLES = queries("articles")
RAW_PAGES = queries("raw_pages")
DEAD_LETTERS = queries("dead_letters")

PURGED = Rejection(reason="purged")
NOTHING = compression.compress(b"")


def save(
    connection: Connection, processed: Sequence[Processed], extractor_version: int
) -> list[Decision]:
    """Store the results in one transaction and return what became of each page, in order.

    Every step may be repeated: a page saved twice changes nothing the second time. Writers take
    rows in one order (articles by key, then texts by hash), so that they wait for each other and
    do not deadlock; where two still do, Postgres ends one, which is a TransientError.

    What changed is in the outbox of the change feed: `changes.publish` is to follow the commit.

    Raises:
        TransientError: Postgres is away, full, read-only or ended this writer.
        psycopg.Error: Postgres refuses a value; nothing of the chunk is stored.
    """
    with transient_errors(), connection.transaction():
        processed = _without_purged(connection, processed)
        first = withdrawals.hold_pages(connection, [item.page_id for item in processed])
        again = [item.page_id for item in processed if item.replay_id is not None]
        before = rereading.before(connection, again)
        _add_parents(connection, processed)
        rows = [
            article_row(item, item.result, extractor_version, before.get(item.page_id))
            for item in processed
            if isinstance(item.result, Article)
        ]
        decisions = _save_articles(connection, rows)
        for item in processed:
            if isinstance(item.result, Rejection):
                decisions[item.page_id] = Decision(page_id=item.page_id, status="rejected")
            elif isinstance(item.result, DeadLetter):
                said = f"{item.result.reason}: {item.result.detail}"
                was = before.get(item.page_id)
                decisions[item.page_id] = Decision(
                    page_id=item.page_id,
                    status="dead_letter",
                    detail=said,
                    before=was.outcome if was else None,
                )
        differences = {str(row["page_id"]): row.get("differences") for row in rows}
        pages = {
            item.page_id: raw_page_row(item, decisions[item.page_id], extractor_version)
            for item in processed
        }
        letters = _record(connection, processed, pages, before, differences)
        for item in processed:
            if isinstance(item.result, DeadLetter) and item.page_id not in letters:
                # It failed, but has its result from before.
                decisions[item.page_id] = replace(decisions[item.page_id], status="unchanged")
        withdrawals.pages_saved(connection, [*first, *_made(before, decisions)])
    return [decisions[item.page_id] for item in processed]


def _made(before: Mapping[str, Before], decisions: Mapping[str, Decision]) -> list[str]:
    """Return the pages read again that were rejected before and are new articles now."""
    return [
        page_id
        for page_id, was in before.items()
        if was.outcome == "rejected" and decisions[page_id].status in ("created", "duplicate")
    ]


def _without_purged(tx: Connection, processed: Sequence[Processed]) -> Sequence[Processed]:
    """Return the pages, those of purged addresses as bare rejections: nothing of them is stored."""
    found = purges.purged(tx, (key for item in processed for key in _keys(item)))
    return [
        replace(item, page=RawPage(body=b"", origin="purged"), compressed=NOTHING, result=PURGED)
        if found and not _keys(item).isdisjoint(found)
        else item
        for item in processed
    ]


def _keys(item: Processed) -> set[bytes]:
    page, result = item.page, item.result
    keys = {purges.key_of(url) for url in (page.requested_url, page.final_url)}
    if isinstance(result, Article):
        keys.add(urls.key_sha256(result.normalized_url))
    return {key for key in keys if key}


def _add_parents(connection: Connection, processed: Sequence[Processed]) -> None:
    names = sorted({item.page.source for item in processed if item.page.source})
    if names:
        connection.execute(ARTICLES.add_sources, storable({"names": names}))
    captures = {
        item.capture_sha256: item.compressed for item in processed if _brings_its_body(item)
    }
    with connection.cursor() as cursor:
        cursor.executemany(
            ARTICLES.add_capture,
            [{"sha256": sha256, "body": captures[sha256]} for sha256 in sorted(captures)],
        )


def _brings_its_body(item: Processed) -> bool:
    """What is read again is kept already; if it fails, for longer."""
    return item.replay_id is None or isinstance(item.result, DeadLetter)


def _save_articles(connection: Connection, rows: list[Row]) -> dict[str, Decision]:
    if not rows:
        return {}
    rows.sort(key=lambda row: (as_bytes(row["normalized_url_sha256"]), str(row["page_id"])))
    created, others = _insert(connection, rows)
    updates = versions.update(connection, others)
    owners = _claim_texts(connection, created, updates.rows)
    withdrawals.represent_stories(connection, updates.restored)
    _publish(connection, created, updates.rows)
    decisions, events = {}, []
    for row in rows:
        page_id, article_id = str(row["page_id"]), as_int(row["id"])
        owner = owners.get(article_id, article_id)
        duplicate_of = None if owner == article_id else owner
        outcome = updates.outcomes.get(page_id)
        if outcome is None:
            detail: Row = {"duplicate_of": duplicate_of} if duplicate_of else {}
            detail |= versions.cause(row)
            events.append(
                Event(kind="created", article_id=article_id, version=1, detail=detail or None)
            )
        decisions[page_id] = Decision(
            page_id=page_id,
            status=outcome.status if outcome else "duplicate" if duplicate_of else "created",
            article_id=article_id,
            duplicate_of=duplicate_of,
            detail=outcome.detail if outcome else None,
        )
    said_anew = {**created, **updates.rows}
    search.index(connection, {i: findable(row) for i, row in said_anew.items()})
    found = watches.match(connection, list(said_anew))
    # At the end, so that an event's id is not held for longer than it must be.
    changes.emit(connection, [*events, *updates.events, *found])
    return decisions


def _insert(connection: Connection, rows: list[Row]) -> tuple[dict[int, Row], list[Row]]:
    """Insert what is new; return those rows by article id, and the rows that were there."""
    with connection.cursor() as cursor:
        cursor.executemany(ARTICLES.add_article, rows, returning=True)
        created, others = {}, []
        for row, result in zip(rows, cursor.results(), strict=True):
            if found := result.fetchone():
                row["id"] = found[0]
                created[as_int(found[0])] = row
            else:
                others.append(row)
    return created, others


def _claim_texts(
    connection: Connection, created: Mapping[int, Row], updated: Mapping[int, Row]
) -> dict[int, int]:
    """Return for each article id the article that had its text first, which may be itself."""
    # Of an article made and changed in one chunk only the last text counts.
    claims = sorted(
        {**created, **updated}.values(),
        key=lambda row: (as_bytes(row["text_sha256"]), as_int(row["id"])),
    )
    owners = {}
    with connection.cursor() as cursor:
        cursor.executemany(ARTICLES.claim_text, claims, returning=bool(claims))
        for row, result in zip(claims, cursor.results() if claims else (), strict=True):
            owners[as_int(row["id"])] = as_int(result.fetchone()[0])  # type: ignore[index]
    for article_id, owner in owners.items():
        if owner != article_id or article_id in updated:
            connection.execute(
                ARTICLES.set_duplicate_of,
                {"id": article_id, "duplicate_of": None if owner == article_id else owner},
            )
    return owners


def _publish(
    connection: Connection, created: Mapping[int, Row], updated: Mapping[int, Row]
) -> None:
    stories.publish(
        connection,
        {
            article_id: (
                fingerprint_of(row),
                stories.outlet(as_text(row["source"]), str(row["url"])),
            )
            for article_id, row in created.items()
        },
        {
            article_id: fingerprint_of(row)
            for article_id, row in updated.items()
            if row["text_changed"]
        },
    )
    changed = {i: row for i, row in updated.items() if row["text_changed"]}
    quotations.publish(
        connection,
        {i: row["passages"] for i, row in {**created, **changed}.items()},  # type: ignore[misc]
        list(updated),
    )


def _record(
    connection: Connection,
    processed: Sequence[Processed],
    pages: Mapping[str, Row],
    before: Mapping[str, Before],
    differences: Mapping[str, object],
) -> set[str]:
    """Keep what became of each page; where it was read again, beside what it was before.

    Return the ids of the pages that are dead letters now.
    """
    added = []
    for item in sorted(processed, key=lambda item: item.page_id):
        row = pages[item.page_id]
        was = before.get(item.page_id)
        if was is None:
            added.append(row)
        else:
            rereading.record(connection, was, row)
        if item.replay_id is not None:
            rereading.done(connection, item.replay_id, row, differences.get(item.page_id), was)
    with connection.cursor() as cursor:
        cursor.executemany(RAW_PAGES.add, added)
        stored = [item for item in processed if _brings_its_body(item)]
        values = {
            "ids": [item.page_id for item in stored],
            "hashes": [item.capture_sha256 for item in stored],
        }
        cursor.execute(RAW_PAGES.came_again, values)
        dead = [dead_letter_row(i) for i in processed if isinstance(i.result, DeadLetter)]
        cursor.executemany(DEAD_LETTERS.add, dead, returning=bool(dead))
        answers = cursor.results() if dead else ()
        letters = {str(row[0]) for answer in answers for row in answer.fetchall()}
    resolved = [i.page_id for i in processed if not isinstance(i.result, DeadLetter)]
    if resolved:
        connection.execute(DEAD_LETTERS.resolve, {"ids": resolved})
    return letters
