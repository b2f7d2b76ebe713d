"""How soon new items of feeds are seen, and for how many requests: 30 days of feeds of eight kinds.

    PYTHONPATH=. .venv/bin/python -m benchmarks.polling [--feeds 8] [--days 30] [--seed 1]

Feeds are drawn from a seed, kinds in equal numbers; what each publishes is fixed beforehand.
Half the feeds of a kind date their items. An item is on the page until as many newer ones as the
page holds have come; one that no poll finds there is lost (the sitemap, which fills the hole, is
not simulated). `in time`: seen within 1.5 times its feed's own median interval, or within five
minutes; `leniently`: the median interval taken as five minutes at least. Lost items are not in
time.
Every scheme begins knowing nothing, and its first days count.

Schemes, beside ours and fixed intervals: `weekly`, one week by the items of the last week, from 5
minutes to a day (Miniflux's entry_frequency with its defaults); `poisson`, the estimator of the
rate of change of Cho and Garcia-Molina (2003) on the last 64 polls, polling at that rate.
"""

import argparse
import math
import random
import statistics
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from crawler import schedule

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
#: A Sunday, at midnight in UTC.
BEGIN = 20_440 * DAY
FIVE = 5 * MINUTE
#: Published before the first poll.
BEFORE = 14 * DAY
#: Hours of the day in UTC at which newsrooms wake and offices open and close.
DAWN, OPEN, CLOSE, EVENING = 5, 6, 14, 21
WORKING_DAYS = 5


@dataclass(frozen=True, slots=True)
class Feed:
    """Items by time, seconds since 1970, and how many the page holds."""

    kind: str
    times: Sequence[float]
    page: int
    dated: bool
    median: float

    @property
    def limit(self) -> float:
        """How late an item may be seen: 1.5 median intervals, and no less than the floor."""
        return max(1.5 * self.median, FIVE)


def poisson(
    rng: random.Random, days: float, rate: Callable[[float], float], most: float
) -> list[float]:
    """Return the times of a Poisson process of `rate(time)` items an hour, never above `most`."""
    times: list[float] = []
    at = BEGIN - BEFORE
    while True:
        at += rng.expovariate(most) * HOUR
        if at >= BEGIN + days * DAY:
            return times
        if rng.random() < rate(at) / most:
            times.append(at)


def hour(at: float) -> float:
    """Return the hour of the day."""
    return at % DAY / HOUR


def busy(rng: random.Random, days: float) -> tuple[list[float], int]:
    """An agency: an item each two to four minutes by day, a third as many at night."""
    top = rng.uniform(15, 30)
    return poisson(rng, days, lambda at: top if hour(at) >= DAWN else top / 3, top), 50


def daily(rng: random.Random, days: float) -> tuple[list[float], int]:
    """A newspaper's site: a few items an hour by day, hardly any at night."""
    top, start = rng.uniform(2, 6), rng.uniform(3, 7)
    return poisson(
        rng, days, lambda at: top if start <= hour(at) < start + 15 else top / 40, top
    ), 20


def weekly(rng: random.Random, days: float) -> tuple[list[float], int]:
    """A ministry: working hours from Sunday to Thursday."""
    top = rng.uniform(0.5, 2)

    def rate(at: float) -> float:
        working = (at - BEGIN) // DAY % 7 < WORKING_DAYS and OPEN <= hour(at) < CLOSE
        return top if working else top / 50

    return poisson(rng, days, rate, top), 20


def bursty(rng: random.Random, days: float) -> tuple[list[float], int]:
    """A newsroom that uploads what has gathered: 3 to 15 items in up to half an hour, any time."""
    starts = poisson(rng, days, lambda _: 5 / 24, 5 / 24)
    spread = rng.uniform(5, 30) * MINUTE
    return sorted(t + rng.uniform(0, spread) for t in starts for _ in range(rng.randint(3, 15))), 25


