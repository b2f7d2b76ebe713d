"""A date as written goes in; the instant it names, and how precisely, comes out.

Only what is written: no year is added, no relative age counted back, no zone made up. A time
without a zone is read in the zone that the caller knows of, else in UTC.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from functools import cache
from itertools import islice

from services.shared import arabic
from services.shared.contracts import Precision
from worker import lexicon
from worker.fields import calendars, clocks


@dataclass(frozen=True, slots=True)
class Instant:
    """An aware datetime, and which of its parts were written."""

    at: datetime
    precision: Precision


@dataclass(frozen=True, slots=True)
class _Found:
    """A day in a text, and where it is written."""

    day: date
    calendar: calendars.Calendar
    start: int
    end: int
    text: str


_YEAR = r"(?P<year>(?:1[34]|19|20|25|26)\d\d)(?!\d)"
_FORMS = (
    # 2022-12-03T11:14, 2022.12.03, 2022年12月3日, 2022년 12월 3일, 1403/05/12
    re.compile(
        rf"(?<!\d){_YEAR}\s?[-/.年년]\s?(?P<month>\d\d?)\s?[-/.月월]\s?(?P<day>\d\d?)(?!\d)"
    ),
    re.compile(
        rf"(?P<era>{calendars.ERA})\s?(?P<number>\d{{1,3}}|元)\s?年\s?(?P<month>\d\d?)\s?月"
        r"\s?(?P<day>\d\d?)\s?日"
    ),
    # ngày 12 tháng 3 năm 2024
    re.compile(
        rf"(?<!\d)(?P<day>\d\d?)\s+tháng\s+(?P<month>\d\d?)\s*(?:,|năm)?\s*{_YEAR}", re.IGNORECASE
    ),
    # 3 أيلول/سبتمبر 2023, 3rd of September, 2023, 3. září 2023, 12-Jan-2024, 14 رجب 1445
    re.compile(
        r"(?<!\d)(?P<day>\d\d?)(?:st|nd|rd|th|er|º|ª|ی)?(?:\s*[\s.,،/-]\s*)"
        rf"(?P<name>[^\W\d_][^\d\n|•·]{{1,28}}?)[\s,،./-]*(?<=[\W]){_YEAR}"
    ),
    # September 3, 2023
    re.compile(
        r"(?P<name>[^\W\d_]{2,}[. ]?)\s*(?P<day>\d\d?)(?:st|nd|rd|th)?(?!\d)\s*[,،.]?\s+(?:at\s)?"
        rf"{_YEAR}"
    ),
    # Thu Jan 25 14:30:00 EST 2024
    re.compile(
        r"(?P<name>[^\W\d_]{3,9})\s+(?P<day>\d\d?)\s+\d\d?:\d\d(?::\d\d)?\s+(?:[A-Z]{2,4}\s+)?"
        rf"{_YEAR}"
    ),
    # 2023 Sep 3, 2023. szeptember 3., 2023 m. rugsėjo 3 d., 2023. gada 3. septembris
    re.compile(
        rf"(?<!\d){_YEAR}[\s.,]+(?:m\.\s+)?(?P<name>[^\W\d_]{{2,}})\.?\s+(?P<day>\d\d?)(?!\d)"
    ),
    re.compile(rf"(?<!\d){_YEAR}\.?\s+gada\s+(?P<day>\d\d?)\.?\s+(?P<name>[^\W\d_]{{2,}})"),
    re.compile(r"(?<!\d)(?P<first>\d\d?)\s?(?P<mark>[-/.])\s?(?P<second>\d\d?)\s?[-/.]\s?" + _YEAR),
)
#: 20240503, 20240503T101500Z, 202405031015
_COMPACT = re.compile(
    r"((?:19|20)\d\d)(\d\d)(\d\d)(?:T?([01]\d|2[0-3])([0-5]\d)([0-5]\d)?(Z|[+-]\d{4})?)?", re.ASCII
)
_AMBIGUOUS = re.compile(r"(?<![\d/.-])(\d\d?)\s?[-/.]\s?(\d\d?)\s?[-/.]\s?(?:19|20)\d\d(?!\d)")
_HIJRI_MARK = re.compile(r"\s*(?:هـ|ه(?!\w)|ھ|AH\b)")
_EPOCH = re.compile(r"1\d{9}(?:\d{3})?", re.ASCII)
_EARLIEST_YEAR = 1990
_LATEST_YEAR = 2099
_MAX_LETTERS_AROUND = 30
_MAX_LENGTH, _MAX_TRIES = 400, 5
_MONTHS = 12
_MONTH_FIRST = frozenset({"en", "en-us", "en-ph", "es-us", "fil"})
_PLAIN_SECONDS = 10


def parse(
    written: str,
    zone: tzinfo | None = None,
    language: str | None = None,
    *,
    month_first: bool | None = None,
) -> Instant | None:
    """Return the instant that a date names, whether for machines or for readers, or None.

    `language` tells which month a name means that two languages share, which calendar a year in
    figures is of, and the order of 3/4/2024 where `month_first` does not.
    """
    text = _spaced(arabic.digits(written.strip()[:_MAX_LENGTH]))
    if _EPOCH.fullmatch(text):
        return Instant(datetime.fromtimestamp(int(text[:_PLAIN_SECONDS]), UTC), "second")
    found = _find(text, language, month_first)
    return _with_time(found, zone) if found else None


def stands_alone(written: str, language: str | None = None) -> bool:
    """Tell a line that is a date, with a few words around it at most, from one that has one."""
    text = _spaced(arabic.digits(written.strip()[:_MAX_LENGTH]))
    found = _find(text, language, None)
    if found is None:
        return False
    around = clocks.without(f"{text[: found.start]} {text[found.end :]}")
    return sum(map(str.isalpha, around)) <= _MAX_LETTERS_AROUND


def order(written: str) -> bool | None:
    """Tell whether dates in figures have the month first (12/31/2024), or None if all fit both."""
    counts = {True: 0, False: 0}
    for first, second in _AMBIGUOUS.findall(arabic.digits(written)):
        if (int(first) > _MONTHS) != (int(second) > _MONTHS):
            counts[int(second) > _MONTHS] += 1
    if counts[True] and counts[False]:
        return None
    return counts[True] > 0 if counts[True] or counts[False] else None


def is_ambiguous(written: str) -> bool:
    """Tell a date in figures whose day and month can be read either way."""
    match = _AMBIGUOUS.search(arabic.digits(written[:_MAX_LENGTH]))
    if match is None:
        return False
    first, second = int(match[1]), int(match[2])
    return first != second and max(first, second) <= _MONTHS


def is_undated(written: str) -> bool:
    """Tell what pages write instead of a date: an age ("منذ 3 ساعات"), or a day of no year."""
    text = arabic.normalize(written.strip())
    age = _ages().search(text)
    # A longer line that holds an age is a sentence.
    return bool(age and 2 * len(age[0]) >= len(text)) or _is_day_without_year(text)


def warm() -> None:
    """Read the names of months, cities and zones, so that it is done before workers fork."""
    calendars.warm()
    clocks.warm()
    _ages()


zone_named = clocks.zone_named
zone_of_city = clocks.zone_of_city


def _spaced(text: str) -> str:
    """Return a date that is written without marks (20240503T101500Z) with them."""
    match = _COMPACT.fullmatch(text)
    if match is None:
        return text
    year, month, day, *clock, zone = match.groups("")
    return f"{year}-{month}-{day}T{':'.join(filter(None, clock))}{zone}"


def _find(text: str, language: str | None, month_first: bool | None) -> _Found | None:
    """Return the first Gregorian date, else the first of another calendar."""
    tag = (language or "").lower().replace("_", "-")
    other = None
    for form in _FORMS:
        for match in islice(form.finditer(text), _MAX_TRIES):
            found = _read(match, tag, month_first)
            if found and _EARLIEST_YEAR <= found.day.year <= _LATEST_YEAR:
                if found.calendar == "gregorian":
                    return found
                other = other or found
    return other


def _read(match: re.Match[str], language: str, month_first: bool | None) -> _Found | None:
    parts = match.groupdict()
    era = parts.get("era")
    year = calendars.year_of_era(era, parts["number"]) if era else int(parts["year"])
    if "name" in parts:
        named = calendars.of_month(parts["name"], year, language)
        if named is None:
            return None
        calendar, month, number = *named, int(parts["day"])
    else:
        is_hijri = bool(_HIJRI_MARK.match(match.string, match.end()))
        of_year = calendars.of_year(year, language, is_hijri=is_hijri)
        if of_year is None:
            return None
        calendar = of_year
        number, month = _in_figures(parts, language, month_first)
    day = calendars.day_of(calendar, year, month, number)
    return _Found(day, calendar, match.start(), match.end(), match.string) if day else None


def _in_figures(parts: dict[str, str], language: str, month_first: bool | None) -> tuple[int, int]:
    """Return day and month."""
    if "first" not in parts:
        return int(parts["day"]), int(parts["month"])
    first, second = int(parts["first"]), int(parts["second"])
    usual = parts["mark"] == "/" and language in _MONTH_FIRST
    if (usual if month_first is None else month_first) and first <= _MONTHS:
        return second, first
    return (second, first) if first <= _MONTHS < second else (first, second)


def _with_time(found: _Found, zone: tzinfo | None) -> Instant:
    """Return the day with the time that stands after it, else before it, else within."""
    day = datetime(found.day.year, found.day.month, found.day.day, tzinfo=zone or UTC)
    after, before = found.text[found.end :], found.text[: found.start]
    for beside in (after, before, found.text[found.start : found.end]):
        clock = clocks.find(beside)
        if clock:
            at = clock.on(day, zone or UTC)
            return Instant(at, "minute" if clock.second is None else "second")
    return Instant(day, "day")


def _is_day_without_year(text: str) -> bool:
    match = _DAY_WITHOUT_YEAR.fullmatch(clocks.without(text).strip(" -–,،|"))
    if match is None:
        return False
    name = match["name"] or match["name_first"]
    return calendars.of_month(name, _LATEST_YEAR, "") is not None


_DAY_WITHOUT_YEAR = re.compile(
    r"(?:[^\W\d_]+[,،]?\s+)?(?:\d\d?\.?\s+(?P<name>[^\W\d_]+(?:\s[^\W\d_]+)?)"
    r"|(?P<name_first>[^\W\d_]+\.?)\s\d\d?)"
)


@cache
def _ages() -> re.Pattern[str]:
    """Return the pattern of an age in any language, over normalised text."""
    return re.compile("|".join(_age_forms()))


def _age_forms() -> Iterator[str]:
    for words in lexicon.load("ages").values():
        units = "|".join(sorted({arabic.normalize(word) for word in words["units"]}, key=len))
        before, after = (
            "|".join(map(arabic.normalize, words.get(name, ()))) for name in ("before", "after")
        )
        if before:
            yield rf"(?<!\w)(?:{before})\s+(?:\d+\s*|\w+\s+)?(?:{units})(?!\w)"
        if after:
            yield rf"(?:\d+|(?<!\w)an?|(?<!\w)one)\s*(?:{units})\s*(?:{after})(?!\w)"
