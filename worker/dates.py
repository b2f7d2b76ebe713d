"""A date as written goes in; the instant it names, and how precisely, comes out.

Only what is written: no year is added, no relative age counted back, no zone made up. A time
without a zone is read in the zone that the caller knows of, else in UTC.
"""

import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from services.shared import arabic
from services.shared.contracts import Precision
from worker import lexicon


@dataclass(frozen=True, slots=True)
class Instant:
    """An aware datetime, and which of its parts were written."""

    at: datetime
    precision: Precision


_YEAR = r"(?P<year>(?:19|20)\d\d)"
_CLOCK = re.compile(
    r"(?<![\d:.])(?P<hour>[01]?\d|2[0-4])(?:[:٫h]|\s?:\s?)(?P<minute>[0-5]\d)"
    r"(?::(?P<second>[0-5]\d))?"
    r"(?:[.,]\d+)?\s*(?P<half>[ap]\.?m\b|[صم](?!\w)|صباح|مساء|ظهر)?",
    re.IGNORECASE,
)
_OFFSET = re.compile(
    r"(?<=\d)\s*(?:GMT|UTC)?\s*(?P<offset>[+-]\d{2}:?\d{2}|[+-]\d{1,2}|Z|UTC|GMT)(?![\w:])",
    re.IGNORECASE,
)
_FORMS = (
    # 2022-12-03T11:14, 2022.12.03, 2022年12月3日, 2022년 12월 3일
    re.compile(
        rf"(?<!\d){_YEAR}\s?[-/.年년]\s?(?P<month>\d\d?)\s?[-/.月월]\s?(?P<day>\d\d?)(?!\d)"
    ),
    re.compile(rf"^{_YEAR}(?P<month>\d\d)(?P<day>\d\d)(?:T?\d{{4,6}}Z?)?$"),
    # 3 أيلول/سبتمبر 2023, 3rd of September, 2023, 3. září 2023, 12-Jan-2024
    re.compile(
        r"(?<!\d)(?P<day>\d\d?)(?:st|nd|rd|th|er|º|ª)?(?:\s*[\s.,،/-]\s*)"
        rf"(?P<name>[^\W\d_][^\d\n|•·]{{1,28}}?)[\s,،./-]*(?<=[\W]){_YEAR}(?!\d)"
    ),
    # September 3, 2023
    re.compile(
        r"(?P<name>[^\W\d_]{2,}[. ]?)\s*(?P<day>\d\d?)(?:st|nd|rd|th)?(?!\d)\s*[,،.]?\s+(?:at\s)?"
        rf"{_YEAR}(?!\d)"
    ),
    # 2023 Sep 3, 2023. szeptember 3.
    re.compile(rf"(?<!\d){_YEAR}[\s.,]+(?P<name>[^\W\d_]{{2,}})\.?\s+(?P<day>\d\d?)(?!\d)"),
    re.compile(
        r"(?<!\d)(?P<first>\d\d?)\s?(?P<mark>[-/.])\s?(?P<second>\d\d?)\s?[-/.]\s?"
        rf"{_YEAR}(?!\d)"
    ),
)
_EARLIEST_YEAR = 1990
_MAX_LETTERS_AROUND = 30
_MONTHS = 12
_NOON = 12
_FURTHEST_MINUTES = 14 * 60
_MONTH_FIRST = frozenset({"en", "en-us"})


def parse(written: str, zone: tzinfo | None = None, language: str | None = None) -> Instant | None:
    """Return the instant that a date names, whether for machines or for readers, or None.

    `language` tells which month a name means that two languages share, and the order of 3/4/2024.
    """
    text = arabic.digits(written.strip())
    for form in _FORMS:
        match = form.search(text)
        day = match and _day(match, (language or "").lower())
        if match and day:
            return _with_time(day, _after(text, match), zone)
    return None


