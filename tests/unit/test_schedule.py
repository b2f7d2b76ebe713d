from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.schedule import (
    CEILING_S,
    ERROR_CEILING_S,
    FLOOR_S,
    FULL_EVERY_S,
    FULL_LATE_S,
    KEPT_TIMES,
    LONGEST_HINT_S,
    Hints,
    History,
    Limits,
    error_wait_s,
    has_overflowed,
    listed,
    silent_from,
    wait_s,
    wants_full,
)

NOW = 1_800_000_000.0
DAY = 86_400.0
seconds = st.floats(0, 1e9)
scatter = st.floats(0, 1)
maybe = st.none() | seconds
hints = st.builds(Hints, fresh_s=maybe, every_s=maybe, retry_after_s=maybe)
#: Polls: how long after the one before, and what the new items of each state.
polls = st.lists(
    st.tuples(st.floats(0, 1e6), st.lists(st.none() | st.floats(-1e10, 1e10), max_size=80)),
    max_size=12,
)


def regular(every_s: float, count: int = 40, *, ended_s: float = 0.0) -> History:
    """Return a feed that gave an item so often, the last one some time before now."""
    times = tuple(NOW - ended_s - every_s * number for number in reversed(range(count)))
    return History(item_times=times, listed_at=NOW)


@given(polls, hints, scatter, st.integers(0, 100))
def test_a_wait_lies_between_floor_and_ceiling(
    polls: list[tuple[float, list[float | None]]], hints: Hints, scatter: float, page: int
) -> None:
    """Whatever a feed lists, states and asks for, it is polled between floor and ceiling."""
    history, now = History(), NOW
    for later, stated in polls:
        now += later
        history = listed(history, stated, now, page_items=page)
        assert FLOOR_S <= wait_s(history, now, hints=hints, scatter=scatter) <= CEILING_S
        assert list(history.item_times) == sorted(history.item_times)
        assert len(history.item_times) <= KEPT_TIMES
        assert all(at <= now for at in history.item_times)
        wants_full(history, NOW, now)
        assert (silent_from(history) or now) >= history.item_times[0] if history.item_times else now


@given(st.integers(0, 10_000), st.floats(1, 1e6) | st.none(), scatter, hints)
def test_errors_wait_longer_each_time_and_never_for_ever(
    errors: int, fixed_s: float | None, scatter: float, hints: Hints
) -> None:
    """One more failure never means a shorter wait, and there always is a next poll."""
    limits = Limits(fixed_s=fixed_s)
    waits = [
        error_wait_s(count, hints=hints, limits=limits, scatter=scatter)
        for count in (errors, errors + 1)
    ]
    assert waits == sorted(waits)
    assert waits[1] <= 1.1 * max(ERROR_CEILING_S, fixed_s or 0)


@given(st.lists(st.floats(0.1, 1e6), min_size=8, max_size=64), st.floats(0, 1e7))
def test_what_is_listed_is_as_old_as_it_says(gaps: list[float], late: float) -> None:
    """Dates after the listing before are believed; all others are put between the two listings."""
    before = History(listed_at=NOW)
    now = NOW + sum(gaps) + 1
    told = list(accumulate(gaps, initial=NOW))
    after = listed(before, [*told, now + late + 1, NOW - late - 1, None], now, page_items=99)
    assert set(after.item_times) <= {
        *told,
        *(NOW + (now - NOW) / (len(told) + 4) * n for n in range(99)),
    }


@pytest.mark.parametrize("every_s", [60, 600, 1200])
def test_a_feed_is_polled_at_its_own_pace(every_s: float) -> None:
    """The next item is seen within 1.5 of the intervals, or within five minutes."""
    limit = max(1.5 * every_s, 300)
    assert limit <= wait_s(regular(every_s), NOW, scatter=0) <= every_s + limit


def test_silence_is_waited_out_where_it_usually_lasts() -> None:
    """After a bunch of items nothing is expected until the next one usually comes."""
    bunches = tuple(NOW - hours * 3600 + n * 120 for hours in range(70, 0, -7) for n in range(6))
    history = History(item_times=bunches, listed_at=NOW)
    soon = wait_s(history, bunches[-1] + 60, scatter=0)
    later = wait_s(history, bunches[-1] + 2 * 3600, scatter=0)
    expected = wait_s(history, bunches[-1] + 6.8 * 3600, scatter=0)
    assert soon < 600
    assert later > 3600
    assert expected < 1500


def test_a_wish_of_the_publisher_is_kept_within_reason() -> None:
    """A cache's lifetime is waited for, up to half an hour; a feed's own word until it is known."""
    busy = regular(60)
    assert wait_s(busy, NOW, hints=Hints(fresh_s=900)) == 900
    assert wait_s(busy, NOW, hints=Hints(fresh_s=DAY)) == LONGEST_HINT_S
    assert wait_s(busy, NOW, hints=Hints(every_s=DAY)) < 520
    assert wait_s(History(), NOW, hints=Hints(every_s=3600), scatter=0) == 3600


def test_an_operators_interval_holds() -> None:
    """An interval that is given is used as it is, give or take a tenth."""
    waits = [wait_s(regular(60), NOW, limits=Limits(fixed_s=10), scatter=x) for x in (0, 0.5, 1)]
    assert waits == pytest.approx([9, 10, 11])


def test_a_feed_that_overflowed_is_polled_sooner() -> None:
    """Nothing known on the page: half the wait, which then grows again, whatever a cache says."""
    slow = regular(3600)
    assert not has_overflowed(slow, new_items=4, page_items=5)
    assert not has_overflowed(History(), new_items=5, page_items=5)
    assert has_overflowed(slow, new_items=5, page_items=5)
    usual = wait_s(slow, NOW)
    now = NOW + usual
    after = listed(slow, [None] * 5, now, page_items=5)
    waits = []
    for _ in range(60):
        waits.append(wait_s(after, now, hints=Hints(fresh_s=1800)))
        now += waits[-1]
        after = listed(after, [None], now, page_items=5)
    assert waits[0] <= usual / 2
    assert after.most_wait_s is None


def test_a_304_is_not_believed_for_ever() -> None:
    """The feed is read whole once a day, and sooner when it is silent for longer than ever."""
    usual = regular(600, ended_s=600)
    assert not wants_full(usual, NOW - FULL_EVERY_S + 1, NOW)
    assert wants_full(usual, NOW - FULL_EVERY_S - 1, NOW)
    late = regular(600, ended_s=1000)
    assert wants_full(late, NOW - FULL_LATE_S - 1, NOW)
    assert not wants_full(late, NOW - FULL_LATE_S + 1, NOW)
    assert wants_full(usual, None, NOW)


def test_a_silence_becomes_an_alarm() -> None:
    """After four times its longest silence, and two days, somebody should look."""
    assert silent_from(History(item_times=(NOW,))) is None
    assert silent_from(regular(600)) == NOW + 2 * DAY
    assert silent_from(regular(DAY)) == NOW + 4 * DAY
