"""Promises of worker.dates."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker import dates


@pytest.mark.parametrize(
    ("written", "language", "iso", "precision"),
    [
        ("2024-09-06T13:12:36.123+03:00", "", "2024-09-06T13:12:36+03:00", "second"),
        ("2020-03-18T12:22:42-0400", "", "2020-03-18T12:22:42-04:00", "second"),
        ("2025-10-08T21:33Z", "", "2025-10-08T21:33:00+00:00", "minute"),
        ("20200316080731", "", "2020-03-16T00:00:00+00:00", "day"),
        ("2022.12.03", "ar", "2022-12-03T00:00:00+00:00", "day"),
        ("12 كانون الثاني 2024", "ar", "2024-01-12T00:00:00+00:00", "day"),
        ("3 أيلول/سبتمبر 2023", "ar", "2023-09-03T00:00:00+00:00", "day"),
        ("١٢ جانفي ٢٠٢٤", "ar", "2024-01-12T00:00:00+00:00", "day"),
        ("15 غشت 2021", "ar", "2021-08-15T00:00:00+00:00", "day"),
        ("الجمعة 24 نيسان / أبريل 2020 09:22 مساءً", "ar", "2020-04-24T21:22:00+00:00", "minute"),
        ("5 يونيو 2020 12:05 ص", "ar", "2020-06-05T00:05:00+00:00", "minute"),
        ("Sunday, July 05, 2020", "en", "2020-07-05T00:00:00+00:00", "day"),
        ("February 9th, 2024 at 3:05 pm", "en", "2024-02-09T15:05:00+00:00", "minute"),
        ("11:25 PM - 10 Jul 2020", "en", "2020-07-10T23:25:00+00:00", "minute"),
        ("2023 Jan 7", "en", "2023-01-07T00:00:00+00:00", "day"),
        ("5 de septiembre de 2020", "es", "2020-09-05T00:00:00+00:00", "day"),
        ("1er août 2021", "fr", "2021-08-01T00:00:00+00:00", "day"),
        ("3. März 2021, 14:30", "de", "2021-03-03T14:30:00+00:00", "minute"),
        ("20 septembrie 2020 16:20", "ro", "2020-09-20T16:20:00+00:00", "minute"),
        ("2020年7月13日", "ja", "2020-07-13T00:00:00+00:00", "day"),
        ("2020년 3월 4일", "ko", "2020-03-04T00:00:00+00:00", "day"),
        ("13 Jan 2020, 22:11 GMT+10", "en", "2020-01-13T22:11:00+10:00", "minute"),
    ],
)
def test_a_date_is_read_as_written(written: str, language: str, iso: str, precision: str) -> None:
    """Names of months, digits of all scripts, halves of the day and offsets are understood."""
    instant = dates.parse(written, language=language)
    assert instant == dates.Instant(datetime.fromisoformat(iso), precision)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "written",
    [
        *("", "3 days ago", "منذ 8 أشهر", "9 كانون الثاني", "2024-02-30", "2024-13-01", "2014"),
        *("0001-01-01T00:00:00Z", "1400/05/12", "14 رجب 1445", "call 0800 2020 2021"),
        *("99/99/2020", "$92.56 billion in 2023"),
    ],
)
def test_what_names_no_day_is_no_date(written: str) -> None:
    """No year, no day or no such day: nothing is filled in."""
    assert dates.parse(written) is None


def test_the_page_decides_what_is_ambiguous() -> None:
    """Month or day first, and which month a shared name means, follow the language."""
    assert dates.parse("03/04/2020", language="en-US") == dates.parse("2020-03-04")
    assert dates.parse("03/04/2020", language="en-GB") == dates.parse("2020-04-03")
    assert dates.parse("03/04/2020", language="ar") == dates.parse("2020-04-03")
    assert dates.parse("11. listopada 2019", language="pl") == dates.parse("2019-11-11")
    assert dates.parse("11. listopada 2019", language="hr") == dates.parse("2019-10-11")


def test_a_city_names_its_zone_with_its_history() -> None:
    """11:14 in Damascus is UTC+3 since October 2022, and was UTC+2 in the winter before."""
    zone = dates.zone_of_city("2022.12.03 | 11:14 دمشق")
    assert zone == ZoneInfo("Asia/Damascus")
    after = dates.parse("2022.12.03 | 11:14 دمشق", zone)
    before = dates.parse("2021.12.03 | 11:14 دمشق", zone)
    assert after is not None
    assert before is not None
    assert after.at.utcoffset() == timedelta(hours=3)
    assert before.at.utcoffset() == timedelta(hours=2)
    assert dates.zone_of_city("11:14") is None


def test_a_date_line_is_told_from_a_sentence() -> None:
    """A date may have a name or a label beside it, but is no running text."""
    assert dates.stands_alone("Published on March 2, 2025")
    assert dates.stands_alone("by: Mira Aalto, Dec 17, 2025")
    assert not dates.stands_alone(
        "The bridge was closed on 12 January 2019 after cracks were found"
    )
    assert not dates.stands_alone("no date at all")


@given(st.datetimes(datetime(1990, 1, 1), datetime(2098, 12, 31)), st.integers(-56, 56))  # noqa: DTZ001
def test_iso_dates_are_read_exactly(at: datetime, quarters: int) -> None:
    """What a machine wrote comes back to the second, with its offset."""
    at = at.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=15 * quarters)))
    assert dates.parse(at.isoformat()) == dates.Instant(at, "second")


@given(st.text())
def test_parse_is_total(written: str) -> None:
    """Any string is a date or none, and a date is in the range of news."""
    instant = dates.parse(written, UTC)
    assert instant is None or instant.at.year >= 1990
