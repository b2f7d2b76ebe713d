"""Save a chunk's results: captures, articles, versions, rejections and dead letters at once."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

from psycopg.types.json import Jsonb

from services.shared import compression, contracts, urls
from services.shared.contracts import (
    Article,
    DeadLetter,
    Decision,
    Event,
    Fingerprint,
    RawPage,
    Rejection,
    Result,
)
from services.shared.versions import FIELDS
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
from services.storage.text import storable

ARTICLES = queries("articles")
RAW_PAGES = queries("raw_pages")
DEAD_LETTERS = queries("dead_letters")

Row = dict[str, object]
PURGED = Rejection(reason="purged")
NOTHING = compression.compress(b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class Processed:
    """A raw page, its body as one zstd frame, and what the worker made of it."""

    page_id: str
    page: RawPage
    compressed: bytes
    result: Result
    #: The replay for which the page was read again; None where it has just been received.
    replay_id: int | None = None
    #: Of the body; hashed once, for it is asked for by each row that is written.
    capture_sha256: bytes = field(init=False)

    def __post_init__(self) -> None:
        """Hash the body."""
        object.__setattr__(self, "capture_sha256", self.page.capture_sha256)


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
            _article_row(item, item.result, extractor_version, before.get(item.page_id))
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
            item.page_id: _raw_page_row(item, decisions[item.page_id], extractor_version)
            for item in processed
        }
        _record(connection, processed, pages, before, differences)
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
    rows.sort(key=lambda row: (_bytes(row["normalized_url_sha256"]), str(row["page_id"])))
    created, others = _insert(connection, rows)
    updates = versions.update(connection, others)
    owners = _claim_texts(connection, created, updates.rows)
    withdrawals.represent_stories(connection, updates.restored)
    _publish(connection, created, updates.rows)
    decisions, events = {}, []
    for row in rows:
        page_id, article_id = str(row["page_id"]), _int(row["id"])
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
    search.index(connection, {i: _findable(row) for i, row in said_anew.items()})
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
                created[_int(found[0])] = row
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
        key=lambda row: (_bytes(row["text_sha256"]), _int(row["id"])),
    )
    owners = {}
    with connection.cursor() as cursor:
        cursor.executemany(ARTICLES.claim_text, claims, returning=bool(claims))
        for row, result in zip(claims, cursor.results() if claims else (), strict=True):
            owners[_int(row["id"])] = _int(result.fetchone()[0])  # type: ignore[index]
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
            article_id: (_fingerprint(row), stories.outlet(_text(row["source"]), str(row["url"])))
            for article_id, row in created.items()
        },
        {
            article_id: _fingerprint(row)
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
) -> None:
    """Keep what became of each page; where it was read again, beside what it was before."""
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
        dead = [item for item in processed if isinstance(item.result, DeadLetter)]
        if dead:
            cursor.executemany(DEAD_LETTERS.add, [_dead_letter_row(item) for item in dead])
    resolved = [i.page_id for i in processed if not isinstance(i.result, DeadLetter)]
    if resolved:
        connection.execute(DEAD_LETTERS.resolve, {"ids": resolved})


def _article_row(
    item: Processed, article: Article, extractor_version: int, was: Before | None
) -> Row:
    page, extraction = item.page, article.extraction
    fields = asdict(extraction)
    row = storable(
        {
            **fields,
            **{name: list(fields[name]) for name in ("authors", "tags", "labels", "captions")},
            "comments": Jsonb(storable({"comments": fields["comments"]})["comments"]),
            "witnesses": Jsonb(storable(dict(extraction.witnesses))),
            "normalized_url": article.normalized_url,
            "url": article.url,
            "source": page.source,
            "origin": page.origin,
            "feed_url": page.feed_url,
            "fetched_at": page.fetched_at,
            "capture_sha256": item.capture_sha256,
            "text_sha256": article.text_sha256,
            "extractor_version": extractor_version,
            "page_id": item.page_id,
        }
    )
    row["normalized_url_sha256"] = urls.key_sha256(str(row["normalized_url"]))
    row["content_sha256"] = _content_sha256(row)
    row["fingerprint"] = article.fingerprint
    row["passages"] = article.passages
    row["search_words"] = article.search_words
    row["text_changed"] = False
    row["was"] = was
    row["observed_at"] = page.fetched_at or page.received_at or (was and was.processed_at)
    return row


def _content_sha256(row: Row) -> bytes:
    """Return the hash of what makes a version: what a reader would call the article."""
    content = [row[name] for name in FIELDS]
    return hashlib.sha256(json.dumps(content, default=str).encode()).digest()


def _raw_page_row(item: Processed, decision: Decision, extractor_version: int) -> Row:
    page, result = item.page, item.result
    failed = result if isinstance(result, Rejection | DeadLetter) else None
    missed = getattr(
        result.extraction if isinstance(result, Article) else result, "rules_missed", None
    )
    return storable(
        {
            "id": item.page_id,
            "requested_url": page.requested_url,
            "final_url": page.final_url,
            "origin": page.origin,
            "source": page.source,
            "feed_url": page.feed_url,
            "fetched_at": page.fetched_at,
            "status": page.status,
            "headers": Jsonb(storable(dict(page.headers))),
            "feed_title": page.feed_title,
            "feed_published_at": page.feed_published_at,
            "time_zone": page.time_zone,
            "capture_sha256": item.capture_sha256,
            "outcome": decision.status,
            "reason": failed and failed.reason,
            "rules_missed": None if missed is None else list(missed),
            "detail": (failed.detail if failed else decision.detail) or None,
            "article_id": decision.article_id,
            "extractor_version": extractor_version,
        }
    )


def _dead_letter_row(item: Processed) -> Row:
    letter = item.result
    assert isinstance(letter, DeadLetter)  # noqa: S101 - the caller has chosen
    return storable(
        {
            "page_id": item.page_id,
            "reason": letter.reason,
            "detail": letter.detail,
            "traceback": letter.traceback,
            "attempts": letter.attempts,
            "header": contracts.encode_header(item.page).decode("ascii"),
            "capture_sha256": item.capture_sha256,
        }
    )


def _bytes(value: object) -> bytes:
    assert isinstance(value, bytes)  # noqa: S101 - for the type checker
    return value


def _fingerprint(row: Row) -> Fingerprint:
    found = row["fingerprint"]
    assert isinstance(found, Fingerprint)  # noqa: S101 - for the type checker
    return found


def _findable(row: Row) -> search.Findable:
    return search.Findable(_text(row["language"]), row["search_words"])  # type: ignore[arg-type]


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _int(value: object) -> int:
    assert isinstance(value, int)  # noqa: S101 - for the type checker
    return value
