from dataclasses import replace
from itertools import accumulate, pairwise

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
    spread = [at for at in after.item_times if at not in told]
    even = [NOW + (now - NOW) / (len(told) + 4) * n for n in range(99)]
    assert all(min(abs(at - other) for other in even) < 1e-3 for at in spread)


@given(st.lists(st.floats(1, 1e6), min_size=5, max_size=200), st.floats(0, 1e7), scatter)
def test_any_history_gives_a_wait(gaps: list[float], silence: float, scatter: float) -> None:
    """However news came, and however long ago, the next poll lies between floor and ceiling."""
    times = tuple(accumulate(gaps, initial=NOW))
    now = times[-1] + silence
    wait = wait_s(History(item_times=times, listed_at=now), now, scatter=scatter)
    assert FLOOR_S <= wait <= CEILING_S


def edition(days: int, at_s: float) -> History:
    """Return a paper's last days: its edition each day at this time, some minutes more or less."""
    times = [
        NOW // DAY * DAY - day * DAY + at_s + day % 3 * 120 + number
        for day in range(days, 0, -1)
        for number in (0, 30)
    ]
    return History(item_times=tuple(times), listed_at=NOW)


def waits_of(history: History, since: float, until: float) -> list[float]:
    """Return when a feed is polled that has nothing new, from a poll at `since` on."""
    at, polls = since, []
    while at < until:
        at += wait_s(history, at)
        polls.append(at)
    return polls


@pytest.mark.parametrize("hour", [0, 6, 23.5])
def test_an_edition_is_awaited_at_its_hour(hour: float) -> None:
    """About the hour of each day's edition polls lie close, and far apart in the hours before."""
    history = edition(12, hour * 3600)
    due = NOW // DAY * DAY + hour * 3600
    polls = waits_of(history, due - 8 * 3600, due + 900)
    assert len([at for at in polls if at < due - 3600]) < 20
    assert max(b - a for a, b in pairwise(polls) if due - 60 < b < due + 300) < 1000


def test_an_hour_that_moved_is_found_again() -> None:
    """After the clocks change the edition is looked for at its new hour from the first day on."""
    before = edition(12, 6 * 3600)
    due = NOW // DAY * DAY + 7 * 3600
    moved = replace(before, item_times=(*before.item_times, due, due + 30))
    polls = waits_of(moved, due + 8 * 3600, due + DAY + 900)
    assert max(b - a for a, b in pairwise(polls) if due + DAY - 60 < b < due + DAY + 300) < 1000


def test_what_is_found_at_once_without_dates_is_one_bunch() -> None:
    """Undated items found after a long wait lie no further apart than the feed's usually do."""
    before = regular(60)
    after = listed(before, [None] * 5, NOW + 6000, page_items=20)
    assert after.item_times[-5:] == pytest.approx([NOW + 3000 + 60 * n for n in range(-2, 3)])


def test_a_silence_is_known_from_the_first_listing_on() -> None:
    """A feed without dates that gives nothing is polled ever less often from its first day."""
    first = listed(History(), [None] * 10, NOW, page_items=10)
    assert wait_s(first, NOW + 60) < wait_s(first, NOW + DAY) < wait_s(first, NOW + 2 * DAY)


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