def editions(rng: random.Random, days: float) -> tuple[list[float], int]:
    """A printed paper: its edition at a set hour, a quarter of an hour more or less, at once."""
    hours = sorted(rng.sample(range(24), rng.randint(1, 3)))
    times = []
    for day in range(-int(BEFORE // DAY), int(days)):
        for at in hours:
            moment = BEGIN + day * DAY + at * HOUR + rng.gauss(0, 5 * MINUTE)
            times += [moment + number for number in range(rng.randint(5, 20))]
    return sorted(times), 30


def slow(rng: random.Random, days: float) -> tuple[list[float], int]:
    """A column: one to four items a day, in waking hours."""
    top = rng.uniform(1, 4) / 16
    return poisson(rng, days, lambda at: top if DAWN <= hour(at) < EVENING else 0, top), 10


def nearly_dead(rng: random.Random, days: float) -> tuple[list[float], int]:
    """An item each week or two."""
    top = 1 / 24 / rng.uniform(5, 15)
    return poisson(rng, days, lambda _: top, top), 10


def short_page(rng: random.Random, days: float) -> tuple[list[float], int]:
    """A page of ten items, ten an hour by day, and an hour of fifty when something happens."""
    top, spikes = rng.uniform(6, 12), poisson(rng, days, lambda _: 1 / 48, 1 / 48)

    def rate(at: float) -> float:
        nearest = spikes[bisect_right(spikes, at) - 1] if spikes and spikes[0] <= at else -DAY
        return 50 if at - nearest < HOUR else top if hour(at) >= DAWN else top / 6

    return poisson(rng, days, rate, 50), 10


KINDS = (busy, short_page, daily, weekly, bursty, editions, slow, nearly_dead)


def draw(count: int, days: float, seed: int) -> list[Feed]:
    """Return so many feeds of each kind."""
    feeds = []
    for kind in KINDS:
        for number in range(count):
            times, page = kind(random.Random(f"{seed} {kind.__name__} {number}"), days)
            gaps = [b - a for a, b in pairwise(times)]
            median = statistics.median(gaps) if gaps else DAY
            feeds.append(Feed(kind.__name__, times, page, number % 2 == 0, median))
    return feeds


class Fixed:
    """Polls at an interval."""

    def __init__(self, every: float) -> None:
        """Begin."""
        self._every = every

    def polled(self, new: Sequence[float | None], page: int, now: float) -> float:
        """Return the wait after a poll that gave these new items, dated or not."""
        del new, page, now
        return self._every


class Weekly:
    """One week by the number of last week's items."""

    def __init__(self) -> None:
        """Begin with nothing known."""
        self._seen: list[float] = []

    def polled(self, new: Sequence[float | None], page: int, now: float) -> float:
        """Return the wait; an item without a date counts as of now."""
        del page
        self._seen += [now if at is None else at for at in new]
        self._seen = [at for at in self._seen if at > now - 7 * DAY]
        every = 7 * DAY / len(self._seen) if self._seen else DAY
        return min(max(every, FIVE), DAY)


class Poisson:
    """The rate of change from how many of the last polls found one."""

    def __init__(self) -> None:
        """Begin with nothing known."""
        self._polls: list[tuple[float, bool]] = []
        self._before: float | None = None
        self._wait = 15 * MINUTE

    def polled(self, new: Sequence[float | None], page: int, now: float) -> float:
        """Return the wait: one by the estimated rate."""
        del page
        if self._before is not None:
            self._polls = [*self._polls, (now - self._before, bool(new))][-64:]
            count = len(self._polls)
            same = sum(not changed for _, changed in self._polls)
            every = sum(wait for wait, _ in self._polls) / count
            rate = -math.log((same + 0.5) / (count + 0.5)) / every if same < count else 2 / every
            self._wait = 1 / rate if rate > 0 else DAY
        self._before = now
        self._wait = min(max(self._wait, FIVE), DAY)
        return self._wait


class Ours:
    """What the crawler does."""

    def __init__(self, seed: str) -> None:
        """Begin with nothing known."""
        self._history = schedule.History()
        self._rng = random.Random(seed)

    def polled(self, new: Sequence[float | None], page: int, now: float) -> float:
        """Return the wait."""
        self._history = schedule.listed(self._history, new, now, page_items=page)
        return schedule.wait_s(self._history, now, scatter=self._rng.random())


Scheme = Fixed | Weekly | Poisson | Ours
SCHEMES: dict[str, Callable[[str], Scheme]] = {
    "fixed 5 min": lambda _: Fixed(FIVE),
    "fixed 15 min": lambda _: Fixed(3 * FIVE),
    "weekly": lambda _: Weekly(),
    "poisson": lambda _: Poisson(),
    "adaptive": Ours,
}


@dataclass(slots=True)
class Result:
    """What polling feeds of one kind gave; delays in seconds."""

    requests: int = 0
    in_time: int = 0
    leniently: int = 0
    lost: int = 0
    delays: list[float] = field(default_factory=list)

    def add(self, other: "Result") -> None:
        """Add another's."""
        self.requests += other.requests
        self.in_time += other.in_time
        self.leniently += other.leniently
        self.lost += other.lost
        self.delays += other.delays


def simulate(feed: Feed, scheme: Scheme, days: float, offset: float) -> Result:
    """Poll a feed from its first moment to its last."""
    result, times = Result(), feed.times
    seen, now = 0, BEGIN + offset
    while now < BEGIN + days * DAY:
        there = bisect_right(times, now)
        first = max(there - feed.page, 0)
        new = range(max(seen, first), there)
        if result.requests:  # what was there before the first poll is nobody's delay
            result.lost += max(first - seen, 0)
            for number in new:
                delay = now - times[number]
                result.delays.append(delay)
                result.in_time += delay <= feed.limit
                result.leniently += delay <= 1.5 * max(feed.median, FIVE)
        result.requests += 1
        seen = there
        dates = [times[number] if feed.dated else None for number in new]
        now += scheme.polled(dates, there - first, now)
    return result


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--feeds", type=int, default=8)
    parser.add_argument("--days", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    feeds = draw(arguments.feeds, arguments.days, arguments.seed)
    kinds = [kind.__name__ for kind in KINDS]
    fixed: dict[str, int] = {}
    print(
        f"{len(feeds)} feeds, {arguments.days:g} days; "
        "requests as a share of fixed 5-minute polling"
    )
    for name, make in SCHEMES.items():
        print(
            f"\n{name:13} {'requests':>9} {'in time':>8} {'leniently':>9} {'median':>8}"
            f" {'95 %':>8} {'lost':>6}"
        )
        total = Result()
        for kind in [*kinds, "all"]:
            result = total
            if kind != "all":
                result = Result()
                for number, feed in enumerate(feeds):
                    if feed.kind == kind:
                        offset = random.Random(number).uniform(0, FIVE)
                        scheme = make(f"{arguments.seed} {number}")
                        result.add(simulate(feed, scheme, arguments.days, offset))
                total.add(result)
            base = fixed.setdefault(kind, result.requests)
            delays = sorted(result.delays)
            count = len(delays) + result.lost
            print(
                f"{kind:13} {result.requests / base:9.3f} {result.in_time / count:8.3f}"
                f" {result.leniently / count:9.3f} {statistics.median(delays) / 60:6.1f} m"
                f" {delays[int(len(delays) * 0.95)] / 60:6.1f} m {result.lost:6}"
            )


if __name__ == "__main__":
    main()
