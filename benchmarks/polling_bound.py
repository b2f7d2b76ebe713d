"""About how many items the best scheme could see in time, for a third of the requests.

    PYTHONPATH=. .venv/bin/python -m benchmarks.polling_bound [--feeds 8] [--days 30] [--seed 1]

The scheme knows when each feed of `benchmarks.polling` publishes how much, not what happens by
chance. A poll sees in time what came within the feed's limit before it: it covers so much time.
For each feed the scheme has the choice of two plans, as much of either as it likes:

- to cover the stretches of the day, or hours of the week, that hold most items by the request;
- to poll each so often, and as soon as the limit allows while something new is found: for bursts.

It buys where most is to be had, from all feeds, until a third of the requests of polling each five
minutes is spent. It is a little too good: no limit is put on its waits. And a little too bad: which
stretches are rich is told by half of the items, and having seen an edition it looks on.
"""

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from benchmarks.polling import BEGIN, DAY, FIVE, HOUR, KINDS, Feed, Fixed, draw, simulate

#: Waits of the second plan, in limits of the feed.
WAITS = (1, 1.25, 1.5, 2, 2.5, 3, 4, 6, 8, 12, 24)
SHARE = 1 / 3


@dataclass(frozen=True, slots=True)
class Point:
    """What so many requests buy: items in time."""

    requests: float
    in_time: float


class Following(Fixed):
    """Polls at an interval, and sooner while something new is found."""

    def __init__(self, every: float, limit: float) -> None:
        """Begin."""
        super().__init__(every)
        self._limit = limit

    def polled(self, new: Sequence[float | None], page: int, now: float) -> float:
        """Return the wait."""
        return self._limit if new else super().polled(new, page, now)


def covering(feed: Feed, days: float, stretch: float, period: float) -> Iterator[Point]:
    """Yield what covering ever more of the stretches of a period gives, the richest first.

    Which are the richest in the even periods is told by the odd ones, and the other way round.
    """
    counts = (Counter[int](), Counter[int]())
    for at in feed.times:
        if at >= BEGIN:
            number, place = divmod(at - BEGIN, period)
            counts[int(number) % 2][int(place // stretch)] += 1
    orders = [[place for place, _ in count.most_common()] for count in counts]
    each = days * DAY / period * stretch / feed.limit / 2
    requests = in_time = 0.0
    yield Point(0, 0)
    for places in zip_longest(*orders):
        for place, count in zip(places, reversed(counts), strict=True):
            if place is not None:
                requests += each
                in_time += count[place]
        yield Point(requests, in_time)


def following(feed: Feed, days: float) -> Iterator[Point]:
    """Yield what the second plan gives, by its waits."""
    for wait in WAITS:
        result = simulate(feed, Following(wait * feed.limit, feed.limit), days, 0)
        yield Point(result.requests, result.in_time)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--feeds", type=int, default=8)
    parser.add_argument("--days", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    days = arguments.days
    feeds = draw(arguments.feeds, days, arguments.seed)
    fixed = days * DAY / FIVE
    points = [
        [
            *covering(feed, days, FIVE, DAY),
            *covering(feed, days, HOUR, 7 * DAY),
            *following(feed, days),
        ]
        for feed in feeds
    ]

    def bought(price: float) -> list[Point]:
        return [max(each, key=lambda at: at.in_time - price * at.requests) for each in points]

    low, high = 0.0, 100.0
    for _ in range(50):
        price = (low + high) / 2
        spent = sum(point.requests for point in bought(price))
        low, high = (price, high) if spent > SHARE * fixed * len(feeds) else (low, price)
    chosen = bought(high)
    print(f"a request buys at least {high:.2f} items\n\n{'':13} {'requests':>9} {'in time':>8}")
    for kind in [*(kind.__name__ for kind in KINDS), "all"]:
        of_kind = [
            (feed, point)
            for feed, point in zip(feeds, chosen, strict=True)
            if kind in (feed.kind, "all")
        ]
        items = sum(sum(at >= BEGIN for at in feed.times) for feed, _ in of_kind)
        requests = sum(point.requests for _, point in of_kind) / fixed / len(of_kind)
        in_time = sum(point.in_time for _, point in of_kind) / items
        print(f"{kind:13} {requests:9.3f} {in_time:8.3f}")


if __name__ == "__main__":
    main()
