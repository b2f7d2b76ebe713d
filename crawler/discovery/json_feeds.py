"""A JSON Feed goes in, of version 1.0 or 1.1; its items are listed."""

import json

from crawler.discovery.documents import Document
from crawler.discovery.listed import Entry, Listed


def read(document: Document, listed: Listed) -> None:
    """List the items; what is no JSON Feed is an unknown format."""
    try:
        feed: object = json.loads(document.text)
    except (ValueError, RecursionError):
        listed.problems["malformed"] += 1
        listed.problems["unknown_format"] += 1
        return
    items = feed.get("items") if isinstance(feed, dict) else None
    if not isinstance(feed, dict) or not isinstance(items, list):
        listed.problems["unknown_format"] += 1
        return
    listed.title = _text(feed, "title")
    listed.language = _text(feed, "language")
    for item in items:
        fields = item if isinstance(item, dict) else {}
        guid = _text(fields, "id")
        listed.add_item(
            Entry(
                # A linkblog's `url` is its own page, and `external_url` that of another site.
                [_text(fields, "url"), _text(fields, "external_url"), _web(guid)],
                title=_text(fields, "title"),
                published=_text(fields, "date_published"),
                modified=_text(fields, "date_modified"),
                guid=guid,
            )
        )


def _text(fields: dict[str, object], name: str) -> str | None:
    value = fields.get(name)
    if isinstance(value, int) and name == "id":  # version 1.0 allowed numbers
        return str(value)
    return value if isinstance(value, str) else None


def _web(guid: str | None) -> str | None:
    return guid if guid and guid.strip().startswith(("http://", "https://")) else None
