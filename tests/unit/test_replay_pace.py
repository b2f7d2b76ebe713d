"""How much of the workers' time a replay takes, by a clock that the test sets."""

from dataclasses import dataclass, field

import pytest

from services import replay
from services.queue import CHUNK
from services.replay import NEWS_S, NO_WORKER, Pace
from services.shared.contracts import Lane

FIRST = "what is new comes first"


@dataclass
class Waiting:
    """How many pages wait, as the queue tells it."""

    pages: dict[Lane, int] = field(default_factory=lambda: {"live": 0, "bulk": 0, "replay": 0})

    def waiting(self) -> dict[Lane, int]:
        """Return them by lane."""
        return self.pages


@dataclass
class Clock:
    """A monotonic clock that stands until it is set."""

    now: float = 1000.0

    def monotonic(self) -> float:
        """Return the seconds."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that a replay looks at."""
    clock = Clock()
    monkeypatch.setattr(replay, "time", clock)
    return clock


def may(pace: Pace, **pages: int) -> str | None:
    """Return what the pace says of a queue that holds so many pages."""
    waiting = {"live": 0, "bulk": 0, "replay": 0} | pages
    return pace.may_go_on(Waiting(waiting))  # type: ignore[arg-type]


def worked(pace: Pace, clock: Clock, seconds: float) -> None:
    """Hand pages on, which keep the workers busy so long."""
    assert may(pace, live=1) is None
    pace.handed_on()
    clock.now += seconds


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5])
def test_it_takes_its_share_of_the_time(clock: Clock, share: float) -> None:
    """While new pages come in it rests so long that what it worked is its share of the time."""
    pace = Pace(share=share)
    busy = idle = 0.0
    for seconds in (2.0, 0.5, 7.0):
        worked(pace, clock, seconds)
        busy += seconds
        while may(pace, live=1) == FIRST:
            clock.now += 0.01
            idle += 0.01

    assert busy / (busy + idle) == pytest.approx(share, rel=0.01)


def test_by_default_a_tenth() -> None:
    """Who asks for nothing else lets new pages have nine parts of ten, and one process."""
    assert (Pace().share, Pace().processes) == (0.1, 1)


def test_the_whole_share_never_rests(clock: Clock) -> None:
    """With a share of 1 it goes on as soon as the workers are done."""
    pace = Pace(share=1.0)
    worked(pace, clock, 5)

    assert may(pace, live=1) is None


def test_without_new_pages_it_does_not_rest(clock: Clock) -> None:
    """Where nothing new waits nobody is kept waiting, and so it goes on at once."""
    pace = Pace(share=0.1)
    assert may(pace) is None
    pace.handed_on()
    clock.now += 60

    assert may(pace) is None


def test_new_pages_may_come_in_drops(clock: Clock) -> None:
    """A queue that is empty for a moment is no sign that nothing more comes; after a time it is."""
    pace = Pace(share=0.1)
    worked(pace, clock, 10)
    assert may(pace, live=1) == FIRST
    clock.now += NEWS_S - 0.01
    assert may(pace) == FIRST
    clock.now += 0.02
    assert may(pace) is None


def test_it_waits_for_what_it_handed_on() -> None:
    """Nothing more is handed on than keeps its processes busy."""
    assert may(Pace(), replay=1) == NO_WORKER
    two = Pace(processes=2)
    assert may(two, replay=CHUNK) is None
    assert may(two, replay=CHUNK + 1) == NO_WORKER


def test_it_stands_back_for_a_heap_of_new_pages() -> None:
    """With more new pages waiting than its processes take at once, none goes before them."""
    assert may(Pace(), live=CHUNK) is None
    assert may(Pace(), live=CHUNK + 1) == FIRST
    two = Pace(processes=2)
    assert may(two, live=2 * CHUNK) is None
    assert may(two, live=2 * CHUNK + 1) == FIRST
    assert may(Pace(share=1.0), live=CHUNK + 1) == FIRST


def test_bulk_is_not_new() -> None:
    """What an import brings does not keep a replay from going on."""
    assert may(Pace(), bulk=10_000) is None
