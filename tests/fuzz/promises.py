"""What every result must be, whatever the bytes were: fit to store, bounded, aware of its zone."""

from datetime import UTC, datetime

from services.shared import urls
from services.storage.text import fit

#: The characters of an address that is stored.
MOST_URL = 16_000
#: Of a line: a title, a name, a caption.
MOST_LINE = 10_000


def is_text(text: str | None, most: int = 20_000_000) -> None:
    """Assert that Postgres holds the text as it is."""
    assert text is None or isinstance(text, str)
    if text is not None:
        assert fit(text) == text
        assert len(text) <= most, len(text)


def is_time(time: datetime | None) -> None:
    """Assert that a time has a zone and is one that any program can write in UTC."""
    if time is not None:
        assert time.tzinfo is not None
        assert 1 <= time.astimezone(UTC).year <= 9999


def is_clean(url: str) -> None:
    """Assert that an address is in its last form."""
    is_text(url, MOST_URL)
    assert urls.clean(url) == url
    key = urls.key(url)
    assert key.isascii()
    assert len(key) <= urls.MAX_KEY_LENGTH
    assert urls.host(url)
    assert urls.site(url)


def is_whole(number: int | None) -> None:
    """Assert that a count fits its column."""
    assert number is None or 0 <= number < 2**31, number
