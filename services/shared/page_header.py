"""A raw page's header: all of it but its body, as it lies in Redis and beside a dead letter."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from services.shared.contracts import RawPage
from services.shared.errors import InvalidMessage

SCHEMA_VERSION = 1
#: Fields of a raw page.
TIMES = ("fetched_at", "feed_published_at", "received_at")


def encode(page: RawPage) -> bytes:
    """Return all of the page but its body, as one line of ASCII JSON."""
    # ASCII JSON carries even a lone surrogate, and never a raw newline.
    return json.dumps(
        {
            "schema_version": SCHEMA_VERSION,
            "origin": page.origin,
            "requested_url": page.requested_url,
            "final_url": page.final_url,
            "fetched_at": page.fetched_at and page.fetched_at.isoformat(),
            "status": page.status,
            "headers": dict(page.headers),
            "source": page.source,
            "time_zone": page.time_zone,
            "rules": dict(page.rules),
            "feed_url": page.feed_url,
            "feed_title": page.feed_title,
            "feed_published_at": page.feed_published_at and page.feed_published_at.isoformat(),
            # Only where it is known: workers of before it came know no such field.
            **({"received_at": page.received_at.isoformat()} if page.received_at else {}),
        }
    ).encode("ascii")


def decode(header: bytes, body: bytes) -> RawPage:
    """Return the raw page whose header and body these are.

    Raises:
        InvalidMessage: the header is not one, or of another schema version.
    """
    try:
        fields = json.loads(header)
        version = fields.pop("schema_version")
        if version != SCHEMA_VERSION:
            stated = repr(version)[:40]
            raise InvalidMessage(f"raw page of schema version {stated}, not {SCHEMA_VERSION}")
        for name in TIMES:
            stated = fields[name] if name != "received_at" else fields.get(name)
            fields[name] = stated and datetime.fromisoformat(stated)
        _check(fields)
        return RawPage(body=body, **fields)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise InvalidMessage(f"not a raw page: {str(error)[:200]}") from error


def _check(fields: Mapping[str, object]) -> None:
    """Raise TypeError or ValueError where a field of a header is not of its type."""
    for name, value in fields.items():
        if name in ("headers", "rules"):
            pairs = value.items() if isinstance(value, dict) else [(value, value)]
            wrong = not all(isinstance(text, str) for pair in pairs for text in pair)
        elif name == "status":
            wrong = value is not None and type(value) is not int
        elif name in TIMES:
            wrong = not _is_time(value)
        else:
            wrong = not isinstance(value, str) and (value is not None or name == "origin")
        if wrong:
            raise TypeError(f"{name} is not what it should be")


def _is_time(value: object) -> bool:
    """Tell None and aware times that UTC has too: a zone can move the last day of time beyond."""
    if isinstance(value, datetime) and value.tzinfo:
        value.astimezone(UTC)
        return True
    return not value
