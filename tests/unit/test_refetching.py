from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler import refetching
from crawler.outcomes import Failure
from services.shared.frontier import DueLink, LinkOutcome

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOURS = (1, 6, 24, 168)
DONE = LinkOutcome(link_id=1, state="fetched", status=200, page_id="x")


def link(
    *, done: int | None = None, dated: datetime | None = None, before: str | None = None
) -> DueLink:
    """Return a link that is fetched for the first time, or again after so many times."""
    return DueLink(
        id=1,
        url="https://a.example/news/1",
        host="a.example",
        source="a",
        taken_at=NOW,
        feed_url=None,
        title=None,
        published_at=dated,
        attempts_count=1,
        is_refetch=done is not None,
        refetches_count=done or 0,
        refetch_outcome=before,
    )


def test_the_ages_are_those_of_the_setting() -> None:
    """Each time lies after the one before by what parts the two ages; after the last is none."""
    waits = [refetching.fetched(link(), DONE, HOURS).refetch_wait_s]
    waits += [refetching.unchanged(link(done=n), HOURS).refetch_wait_s for n in range(4)]
    for wait, least in zip(waits, (1, 5, 18, 144), strict=False):
        assert wait is not None
        assert least <= wait / 3600 <= least * 1.1
    assert waits[4] is None


@pytest.mark.parametrize(("days", "again"), [(0, True), (6, True), (8, False)])
def test_only_young_articles_are_fetched_again(days: int, *, again: bool) -> None:
    """What the feed dates before the last of the ages is no news; no setting, no second time."""
    old = link(dated=NOW - timedelta(days=days))
    assert (refetching.fetched(old, DONE, HOURS).refetch_wait_s is not None) == again
    assert refetching.fetched(link(), DONE, ()).refetch_wait_s is None


@given(
    st.integers(0, 6),
    st.sampled_from(["http_404", "http_410", "http_500", "timeout", "robots_denied", "http_403"]),
    st.none() | st.sampled_from(["http_404", "timeout", "unchanged"]),
)
def test_a_page_is_gone_only_when_it_says_so_twice(
    done: int, reason: str, before: str | None
) -> None:
    """A failure never ends a page that was there, but for 410, or a second 404."""
    failure = Failure(reason=reason, status=None)
    outcome = refetching.failed(link(done=done, before=before), failure, HOURS)
    is_gone = reason == "http_410" or (reason == "http_404" and before == "http_404")
    assert outcome.state == ("failed" if is_gone else "fetched")
    assert outcome.reason == (reason if is_gone else None)
    assert outcome.refetch_outcome == reason
    assert outcome.is_refetch


@pytest.mark.parametrize(
    ("final", "asked", "is_home"),
    [
        ("https://a.example/", "https://a.example/news/1", True),
        ("https://a.example/ar/", "https://a.example/ar/news/1", True),
        ("https://a.example/index.html", "https://a.example/?p=12", True),
        ("https://www.a.example/front", "https://a.example/news/1", True),
        ("https://a.example/news/1-title", "https://a.example/news/1", False),
        ("https://a.example/", "https://a.example/", False),
        ("https://a.example/ar", "https://a.example/", False),
        ("https://a.example/?p=12", "https://a.example/news/1", False),
    ],
)
def test_a_redirect_to_the_home_page_is_seen(final: str, asked: str, *, is_home: bool) -> None:
    """The front of the site, of one of its languages, or what the source calls its home page."""
    assert refetching.is_home(final, asked, "https://a.example/front") == is_home
