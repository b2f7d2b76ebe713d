"""Records for tests, with only what the test is about spelled out."""

import hashlib
from datetime import UTC, datetime

from services import health
from services.shared import arabic, compression, search_words
from services.shared.contracts import Article, Extraction, RawPage, Result
from services.storage.rows import Processed
from services.storage.status import Status
from worker.fingerprint import fingerprint


def at(hour: int) -> datetime:
    """An hour of one day."""
    return datetime(2026, 1, 2, hour, tzinfo=UTC)


def page(body: str = "<p>x</p>", **fields: object) -> RawPage:
    """A raw page."""
    values: dict[str, object] = {"origin": "test", "requested_url": "https://example.org/1"}
    return RawPage(body=body.encode(), **{**values, **fields})  # type: ignore[arg-type]


def article(url: str, text: str, **fields: object) -> Article:
    """An article whose text's hash is that of the bare text."""
    extraction = Extraction(text=text, **{"title": "Title", **fields})  # type: ignore[arg-type]
    tokens = arabic.tokens(text)
    return Article(
        extraction=extraction,
        url=url,
        normalized_url=url,
        text_sha256=hashlib.sha256(text.encode("utf-8", "replace")).digest(),
        fingerprint=fingerprint(tokens),
        search_words=search_words.of(extraction.title, text, arabic.normalize(text), tokens),
    )


def processed(raw: RawPage, result: Result) -> Processed:
    """What the worker hands to the store."""
    return Processed(
        page_id=raw.id, page=raw, compressed=compression.compress(raw.body), result=result
    )


def stored(url: str, text: str, *, hour: int = 1, **fields: object) -> Processed:
    """A page fetched at an hour from an address, read as an article with this text."""
    raw = page(text + str(hour), requested_url=url, fetched_at=at(hour))
    return processed(raw, article(url, text, **fields))


def problems_of(store: Status) -> list[str]:
    """What is wrong with the store, in words."""
    return list(health.problems(store, None, None, late_s=0, now=datetime.now(UTC)))
