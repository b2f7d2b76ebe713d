"""Promises of worker.dates."""

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hijridate import Gregorian
from hypothesis import given
from hypothesis import strategies as st

from worker import lexicon
from worker.fields import dates


@pytest.mark.parametrize(
    ("written", "language", "iso", "precision"),
    [
        ("2024-09-06T13:12:36.123+03:00", "", "2024-09-06T13:12:36+03:00", "second"),
        ("2020-03-18T12:22:42-0400", "", "2020-03-18T12:22:42-04:00", "second"),
        ("2025-10-08T21:33Z", "", "2025-10-08T21:33:00+00:00", "minute"),
        ("20200316080731", "", "2020-03-16T08:07:31+00:00", "second"),
        ("20240503T101500Z", "", "2024-05-03T10:15:00+00:00", "second"),
        ("202405031015", "", "2024-05-03T10:15:00+00:00", "minute"),
        ("20240503", "", "2024-05-03T00:00:00+00:00", "day"),
        ("2024-05-03 10:15:00 Asia/Riyadh", "", "2024-05-03T10:15:00+03:00", "second"),
        ("2024-05-03T10:15:00+03:00[Asia/Riyadh]", "", "2024-05-03T10:15:00+03:00", "second"),
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
        ("13 Jan 2020, 22:11 EST", "en", "2020-01-13T22:11:00-05:00", "minute"),
        ("Thu Jan 25 14:30:00 EST 2024", "en", "2024-01-25T14:30:00-05:00", "second"),
        ("Mon, 03 Jun 2024 14:30:00 +0300", "en", "2024-06-03T14:30:00+03:00", "second"),
        ("1594451576", "", "2020-07-11T07:12:56+00:00", "second"),
        ("1594451576000", "", "2020-07-11T07:12:56+00:00", "second"),
        ("14 رجب 1445", "ar", "2024-01-26T00:00:00+00:00", "day"),
        ("١٤ رجب ١٤٤٥ هـ الموافق ٢٦ يناير ٢٠٢٤", "ar", "2024-01-26T00:00:00+00:00", "day"),
        ("1 ذو القعدة 1445هـ - 10:20 م", "ar", "2024-05-09T22:20:00+00:00", "minute"),
        ("1445/07/14 هـ", "ar", "2024-01-26T00:00:00+00:00", "day"),
        ("۱۲ مرداد ۱۴۰۳ ساعت ۱۴:۳۰", "fa", "2024-08-02T14:30:00+00:00", "minute"),
        ("پنجشنبه ۴ آبان‌ماه ۱۴۰۲", "fa", "2023-10-26T00:00:00+00:00", "day"),
        ("1403/05/12", "fa-IR", "2024-08-02T00:00:00+00:00", "day"),
        ("5 مايو 2021", "ar", "2021-05-05T00:00:00+00:00", "day"),
        ("5 ماي 2021", "ar", "2021-05-05T00:00:00+00:00", "day"),
        ("5 جويلية 2021", "ar", "2021-07-05T00:00:00+00:00", "day"),
        ("5 شتنبر 2021", "ar", "2021-09-05T00:00:00+00:00", "day"),
        ("30 تشرين الثاني/نوفمبر 2021", "ar", "2021-11-30T00:00:00+00:00", "day"),
        ("2 سبتمبر (أيلول) 2021", "ar", "2021-09-02T00:00:00+00:00", "day"),
        ("5 มิถุนายน 2563", "th", "2020-06-05T00:00:00+00:00", "day"),
        ("5 มิ.ย. 2563 10:20", "th", "2020-06-05T10:20:00+00:00", "minute"),
        ("05/06/2563", "th", "2020-06-05T00:00:00+00:00", "day"),
        ("3 בספטמבר 2023", "he", "2023-09-03T00:00:00+00:00", "day"),
        ("令和2年7月13日", "ja", "2020-07-13T00:00:00+00:00", "day"),
        ("民國109年7月13日", "zh-TW", "2020-07-13T00:00:00+00:00", "day"),
        ("ngày 12 tháng 3 năm 2024", "vi", "2024-03-12T00:00:00+00:00", "day"),
        ("3 Eylül 2023 Pazar, 14:05", "tr", "2023-09-03T14:05:00+00:00", "minute"),
        ("3 сентября 2023 г. в 14:05", "ru", "2023-09-03T14:05:00+00:00", "minute"),
        ("3 вересня 2023", "uk", "2023-09-03T00:00:00+00:00", "day"),
        ("2023 m. rugsėjo 3 d.", "lt", "2023-09-03T00:00:00+00:00", "day"),
        ("2023. gada 3. septembris", "lv", "2023-09-03T00:00:00+00:00", "day"),
        ("3 ستمبر 2023", "ur", "2023-09-03T00:00:00+00:00", "day"),
        ("3ی ئەیلوولی 2023", "ckb", "2023-09-03T00:00:00+00:00", "day"),
        ("2023년 9월 3일 오후 3:05", "ko", "2023-09-03T15:05:00+00:00", "minute"),
        # The zone of no place: the day is written, the time worthless.
        ("2024-01-12T10:00:00+99:00", "", "2024-01-12T00:00:00+00:00", "day"),
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
        *(
            "0001-01-01T00:00:00Z",
            "1400/05/12",
            "31 رجب 1445",
            "14 رجب 2024",
            "call 0800 2020 2021",
        ),
        *("99/99/2020", "$92.56 billion in 2023", "30 اسفند 1402", "5 June 2563", "159445157"),
        *("20241503", "2024050", "20240503999999", "2024-05"),
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
    assert dates.parse("03/04/2020", language="en_US") == dates.parse("2020-03-04")
    assert dates.parse("03-04-2020", language="de", month_first=True) == dates.parse("2020-03-04")
    assert dates.parse("03/04/2020", language="en", month_first=False) == dates.parse("2020-04-03")
    assert dates.parse("25/04/2020", month_first=True) == dates.parse("2020-04-25")
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


@pytest.mark.parametrize(
    ("page", "is_month_first"),
    [
        ("on 12/31/2020 and 3/4/2020", True),
        ("31.12.2020", False),
        ("3/4/2020", None),
        ("31/12/2020 or 12/31/2020", None),
        ("", None),
        ("13/14/2020", None),
    ],
)
def test_other_dates_tell_the_order(page: str, is_month_first: bool | None) -> None:
    """A date that fits one order only tells how the rest are meant."""
    assert dates.order(page) is is_month_first


@pytest.mark.parametrize(
    "written",
    [
        *("منذ 3 ساعات", "قبل ساعتين", "3 hours ago", "an hour ago", "il y a 2 jours"),
        *("vor 5 Minuten", "hace 3 horas", "2 saat önce", "۳ ساعت پیش", "לפני שעתיים"),
        *("5 часов назад", "3小时前", "2時間前", "3시간 전", "9 كانون الثاني", "May 3", "3. März"),
    ],
)
def test_an_age_or_a_day_of_no_year_is_told(written: str) -> None:
    """What pages write instead of a date is known as that, and is no date."""
    assert dates.is_undated(written)
    assert dates.parse(written) is None


@pytest.mark.parametrize(
    "written",
    [
        *("", "7", "Mira Aalto", "2 May 2021", "5 comments", "Chapter 4"),
        *("He said that 3 hours ago everything was calm in the old town", "3 stars"),
    ],
)
def test_other_lines_are_no_age(written: str) -> None:
    """Names, counts, whole dates and sentences are not taken for an age."""
    assert not dates.is_undated(written)


@given(st.datetimes(datetime(1990, 1, 1), datetime(2098, 12, 31)), st.integers(-48, 56))  # noqa: DTZ001
def test_iso_dates_are_read_exactly(at: datetime, quarters: int) -> None:
    """What a machine wrote comes back to the second, with its offset."""
    at = at.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=15 * quarters)))
    assert dates.parse(at.isoformat()) == dates.Instant(at, "second")


