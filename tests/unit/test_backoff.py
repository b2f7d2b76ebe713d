"""How long is waited before the next try."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.shared.backoff import Backoff

FIRST_S, MOST_S = 0.5, 15.0


@given(first=st.floats(0.01, 10), times=st.floats(1, 1000), tries=st.integers(1, 40))
def test_each_wait_is_in_its_range(first: float, times: float, tries: int) -> None:
    """The n-th wait is between the half and the whole of first x 2^(n-1), or of the most."""
    most = first * times
    backoff = Backoff(first, most)
    for number in range(tries):
        whole = min(first * 2**number, most)
        assert whole / 2 <= backoff.next() <= whole


def test_begins_anew() -> None:
    """After a reset the first wait comes again, however long the last one was."""
    backoff = Backoff(FIRST_S, MOST_S)
    for _ in range(10):
        backoff.next()
    backoff.reset()

    assert FIRST_S / 2 <= backoff.next() <= FIRST_S
    assert FIRST_S <= backoff.next() <= 2 * FIRST_S


def test_no_two_processes_wait_alike() -> None:
    """Of a hundred that lose a server at once none waits as another, over the whole range."""
    waits = [Backoff(FIRST_S, MOST_S).next() for _ in range(100)]

    assert len(set(waits)) == 100
    # That all fall into one half has a chance of 2^-99.
    assert min(waits) < FIRST_S * 0.75 < max(waits)


@pytest.mark.parametrize("number", range(4))
def test_also_when_they_waited_longest(number: int) -> None:
    """They differ in each wait, not in the first alone."""
    crowd = [Backoff(FIRST_S, 2.0) for _ in range(100)]
    for _ in range(number):
        for backoff in crowd:
            backoff.next()

    assert len({backoff.next() for backoff in crowd}) == 100
