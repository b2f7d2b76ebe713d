"""What a feed has yielded goes in; when it is polled next comes out. No clock is read here.

Times are seconds since 1970, waits are seconds. The rule: the next poll is where it costs least, by
the second of waiting, in requests (PRICE) and in news that would by then have waited longer than
the feed's own pace allows; and the chance of such news is small (RISK). How long a silence lasts is
read from the silences the feed had so far, and from what it did at this time of day.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

#: An adaptive feed is polled no sooner than this, and a sitemap, which is larger, than that.
FLOOR_S = 300.0
SITEMAP_FLOOR_S = 900.0
#: An adaptive feed that answers is polled at least so often, whatever it yields.
CEILING_S = 2 * 3600.0
#: A feed that fails is polled at least so often.
ERROR_CEILING_S = 6 * 3600.0
#: Until a feed has shown its pace.
FIRST_S = 900.0
#: What a feed yields is to be seen within so many of its own median intervals.
PACE = 1.5
#: Which quantile of the kept intervals stands for the median: so few tell it but roughly.
MEDIAN = 0.42
#: The chance we take at most, at each poll, that something new has waited for longer.
RISK = 0.075
#: What a request costs, in items that are seen too late.
PRICE = 0.1
DAY_S = 86_400.0
#: What was at the same time of day is looked up on so many days, and counts so many times as much
#: as a silence. A silence counts half as much where it lay this far from the time of day.
SAME_DAYS = 7
SAME_WEIGHT = 2.0
CLOCK_S = 3600.0
#: Times of new items that are kept of each feed.
KEPT_TIMES = 128
#: Of items that appear within so short a time the first and the last are kept.
BUNCH_S = 60.0
#: With fewer intervals the pace is not known.
LEAST_INTERVALS = 4
#: The dates of a first listing count when they are no older.
FIRST_LISTING_S = 30 * 86_400.0
#: How fast the wait grows again, with each poll, after an overflow has halved it.
GROWTH = 1.1
#: A wish not to be asked sooner is kept up to here: many publishers state an hour or a day by
#: default, on feeds that change every few minutes.
LONGEST_HINT_S = 1800.0
#: A 304 is believed for so long; then the feed is fetched whole, to see whether it was true.
FULL_EVERY_S = 24 * 3600.0
#: And so soon where the feed is silent for longer than ever.
FULL_LATE_S = 2 * 3600.0
#: A server whose 304 was not true is asked without validators for so long.
DISTRUST_S = 30 * 86_400.0
#: A feed is odd when it is silent for so many times its longest silence, and for so long.
SILENT_TIMES = 4.0
SILENT_LEAST_S = 2 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What a feed has yielded."""

    #: When new items appeared, ascending.
    item_times: Sequence[float] = ()
    #: The newest poll that gave a listing; None before the first.
    listed_at: float | None = None
    #: The longest wait since an overflow; None without one.
    most_wait_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """What feed and server say; None where they say nothing.

    `fresh_s`: for so long the answer may be kept (TTL, Cache-Control, Expires). `every_s`: how
    often the feed says that it changes (sy:updatePeriod). `retry_after_s`: when a server that
    failed wants to be asked again.
    """

    fresh_s: float | None = None
    every_s: float | None = None
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Between what the waits lie; `fixed_s` is an operator's interval, and holds instead."""

    floor_s: float = FLOOR_S
    ceiling_s: float = CEILING_S
    fixed_s: float | None = None


NO_HINTS = Hints()
NO_LIMITS = Limits()


def wait_s(
    history: History,
    now: float,
    *,
    hints: Hints = NO_HINTS,
    limits: Limits = NO_LIMITS,
    scatter: float = 0.5,
) -> float:
    """Return how long to wait after a poll that was answered.

    `scatter`, from 0 to 1, is drawn by the caller, so that what began together does not return
    together: it takes away up to a fifteenth, and of a fixed interval a tenth either way.
    """
    if limits.fixed_s is not None:
        return limits.fixed_s * (0.9 + 0.2 * scatter)
    wait = _allowed_s(history, now, hints, limits) * (1 - scatter / 15)
    if history.most_wait_s is not None:
        wait = min(wait, history.most_wait_s)
    elif hints.fresh_s is not None:
        wait = max(wait, min(hints.fresh_s, LONGEST_HINT_S))
    return min(max(wait, limits.floor_s), limits.ceiling_s)


def error_wait_s(
    errors_count: int,
    *,
    hints: Hints = NO_HINTS,
    limits: Limits = NO_LIMITS,
    scatter: float = 0.5,
) -> float:
    """Return how long to wait after the n-th failure in a row: twice as long each time."""
    usual = limits.floor_s if limits.fixed_s is None else limits.fixed_s
    wait = min(usual * 2.0 ** min(errors_count, 32), ERROR_CEILING_S)
    asked = min(hints.retry_after_s or 0.0, ERROR_CEILING_S)
    return max(wait, usual, asked) * (1 + scatter / 10)


def _allowed_s(history: History, now: float, hints: Hints, limits: Limits) -> float:
    intervals = sorted(_intervals(history))
    silence = max(now - history.item_times[-1], 0.0) if history.item_times else 0.0
    if len(intervals) < LEAST_INTERVALS:
        return max(hints.every_s or FIRST_S, silence * RISK)
    pace = max(PACE * intervals[int(len(intervals) * MEDIAN)], limits.floor_s)
    return pace + _calm_s(_expected(history.item_times, silence, now, pace), pace)


