import pytest
from hypothesis import given
from hypothesis import strategies as st
from scrapy.http import Response

from crawler.politeness import fresh_s
from crawler.robots import LONGEST_DELAY_S, MOST_BYTES, Rules, is_answer, lifetime_s, origin

DATE = {"Date": "Sat, 21 Nov 2026 12:00:00 GMT"}


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_bytes_are_rules(body: bytes) -> None:
    """Whatever robots.txt holds, it can be asked, and its delay is one that can be kept."""
    rules = Rules(b"User-agent: *\nCrawl-delay: " + body)
    assert rules.allow("https://a.example/x", "Rasid/0.1") in (True, False)
    assert 0 <= rules.delay_s("Rasid/0.1") <= LONGEST_DELAY_S


def test_rules_are_read_for_our_name() -> None:
    """Our own group counts, not that of all; without a file everything is allowed."""
    rules = Rules(b"User-agent: *\nDisallow: /\nUser-agent: Rasid\nCrawl-delay: 2\nDisallow: /x\n")
    agent = "Rasid/0.1 (news@a.example)"
    assert rules.allow("https://a.example/news", agent)
    assert not rules.allow("https://a.example/x/1", agent)
    assert not rules.allow("https://a.example/news", "Other")
    assert rules.delay_s(agent) == 2
    assert Rules(None).allow("https://a.example/x", agent)
    late = b"User-agent: *\n" + b"#\n" * MOST_BYTES + b"Disallow: /"
    assert Rules(late).allow("https://a.example/x", agent)


def test_an_origin_is_scheme_host_and_port() -> None:
    """Another port or scheme has rules of its own; a name and password are no part of it."""
    assert origin("https://me:x@A.example:8443/path?q") == "https://a.example:8443"
    assert origin("http://a.example/") != origin("https://a.example/")


@pytest.mark.parametrize(
    ("status", "tells"), [(200, True), (404, True), (429, False), (503, False)]
)
def test_what_counts_as_an_answer(status: int, *, tells: bool) -> None:
    """A refusal is an answer; too many requests and a broken server are none."""
    assert is_answer(status) == tells


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Cache-Control": "public, max-age=600"}, 600),
        ({"Cache-Control": "max-age=600", "Age": "200"}, 400),
        ({"Cache-Control": "no-cache, max-age=600"}, None),
        ({"Expires": "Sat, 21 Nov 2026 12:10:00 GMT", **DATE}, 600),
        ({"Expires": "Sat, 21 Nov 2026 11:00:00 GMT", **DATE}, 0),
        ({"Expires": "0", **DATE}, None),
        ({"Expires": "Sat, 21 Nov 2026 12:10:00 GMT"}, None),
        ({"Cache-Control": "max-age=soon"}, None),
        ({}, None),
    ],
)
def test_how_long_an_answer_may_be_kept(headers: dict[str, str], seconds: float | None) -> None:
    """Cache-Control before Expires, less the time in caches; nonsense says nothing."""
    assert fresh_s(Response("https://a.example/", headers=headers)) == seconds


def test_robots_hold_for_an_hour_to_a_day() -> None:
    """Between the two its server decides."""
    assert [lifetime_s(s) for s in (None, 0, 7200, 1e9)] == [6 * 3600, 3600, 7200, 86_400]
