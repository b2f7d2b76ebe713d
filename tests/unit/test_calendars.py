"""Promises of worker.calendars and worker.clocks."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker import lexicon
from worker.fields import calendars, clocks

#: The first day of Jalali years, as published; 1399, 1403 and 1408 are long.
NEW_YEARS = {
    1370: date(1991, 3, 21),
    1375: date(1996, 3, 20),
    1376: date(1997, 3, 21),
    1379: date(2000, 3, 20),
    1380: date(2001, 3, 21),
    1398: date(2019, 3, 21),
    1399: date(2020, 3, 20),
    1400: date(2021, 3, 21),
    1403: date(2024, 3, 20),
    1404: date(2025, 3, 21),
    1408: date(2029, 3, 20),
    1409: date(2030, 3, 21),
}


@pytest.mark.parametrize(("year", "first"), NEW_YEARS.items())
def test_jalali_years_begin_on_their_day(year: int, first: date) -> None:
    """The solar year begins where the calendars of Iran have it, and the day before ends a year."""
    assert calendars.day_of("jalali", year, 1, 1) == first
    last = calendars.day_of("jalali", year - 1, 12, 30) or calendars.day_of(
        "jalali", year - 1, 12, 29
    )
    assert last == first - timedelta(days=1)


@given(st.integers(1350, 1497), st.integers(1, 12), st.integers(1, 29))
def test_jalali_days_follow_each_other(year: int, month: int, day: int) -> None:
    """A day later in the calendar is a day later in the world, over the end of months too."""
    today = calendars.day_of("jalali", year, month, day)
    following = (
        calendars.day_of("jalali", year, month, day + 1)
        or calendars.day_of("jalali", year, month + 1, 1)
        or calendars.day_of("jalali", year + 1, 1, 1)
    )
    assert today is not None
    assert following == today + timedelta(days=1)


@pytest.mark.parametrize(
    ("calendar", "year", "month", "day", "gregorian"),
    [
        ("hijri", 1445, 7, 14, date(2024, 1, 26)),
        ("hijri", 1445, 9, 1, date(2024, 3, 11)),
        ("hijri", 1446, 1, 1, date(2024, 7, 7)),
        ("jalali", 1403, 12, 30, date(2025, 3, 20)),
        ("jalali", 1402, 12, 30, None),
        ("buddhist", 2567, 2, 29, date(2024, 2, 29)),
        ("buddhist", 2566, 2, 29, None),
        ("hijri", 1445, 13, 1, None),
        ("hijri", 1445, 7, 31, None),
        ("gregorian", 2023, 2, 29, None),
    ],
)
def test_days_of_other_calendars(
    calendar: calendars.Calendar, year: int, month: int, day: int, gregorian: date | None
) -> None:
    """A day of the Umm al-Qura, Jalali or Buddhist calendar is one Gregorian day, or none."""
    assert calendars.day_of(calendar, year, month, day) == gregorian


@given(
    st.sampled_from(["gregorian", "hijri", "jalali", "buddhist"]),
    st.integers(-9, 99_999),
    st.integers(-9, 99),
    st.integers(-9, 99),
)
def test_day_of_is_total(calendar: calendars.Calendar, year: int, month: int, day: int) -> None:
    """Any figures are a day or none."""
    found = calendars.day_of(calendar, year, month, day)
    assert found is None or isinstance(found, date)


@pytest.mark.parametrize(
    ("written", "hour", "minute"),
    [
        ("11:14 ص", 11, 14),
        ("12:05 ص", 0, 5),
        ("12:05 م", 12, 5),
        ("9:22 مساءً", 21, 22),
        ("8:05 صباحا", 8, 5),
        ("12:30 ظهرا", 12, 30),
        ("1:30 ظهراً", 13, 30),
        ("4:10 عصرا", 16, 10),
        ("11:40 ليلا", 23, 40),
        ("12:40 ليلا", 0, 40),
        ("2:10 ليلا", 2, 10),
        ("5:00 فجرا", 5, 0),
        ("3:05 بعد الظهر", 15, 5),
        ("10:05 قبل الظهر", 10, 5),
        ("8:15 ب.ظ", 20, 15),
        ("14:05", 14, 5),
        ("3:05 p.m.", 15, 5),
        ("3 pm", 15, 0),
        ("12 am", 0, 0),
        ("14h30", 14, 30),
        ("18.03 Uhr", 18, 3),
        ("kl. 14.30", 14, 30),
        ("14時30分", 14, 30),
        ("下午 3:05", 15, 5),
        ("오후 3시 5분", 15, 5),
        ("오전 12:05", 0, 5),
    ],
)
def test_a_time_of_day_is_read_as_written(written: str, hour: int, minute: int) -> None:
    """Halves of the day in Arabic and other languages, before or after the time, are understood."""
    clock = clocks.find(written)
    assert clock is not None
    assert (clock.hour, clock.minute) == (hour, minute)


@pytest.mark.parametrize("written", ["", "3.05", "25:00", "12:61", "the 3 of us", "1:2", "::"])
def test_what_names_no_time_is_none(written: str) -> None:
    """Figures that are no time of day are not made one."""
    assert clocks.find(written) is None


@pytest.mark.parametrize("offset", ["+15:00", "-13:00", "+14:30", "+03:75", "-99"])
def test_an_offset_of_no_place_makes_the_time_worthless(offset: str) -> None:
    """No place is further than 14 hours ahead or 12 behind: such a time is not believed."""
    assert clocks.find(f"10:00:00{offset}") is None


@pytest.mark.parametrize(
    ("written", "day", "hours"),
    [
        ("10:00 EST", (2024, 1, 15), -5),
        ("10:00 ET", (2024, 7, 15), -4),
        ("10:00 (CET)", (2024, 7, 15), 2),
        ("10:00 GMT+10", (2024, 1, 15), 10),
        ("10:00 UTC", (2024, 1, 15), 0),
        ("10:00 pm PST", (2024, 1, 15), -8),
    ],
)
def test_zones_by_their_letters(written: str, day: tuple[int, int, int], hours: int) -> None:
    """Letters after a time name a zone, whose summer time is that of the day."""
    clock = clocks.find(written)
    assert clock is not None
    offset = clock.on(datetime(*day, tzinfo=UTC), UTC).utcoffset()
    assert offset == timedelta(hours=hours)


@pytest.mark.parametrize("name", ["cities", "zones"])
def test_every_zone_of_the_lexicons_exists(name: str) -> None:
    """A city or an abbreviation means a zone that the time zone database has."""
    assert all(clocks.zone_named(zone) for zone in lexicon.load(name))


def test_a_city_of_two_words_has_its_zone() -> None:
    """Names of one word and of two are found, after "in the time of" too; others have no zone."""
    assert clocks.zone_of_city("10:20 بتوقيت رام الله") == ZoneInfo("Asia/Hebron")
    assert clocks.zone_of_city("10:20 بتوقيت القاهرة") == ZoneInfo("Africa/Cairo")
    assert clocks.zone_of_city("10:20 رام") is None


@given(st.text())
def test_find_is_total(written: str) -> None:
    """Any string has a time of day or none."""
    clock = clocks.find(written)
    assert clock is None or (0 <= clock.hour < 24 and 0 <= clock.minute < 60)
