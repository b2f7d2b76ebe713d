"""What a feed has yielded goes in; when it is polled next comes out. No clock is read here.

Times are seconds since 1970, waits are seconds. The rule: the next poll is as late as it can be,
with a small chance only (RISK) that something new would by then have waited longer than the feed's
own pace allows. How long a silence lasts is read from the silences the feed had so far.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

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
MEDIAN = 0.4
#: The chance we take, at each poll, that something new has waited for longer.
RISK = 0.055
#: Times of new items that are kept of each feed.
KEPT_TIMES = 64
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
    return pace + _calm_s(intervals, silence)


def _intervals(history: History) -> list[float]:
    return [later - earlier for earlier, later in pairwise(history.item_times)]


def _calm_s(intervals: Sequence[float], silence: float) -> float:
    """Return for how long nothing new will come, but for RISK, after a silence of this length.

    Of the intervals that were longer it is the quantile, as if there were one more. Where none
    was, a silence is believed to last as long again as it has lasted.
    """
    longer = intervals[bisect_right(intervals, silence) :]
    if not longer:
        return silence * RISK
    place = RISK * (len(longer) + 1)
    below = int(place)
    before = longer[below - 1] if below else silence
    return before + (longer[below] - before) * (place - below) - silence


def listed(
    history: History, stated: Sequence[float | None], now: float, *, page_items: int
) -> History:
    """Return the history after a listing of `page_items` with these new ones, by their dates."""
    most_wait_s = history.most_wait_s
    if has_overflowed(history, new_items=len(stated), page_items=page_items):
        most_wait_s = (now - (history.listed_at or now)) / 2
    elif most_wait_s is not None:
        most_wait_s = most_wait_s * GROWTH if most_wait_s < CEILING_S else None
    times = sorted((*history.item_times, *_appeared(history.listed_at, stated, now)))
    return replace(
        history,
        item_times=tuple(_thinned(times)[-KEPT_TIMES:]),
        listed_at=now,
        most_wait_s=most_wait_s,
    )


def _appeared(since: float | None, stated: Sequence[float | None], now: float) -> list[float]:
    """Return when new items appeared: as they state, where that can be true.

    Items without such a date are spread over the time since the listing before. On the first
    listing those with a date count, so that a feed's pace is known from the start.
    """
    if since is None:
        return [at for at in stated if at is not None and 0 <= now - at < FIRST_LISTING_S]
    step = (now - since) / (len(stated) + 1)
    return [
        at if at is not None and since <= at <= now else since + step * number
        for number, at in enumerate(stated, 1)
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
