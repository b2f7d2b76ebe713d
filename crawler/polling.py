"""A feed as the store has it and the answer to its poll go in; its next poll comes out."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from crawler import schedule
from crawler.schedule import DISTRUST_S, FLOOR_S, SITEMAP_FLOOR_S, Hints, History, Limits
from services.shared.frontier import DueFeed, FeedPoll


def wants_full(feed: DueFeed) -> bool:
    """Return whether the feed is to be asked for without its validators."""
    if feed.distrusted_until and feed.taken_at < feed.distrusted_until:
        return True
    full_at = feed.full_at.timestamp() if feed.full_at else None
    return schedule.wants_full(_history(feed), full_at, feed.taken_at.timestamp())


def scheduled(  # noqa: PLR0913 - two are by keyword only
    feed: DueFeed,
    poll: FeedPoll,
    new: Sequence[datetime | None],
    now: datetime,
    *,
    page_items: int,
    fresh_s: float | None,
) -> FeedPoll:
    """Return a poll that was answered with its next one, now that it is known what was new.

    `new` are the times that new items state, of `page_items` on the page; `now` is by the store's
    clock; `fresh_s` is for how long the server says that its answer may be kept.
    """
    stated = [at.timestamp() if at else None for at in new]
    history = schedule.listed(_history(feed), stated, now.timestamp(), page_items=page_items)
    unchanged = poll.outcome == "unchanged"
    ttl_s = feed.ttl_s if unchanged else poll.ttl_s
    hints = Hints(
        fresh_s=max((hint for hint in (ttl_s, fresh_s) if hint is not None), default=None),
        every_s=feed.every_s if unchanged else poll.every_s,
    )
    wait_s = schedule.wait_s(
        history, now.timestamp(), hints=hints, limits=_limits(feed), scatter=_scatter()
    )
    silent_from = schedule.silent_from(history)
    return replace(
        poll,
        wait_s=wait_s,
        item_times=[datetime.fromtimestamp(at, UTC) for at in history.item_times],
        most_wait_s=history.most_wait_s,
        silent_from=datetime.fromtimestamp(silent_from, UTC) if silent_from else None,
        distrust_s=DISTRUST_S if is_untrue(feed, poll, news=bool(new)) else None,
    )


def is_untrue(feed: DueFeed, poll: FeedPoll, *, news: bool) -> bool:
    """Return whether the server, asked with the validators it gave, would have hidden news."""
    validators = (feed.etag, feed.last_modified)
    same = any(validators) and validators == (poll.etag, poll.last_modified)
    trusted = not feed.distrusted_until
    return poll.outcome == "listed" and feed.full_at is not None and same and news and trusted


def error_wait_s(feed: DueFeed, *, retry_after_s: float | None) -> float:
    """Return how long a feed waits that gave nothing to read."""
    return schedule.error_wait_s(
        feed.errors_count + 1,
        hints=Hints(retry_after_s=retry_after_s),
        limits=_limits(feed),
        scatter=_scatter(),
    )


def _history(feed: DueFeed) -> History:
    return History(
        item_times=[at.timestamp() for at in feed.item_times],
        listed_at=feed.listed_at.timestamp() if feed.listed_at else None,
        most_wait_s=feed.most_wait_s,
    )


def _limits(feed: DueFeed) -> Limits:
    floor_s = SITEMAP_FLOOR_S if feed.kind == "sitemap" else FLOOR_S
    return Limits(floor_s=floor_s, fixed_s=feed.poll_every_s)


def _scatter() -> float:
    return random.random()  # noqa: S311 - no secret