def _intervals(history: History) -> list[float]:
    return [later - earlier for earlier, later in pairwise(history.item_times)]


def _calm_s(expected: Sequence[tuple[float, float]], pace: float) -> float:
    """Return for how long to let things come that the next poll will see too late.

    That poll takes place a pace later. It is put where what is lost, with the price of the poll,
    is least by the second of waiting, while no more than RISK is lost.
    """
    best, least, before, lost_before = 0.0, PRICE / pace, 0.0, 0.0
    for until, lost in expected:
        part = min((RISK - lost_before) / (lost - lost_before), 1.0)
        at = before + part * (until - before)
        cost = (lost_before + part * (lost - lost_before) + PRICE) / (at + pace)
        if cost < least:
            best, least = at, cost
        if part < 1:
            break
        before, lost_before = until, lost
    return best


def _expected(
    times: Sequence[float], silence: float, now: float, pace: float
) -> list[tuple[float, float]]:
    """Return pairs, ascending: after how many seconds from now with what chance news has come.

    It is read from what followed earlier moments like this one, of two sorts: when a silence had
    lasted for as long, which counts more at this time of the day; and the same time on each of
    the last days, which counts the more the more alike the silences were. The clock is UTC's: a
    publisher's hour may move, and the other sort then still holds. What was never seen is
    believed to take as long again as the silence has lasted.
    """
    followed = []
    for earlier, later in pairwise(times):
        if later - earlier > silence:
            apart = abs((earlier + silence - now + DAY_S / 2) % DAY_S - DAY_S / 2)
            weight = (1 + 1 / (1 + (apart / CLOCK_S) ** 2)) / 2
            followed.append((later - earlier - silence, weight))
    for days in range(1, SAME_DAYS + 1):
        then = now - days * DAY_S
        place = bisect_right(times, then)
        if not 0 < place < len(times):
            continue
        quiet = then - times[place - 1]
        alike = (min(quiet, silence) + pace) / (max(quiet, silence) + pace)
        followed.append((times[place] - then, SAME_WEIGHT * alike))
    followed.sort()
    whole = sum(weight for _, weight in followed) + 1
    chances = accumulate(weight / whole for _, weight in followed)
    # The next one of a few says little: each second is taken, and the last where there is one.
    pairs = [(after, chance) for (after, _), chance in zip(followed, chances, strict=True)]
    pairs = pairs[1::2] or pairs
    last, chance = pairs[-1] if pairs else (0.0, 0.0)
    return [*pairs, (last + silence + pace, chance + 1 / whole)]


def listed(
    history: History, stated: Sequence[float | None], now: float, *, page_items: int
) -> History:
    """Return the history after a listing of `page_items` with these new ones, by their dates."""
    most_wait_s = history.most_wait_s
    if has_overflowed(history, new_items=len(stated), page_items=page_items):
        most_wait_s = (now - (history.listed_at or now)) / 2
    elif most_wait_s is not None:
        most_wait_s = most_wait_s * GROWTH if most_wait_s < CEILING_S else None
    times = sorted((*history.item_times, *_appeared(history, stated, now)))
    return replace(
        history,
        item_times=tuple(_thinned(times)[-KEPT_TIMES:]),
        listed_at=now,
        most_wait_s=most_wait_s,
    )


def _appeared(history: History, stated: Sequence[float | None], now: float) -> list[float]:
    """Return when new items appeared: as they state, where that can be true.

    Items without such a date lie about the middle of the time since the listing before, evenly,
    and no further from each other than items of this feed usually do. On the first listing those
    with a date count, so that a feed's pace is known from the start; without any, this is the
    moment from which on its silence is known.
    """
    since, intervals = history.listed_at, sorted(_intervals(history))
    if since is None:
        dated = [at for at in stated if at is not None and 0 <= now - at < FIRST_LISTING_S]
        return dated or [now]
    step, middle = (now - since) / (len(stated) + 1), (since + now) / 2
    if len(intervals) >= LEAST_INTERVALS:
        step = min(step, intervals[len(intervals) // 2])
    return [
        at
        if at is not None and since <= at <= now
        else middle + step * (number - (len(stated) - 1) / 2)
        for number, at in enumerate(stated)
    ]


def _thinned(times: Sequence[float]) -> list[float]:
    kept: list[float] = []
    for at in times:
        if len(kept) > 1 and at - kept[-2] < BUNCH_S:
            kept[-1] = at
        else:
            kept.append(at)
    return kept


def has_overflowed(history: History, *, new_items: int, page_items: int) -> bool:
    """Return whether items may have come and gone unseen: nothing on the page was known."""
    return history.listed_at is not None and 0 < page_items <= new_items


def silent_from(history: History) -> float | None:
    """Return from when on the feed is silent for so long that somebody should look, if ever."""
    intervals = _intervals(history)
    if len(intervals) < LEAST_INTERVALS:
        return None
    return history.item_times[-1] + max(SILENT_LEAST_S, SILENT_TIMES * max(intervals))


def wants_full(history: History, full_at: float | None, now: float) -> bool:
    """Return whether to ask without validators, as a server may say 304 though there is news.

    `full_at` is when the feed was last read whole.
    """
    if full_at is None:
        return True
    intervals = _intervals(history)
    late = len(intervals) >= LEAST_INTERVALS and now - history.item_times[-1] > 1.5 * max(intervals)
    return now - full_at > (FULL_LATE_S if late else FULL_EVERY_S)
