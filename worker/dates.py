"""A date as written goes in; the instant it names, and how precisely, comes out.

Only what is written: no year is added, no relative age counted back, no zone made up. A time
without a zone is read in the zone that the caller knows of, else in UTC.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from services.shared.contracts import Precision


@dataclass(frozen=True, slots=True)
class Instant:
    """An aware datetime, and which of its parts were written."""

    at: datetime
    precision: Precision


_ISO = re.compile(
    r"^\D{0,3}(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})"
    r"(?:(?:T|\s+|\s*[|,،-]\s*)(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d+)?)?\s*"
    r"(Z|UTC|GMT|[+-]\d{2}:?\d{2}|[+-]\d{2})?)?(?!\d)",
    re.IGNORECASE,
)
_COMPACT = re.compile(r"^(\d{4})(\d{2})(\d{2})(?:T?(\d{2})(\d{2})(\d{2})?(Z)?)?$")
_DIGITS = {ord(digit): str(i % 10) for i, digit in enumerate("٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹")}
_EARLIEST_YEAR = 1990
_PRECISIONS: dict[int, Precision] = {3: "day", 5: "minute", 6: "second"}


def parse(written: str, zone: tzinfo | None = None) -> Instant | None:
    """Return the instant that a machine-readable or numeric date names, or None."""
    text = written.strip().translate(_DIGITS)
    match = _ISO.match(text) or _COMPACT.match(text)
    if not match:
        return None
    *numbers, offset = match.groups()
    year, month, day, hour, minute, second = (int(number or 0) for number in numbers)
    try:
        at = datetime(year, month, day, hour, minute, second, tzinfo=_offset(offset) or zone or UTC)
    except ValueError:
        return None
    if at.year < _EARLIEST_YEAR:
        return None
    written_parts = sum(number is not None for number in numbers)
    return Instant(at, _PRECISIONS[written_parts])


def _offset(written: str | None) -> tzinfo | None:
    if not written:
        return None
    if written.upper() in {"Z", "UTC", "GMT"}:
        return UTC
    digits = written[1:].replace(":", "")
    minutes = int(digits[:2]) * 60 + int(digits[2:] or 0)
    if minutes > 14 * 60:  # no place is further from Greenwich
        return None
    return timezone(timedelta(minutes=minutes if written[0] == "+" else -minutes))


#: Cities that datelines name beside a time, as written in Arabic and English.
_CITIES = {
    "دمشق": "Asia/Damascus",
    "بيروت": "Asia/Beirut",
    "القاهرة": "Africa/Cairo",
    "بغداد": "Asia/Baghdad",
    "الرياض": "Asia/Riyadh",
    "مكة": "Asia/Riyadh",
    "عمان": "Asia/Amman",
    "القدس": "Asia/Jerusalem",
    "تونس": "Africa/Tunis",
    "الجزائر": "Africa/Algiers",
    "الرباط": "Africa/Casablanca",
    "طرابلس": "Africa/Tripoli",
    "الخرطوم": "Africa/Khartoum",
    "صنعاء": "Asia/Aden",
    "الدوحة": "Asia/Qatar",
    "دبي": "Asia/Dubai",
    "أبوظبي": "Asia/Dubai",
    "الكويت": "Asia/Kuwait",
    "المنامة": "Asia/Bahrain",
    "مسقط": "Asia/Muscat",
    "إسطنبول": "Europe/Istanbul",
    "أنقرة": "Europe/Istanbul",
    "طهران": "Asia/Tehran",
    "غرينتش": "UTC",
    "غرينيتش": "UTC",
    "لندن": "Europe/London",
    "باريس": "Europe/Paris",
}


def zone_of_city(text: str) -> tzinfo | None:
    """Return the zone of the city that stands in `text`, such as "11:14 دمشق"."""
    for word in re.findall(r"\w+", text):
        if word in _CITIES:
            return ZoneInfo(_CITIES[word])
    return None
