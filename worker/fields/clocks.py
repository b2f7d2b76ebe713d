"""What is written beside a date goes in; the time of day and the zone it names come out.

A zone is an offset, the letters of a zone or the name of a city. An offset that no place on earth
has makes the time worthless: then there is no time.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from services.shared import arabic
from worker import lexicon


@dataclass(frozen=True, slots=True)
class Clock:
    """A time of day, and the zone written with it."""

    hour: int
    minute: int
    second: int | None
    zone: tzinfo | None

    def on(self, day: datetime, zone: tzinfo) -> datetime:
        """Return this time on that day, in the zone written or else in `zone`."""
        return day.replace(
            hour=self.hour, minute=self.minute, second=self.second or 0, tzinfo=self.zone or zone
        )


_AFTERNOON = (
    r"p\.?\s?m\b\.?|م(?!\w)|مساء\w*|عصر\w*|بعد الظهر|ب\.ظ|بعدازظهر|μ\.?μ\b\.?|오후|下午|晚上|午後"
)
_MORNING = r"a\.?\s?m\b\.?|ص(?!\w)|صباح\w*|فجر\w*|قبل الظهر|ق\.ظ|صبح|π\.?μ\b\.?|오전|上午|早上|午前"
_NOON_WORDS = r"ظهر\w*|noon"
_NIGHT = r"ليل\w*|شب(?!\w)"
_HALVES = f"(?:{_AFTERNOON}|{_MORNING}|{_NOON_WORDS}|{_NIGHT})"
_CLOCK = re.compile(
    rf"(?P<half_before>오전|오후|上午|下午|晚上|早上|午前|午後)?\s?(?<![\d:.])(?:"
    r"(?P<hour>[01]?\d|2[0-4])(?:[:٫h]|\s?:\s?|\s?[時时시]\s?|\s?Uhr\s)(?P<minute>[0-5]\d|\d(?=\s?[分분]))(?!\d)"
    r"(?:\s?[:分분]\s?(?P<second>[0-5]\d)(?!\d))?(?:[.,]\d+)?[分분]?"
    r"|(?P<dotted>[01]?\d|2[0-4])\.(?P<dotted_minute>[0-5]\d)(?=\s?(?:Uhr|h\b|WIB|GMT|Uur))"
    r"|(?<=kl )(?P<kl>[01]?\d|2[0-4])\.(?P<kl_minute>[0-5]\d)(?!\d)"
    r"|(?<=kl\. )(?P<klo>[01]?\d|2[0-4])\.(?P<klo_minute>[0-5]\d)(?!\d)"
    r"|(?P<bare>1[0-2]|0?[1-9])(?=\s?[ap]\.?\s?m\b)"
    rf")\s?(?:Uhr)?\s*(?P<half>{_HALVES})?",
    re.IGNORECASE,
)
_OFFSET = re.compile(
    r"[\s(]*(?:GMT|UTC)?\s*(?P<offset>[+-]\d{2}:?\d{2}|[+-]\d{1,2}|Z|UTC|GMT)(?![\w:])",
    re.IGNORECASE,
)
_LETTERS = re.compile(r"[\s(]*(?P<letters>[A-ZА-Я]{2,4})(?![\w/])")
_NAMED = re.compile(r"[\s(\[]*(?P<name>[A-Z][a-z]+/[A-Z][A-Za-z_]+)(?![\w/])")
_MORNING_ONLY, _AFTERNOON_ONLY, _NOON_ONLY, _NIGHT_ONLY = (
    re.compile(words, re.IGNORECASE) for words in (_MORNING, _AFTERNOON, _NOON_WORDS, _NIGHT)
)
_NOON, _EVENING = 12, 6
_EASTMOST, _WESTMOST = timedelta(hours=14), timedelta(hours=-12)


def find(text: str) -> Clock | None:
    """Return the time of day that stands in `text`, whose digits are 0-9, or None."""
    match = _CLOCK.search(text)
    if not match:
        return None
    hour = next(int(match[n]) for n in ("hour", "dotted", "kl", "klo", "bare") if match[n])
    minutes = (match[n] for n in ("minute", "dotted_minute", "kl_minute", "klo_minute"))
    half = match["half"] or match["half_before"] or ""
    end = match.end() if half else match.end("minute") if match["minute"] else match.end()
    offset = _OFFSET.match(text, match.end()) or _OFFSET.match(text, end)
    zone = _of_offset(offset["offset"]) if offset else _of_name(text, match.end())
    if offset and zone is None:
        return None
    return Clock(
        hour=_of_day(hour, half),
        minute=int(next((minute for minute in minutes if minute), 0)),
        second=int(match["second"]) if match["second"] else None,
        zone=zone,
    )


def without(text: str) -> str:
    """Return `text` without the times of day in it."""
    return _CLOCK.sub("", text)


def zone_named(name: str | None) -> tzinfo | None:
    """Return the zone of that name (`Asia/Riyadh`), or None where there is none."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def zone_of_city(text: str) -> tzinfo | None:
    """Return the zone of the city that stands in `text`, such as "11:14 دمشق"."""
    words = arabic.tokens(text)
    pairs = (f"{first} {second}" for first, second in pairwise(words))
    name = next((zone for phrase in (*pairs, *words) if (zone := _cities().get(phrase))), None)
    return zone_named(name)


def warm() -> None:
    """Read the names of cities and zones, so that it is done before workers fork."""
    _cities()
    _zones()


def _of_day(hour: int, half: str) -> int:
    """Return the hour of 0 to 23 of an hour in the half of the day that the word names."""
    if not half or hour > _NOON:
        return hour % 24
    after_noon = bool(_AFTERNOON_ONLY.fullmatch(half)) and not _MORNING_ONLY.fullmatch(half)
    if _NIGHT_ONLY.fullmatch(half):
        after_noon = _EVENING <= hour < _NOON
    elif _NOON_ONLY.fullmatch(half):
        # Half past eleven at noon is before it, two at noon after it.
        return hour if hour >= _NOON - 2 else hour + _NOON
    return hour % _NOON + (_NOON if after_noon else 0)


def _of_offset(written: str) -> tzinfo | None:
    if written[0] not in "+-":
        return UTC
    digits = written[1:].replace(":", "")
    hours, minutes = int(digits[:2]), int(digits[2:] or 0)
    offset = timedelta(hours=hours, minutes=minutes) * (1 if written[0] == "+" else -1)
    if minutes >= 60 or not _WESTMOST <= offset <= _EASTMOST:  # noqa: PLR2004
        return None
    return timezone(offset)


def _of_name(text: str, start: int) -> tzinfo | None:
    """Return the zone of "EST" or "Asia/Riyadh" there."""
    letters, named = _LETTERS.match(text, start), _NAMED.match(text, start)
    if named:
        return zone_named(named["name"])
    return zone_named(_zones().get(letters["letters"])) if letters else None


@cache
def _zones() -> dict[str, str]:
    return {name: zone for zone, names in lexicon.load("zones").items() for name in names}


@cache
def _cities() -> dict[str, str]:
    cities = lexicon.load("cities")
    return {" ".join(arabic.tokens(n)): zone for zone, names in cities.items() for n in names}