def stands_alone(written: str) -> bool:
    """Tell a line that is a date, with a few words around it at most, from one that has one."""
    text = arabic.digits(written.strip())
    for form in _FORMS:
        match = form.search(text)
        if match:
            around = _CLOCK.sub("", text[: match.start()] + text[match.end() :])
            return sum(map(str.isalpha, around)) <= _MAX_LETTERS_AROUND
    return False


def _after(text: str, match: re.Match[str]) -> str:
    """Return where the time of day can stand: after the date, else before it."""
    after = text[match.end() :]
    return after if _CLOCK.search(after) else text[: match.start()]


def _day(match: re.Match[str], language: str) -> datetime | None:
    parts = match.groupdict()
    if "name" in parts:
        month, day = _month(parts["name"], language), int(parts["day"])
    elif "first" in parts:
        first, second = int(parts["first"]), int(parts["second"])
        month_first = first <= _MONTHS < second or (
            parts["mark"] == "/" and language in _MONTH_FIRST and first <= _MONTHS
        )
        day, month = (second, first) if month_first else (first, second)
    else:
        month, day = int(parts["month"]), int(parts["day"])
    try:
        return datetime(int(parts["year"]), month or 0, day, tzinfo=UTC)
    except ValueError:
        return None


def _with_time(day: datetime, beside: str, zone: tzinfo | None) -> Instant | None:
    if day.year < _EARLIEST_YEAR:
        return None
    clock = _CLOCK.search(beside)
    if not clock:
        return Instant(day.replace(tzinfo=zone or UTC), "day")
    hour = _hour(int(clock["hour"]), (clock["half"] or "").lower())
    offset = _OFFSET.match(beside, clock.end()) or _OFFSET.match(beside, clock.end("minute"))
    at = day.replace(
        minute=int(clock["minute"]),
        second=int(clock["second"] or 0),
        tzinfo=(_offset(offset["offset"]) if offset else None) or zone or UTC,
    )
    return Instant(at.replace(hour=hour), "second" if clock["second"] else "minute")


def _hour(hour: int, half: str) -> int:
    if half[:1] in {"p", "م"} and hour < _NOON:
        return hour + _NOON
    if half[:1] in {"a", "ص"} and hour == _NOON:
        return 0
    return hour % 24


def _offset(written: str) -> tzinfo | None:
    if written[0] not in "+-":
        return UTC
    digits = written[1:].replace(":", "")
    minutes = int(digits[:2]) * 60 + int(digits[2:] or 0)
    if minutes > _FURTHEST_MINUTES:
        return None
    return timezone(timedelta(minutes=minutes if written[0] == "+" else -minutes))


# --- Names of months and cities ---


def warm() -> None:
    """Read the names of months and cities, so that it is done before workers fork."""
    _month("may", "en")
    zone_of_city("")


def _month(name: str, language: str) -> int | None:
    """Return the month that a phrase such as "de septiembre de" or "أيلول/سبتمبر" names."""
    by_name = _months()
    words = arabic.tokens(name)
    for phrase in [" ".join(words[i : i + 2]) for i in range(len(words) - 1)] + words:
        found = by_name.get(phrase)
        if found:
            return found.get(language[:2]) or next(iter(found.values()))
    return None


@cache
def _months() -> dict[str, dict[str, int]]:
    """Return for each name of a month the month it is in each language."""
    by_name: dict[str, dict[str, int]] = defaultdict(dict)
    for language, months in lexicon.load("months").items():
        for number, names in months.items():
            for name in names:
                by_name[" ".join(arabic.tokens(name))][language] = int(number)
    return dict(by_name)


@cache
def _cities() -> dict[str, str]:
    cities = lexicon.load("cities")
    return {arabic.normalize(name): zone for zone, names in cities.items() for name in names}


def zone_named(name: str | None) -> tzinfo | None:
    """Return the zone of that name (`Asia/Riyadh`), or None where there is none."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError):
        return None


def zone_of_city(text: str) -> tzinfo | None:
    """Return the zone of the city that stands in `text`, such as "11:14 دمشق"."""
    for word in arabic.tokens(text):
        if name := _cities().get(word):
            return zone_named(name)
    return None
