"""A date as a feed or sitemap writes it goes in; an aware time comes out, or why there is none."""

import re
from datetime import UTC, datetime, tzinfo
from email.utils import parsedate_to_datetime
from typing import Literal

DAY_ONLY = re.compile(r"^\d{4}(-?\d\d(-?\d\d)?)?$")
#: Dates outside are typing mistakes and defaults (0001-01-01, 1970-01-01).
YEARS = range(1990, 2101)


def parse(
    text: str, zone: tzinfo | None = None, *, day_suffices: bool = False
) -> datetime | Literal["invalid_date", "incomplete_date"]:
    """Return the instant that `text` states, in UTC.

    `zone` is the source's, for a time written without one. With `day_suffices` a mere day is its
    first moment, in UTC where there is no zone; without, it states no instant.
    """
    text = text.strip()
    try:
        seen = _read(text)
        if seen.year not in YEARS:
            return "invalid_date"
        is_day = bool(DAY_ONLY.match(text))
        zone = seen.tzinfo or zone or (UTC if is_day else None)
        if zone is None or (is_day and not day_suffices):
            return "incomplete_date"
        return seen.replace(tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError, TypeError, IndexError):
        return "invalid_date"


def _read(text: str) -> datetime:
    if re.match(r"^\d{4}(-\d\d)?$", text):  # W3C dates may stop at the year or month
        text = f"{text}-01-01"[:10]
    if re.match(r"^\d{4}-?\d\d", text):
        # Hours without minutes in the offset, or none of the colons, are read as well.
        return datetime.fromisoformat(text)
    return parsedate_to_datetime(text)