@given(st.dates(date(1990, 1, 1), date(2075, 12, 31)), st.sampled_from("٠٠0۰०"))
def test_arabic_dates_are_read_in_any_digits_and_names(day: date, zero: str) -> None:
    """Each day of each year is read back, under either name of its month, in any digits."""
    names = lexicon.load("months")["ar"][str(day.month)]
    figures = {ord(str(n)): chr(ord(zero) + n) for n in range(10)}
    for name in (*names, f"{names[1]}/{names[0]}", f"{names[0]} ({names[1]})"):
        written = f"{day.day} {name} {day.year}".translate(figures)
        found = dates.parse(written, language="ar")
        assert found is not None
        assert found.at.date() == day


@given(st.dates(date(1990, 1, 1), date(2075, 12, 31)))
def test_hijri_dates_are_read_back(day: date) -> None:
    """Each day is read from the Hijri date that the Umm al-Qura calendar gives it."""
    year, month, number = Gregorian.fromdate(day).to_hijri().datetuple()
    for name in lexicon.load("calendars")["hijri"][str(month)]:
        found = dates.parse(f"{number} {name} {year} هـ", language="ar")
        assert found is not None
        assert found.at.date() == day


_PIECES = [
    *("2024", "1445", "1403", "2563", "12", "3", "رجب", "يناير", "may", "/", "-", ".", " ", ":"),
    *("30", "pm", "ص", "+99:00", "Z", "EST", "年", "月", "日", "令和", "元", "tháng", "هـ", "منذ"),
]


@given(st.lists(st.sampled_from(_PIECES), max_size=14).map("".join))
def test_pieces_of_dates_in_any_order_are_no_error(written: str) -> None:
    """What nearly is a date is one in the range of news, or none; nothing is raised."""
    instant = dates.parse(written, UTC, "fa")
    assert instant is None or 1990 <= instant.at.year <= 2100
    dates.is_undated(written)
    dates.is_ambiguous(written)
    dates.order(written)
    dates.stands_alone(written)


@given(st.text())
def test_parse_is_total(written: str) -> None:
    """Any string is a date or none, and a date is in the range of news."""
    instant = dates.parse(written, UTC)
    assert instant is None or instant.at.year >= 1990
