"""A year, a month and a day of some calendar go in; the Gregorian day they name comes out.

Also the names of months, in every language and calendar that the lexicons know. A month is told
from its name in the language of the page where two languages share the name.
"""

import re
from collections import defaultdict
from datetime import date, timedelta
from functools import cache
from typing import Literal

from hijridate import Hijri

from services.shared import arabic
from worker import lexicon

Calendar = Literal["gregorian", "hijri", "jalali", "buddhist"]

_BUDDHIST_AHEAD = 543
_HIJRI_YEARS = range(1400, 1501)
_JALALI_YEARS = range(1350, 1499)
_BUDDHIST_YEARS = range(2500, 2643)
_GREGORIAN_YEARS = range(1900, 2100)
#: The first day of the Jalali year 1350, and its place in the cycle of leap years.
_JALALI_START = date(1971, 3, 21)
_JALALI_LONG_MONTHS = 6
_JALALI_MONTHS = (31,) * 6 + (30,) * 5 + (29,)
#: In the solar calendar 8 years of each 33 are long; this holds for 1244 to 1500.
_CYCLE, _LONG_IN_CYCLE, _CYCLE_PHASE = 33, 8, 29
#: The year before the first of each era.
_ERAS = {"令和": 2018, "平成": 1988, "昭和": 1925, "民國": 1911, "民国": 1911}
#: What stands before a month without a space: "in" of Hebrew, the thin joint of Persian.
_JOINED = re.compile("(?<!\\w)ב(?=[א-ת])|\u200c")
ERA = "|".join(_ERAS)


def day_of(calendar: Calendar, year: int, month: int, day: int) -> date | None:
    """Return the Gregorian day, or None where the calendar has no such day."""
    try:
        if calendar == "hijri":
            return date(*Hijri(year, month, day).to_gregorian().datetuple())
        if calendar == "jalali":
            return _of_jalali(year, month, day)
        ahead = _BUDDHIST_AHEAD if calendar == "buddhist" else 0
        return date(year - ahead, month, day)
    except (ValueError, OverflowError):
        return None


def of_month(name: str, year: int, language: str) -> tuple[Calendar, int] | None:
    """Return the calendar and the number of a named month in a year of that calendar.

    `name` is a phrase around the name, such as "de septiembre de" or "أيلول/سبتمبر".
    """
    if year in _GREGORIAN_YEARS:
        known = _known("months", name)
        month = known.get(language[:2]) or next(iter(known.values()), None)
        return ("gregorian", month) if month else None
    if year in _BUDDHIST_YEARS:
        month = _known("months", name).get("th")
        return ("buddhist", month) if month else None
    known = _known("calendars", name)
    if year in _HIJRI_YEARS and "hijri" in known:
        return "hijri", known["hijri"]
    if year in _JALALI_YEARS and "jalali" in known:
        return "jalali", known["jalali"]
    return None


def of_year(year: int, language: str, *, is_hijri: bool = False) -> Calendar | None:
    """Return the calendar that a year in figures is of, or None where the page leaves it open."""
    if year in _GREGORIAN_YEARS:
        return "gregorian"
    if is_hijri and year in _HIJRI_YEARS:
        return "hijri"
    if language[:2] in {"fa", "ps"} and year in _JALALI_YEARS:
        return "jalali"
    if language[:2] == "th" and year in _BUDDHIST_YEARS:
        return "buddhist"
    return None


def year_of_era(era: str, number: str) -> int:
    """Return the year of "令和" "2"; the first year of an era is "元"."""
    return _ERAS[era] + (1 if number == "元" else int(number))


def warm() -> None:
    """Read the names of months, so that it is done before workers fork."""
    _names("months")
    _names("calendars")


def _of_jalali(year: int, month: int, day: int) -> date | None:
    if year not in _JALALI_YEARS or not 1 <= month <= len(_JALALI_MONTHS):
        return None
    length = _JALALI_MONTHS[month - 1] + (month == len(_JALALI_MONTHS) and _is_long(year))
    if not 1 <= day <= length:
        return None
    first = _JALALI_YEARS.start
    days = 365 * (year - first) + sum(map(_is_long, range(first, year)))
    return _JALALI_START + timedelta(days=days + sum(_JALALI_MONTHS[: month - 1]) + day - 1)


def _is_long(year: int) -> bool:
    return (year * _LONG_IN_CYCLE + _CYCLE_PHASE) % _CYCLE < _LONG_IN_CYCLE


# --- Names of months ---


def _known(table: str, name: str) -> dict[str, int]:
    """Return the month that the phrase names in each language, or nothing."""
    names = _names(table)
    words = arabic.tokens(_JOINED.sub(" ", name))
    pairs = [" ".join(words[i : i + 2]) for i in range(len(words) - 1)]
    phrases = [" ".join(words), *pairs, *words]
    return next((names[phrase] for phrase in phrases if phrase in names), {})


@cache
def _names(table: str) -> dict[str, dict[str, int]]:
    """Return for each name of a month the month it is in each language or calendar."""
    by_name: dict[str, dict[str, int]] = defaultdict(dict)
    for language, months in lexicon.load(table).items():
        for number, names in months.items():
            for name in names:
                by_name[" ".join(arabic.tokens(name))][language] = int(number)
    return dict(by_name)
