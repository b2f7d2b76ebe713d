"""What a worker made of a page goes in; the rows that are stored of it come out."""

import hashlib
import json
from dataclasses import asdict, dataclass, field

from psycopg.types.json import Jsonb

from services.shared import page_header, urls
from services.shared.contracts import (
    Article,
    DeadLetter,
    Decision,
    Fingerprint,
    RawPage,
    Rejection,
    Result,
)
from services.shared.versions import FIELDS
from services.storage import search
from services.storage.rereading import Before
from services.storage.text import storable

Row = dict[str, object]


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


def article_row(
    item: Processed, article: Article, extractor_version: int, was: Before | None
) -> Row:
    """Return the row of an article, and beside it what else its storing asks for."""
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
    row["observed_at"] = page.fetched_at or page.received_at or (was and was.received_at)
    return row


def _content_sha256(row: Row) -> bytes:
    """Return the hash of what makes a version: what a reader would call the article."""
    content = [row[name] for name in FIELDS]
    return hashlib.sha256(json.dumps(content, default=str).encode()).digest()


def raw_page_row(item: Processed, decision: Decision, extractor_version: int) -> Row:
    """Return the row of a page and what became of it."""
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
            "received_at": page.received_at,
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


def dead_letter_row(item: Processed) -> Row:
    """Return the row of a page that failed."""
    letter = item.result
    assert isinstance(letter, DeadLetter)  # noqa: S101 - the caller has chosen
    return storable(
        {
            "page_id": item.page_id,
            "reason": letter.reason,
            "detail": letter.detail,
            "traceback": letter.traceback,
            "attempts": letter.attempts,
            "header": page_header.encode(item.page).decode("ascii"),
            "capture_sha256": item.capture_sha256,
            "is_replay": item.replay_id is not None,
        }
    )


def as_bytes(value: object) -> bytes:
    """Return a value of a row that is bytes."""
    assert isinstance(value, bytes)  # noqa: S101 - for the type checker
    return value


def fingerprint_of(row: Row) -> Fingerprint:
    """Return the fingerprint in a row."""
    found = row["fingerprint"]
    assert isinstance(found, Fingerprint)  # noqa: S101 - for the type checker
    return found


def findable(row: Row) -> search.Findable:
    """Return what the search index is made of."""
    return search.Findable(as_text(row["language"]), row["search_words"])  # type: ignore[arg-type]


def as_text(value: object) -> str | None:
    """Return a value of a row as text."""
    return None if value is None else str(value)


def as_int(value: object) -> int:
    """Return a value of a row that is a number."""
    assert isinstance(value, int)  # noqa: S101 - for the type checker
    return value
