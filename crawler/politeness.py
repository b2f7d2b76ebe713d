"""When to ask again: times go in, the next time comes out; nothing is read or written here."""

import random
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

#: A link that did not answer is asked again after a minute, 4, 16, 64: then it is given up.
LINK_TRIES = 5
LINK_FIRST_RETRY_S = 60.0
#: A feed is never given up: it is asked less and less often, but once a day.
FEED_LEAST_OFTEN_S = 24 * 3600.0
#: A host that asks us to stay away is left alone this long at first, and twice as long each time.
HOST_BLOCK_S = 60.0
HOST_LONGEST_BLOCK_S = 24 * 3600.0
#: 408 timeout, 425 too early, 429 too many requests, and all of 5xx pass.
PASSING_STATUSES = {408, 425, 429, *range(500, 600)}
#: Statuses with which a server asks for fewer requests.
BLOCKING_STATUSES = {429, 503}


def link_again_at(attempts_count: int, now: datetime) -> datetime | None:
    """Return when a link is asked again after its n-th failure, or None to give it up."""
    if attempts_count >= LINK_TRIES:
        return None
    return now + timedelta(seconds=_scattered(LINK_FIRST_RETRY_S * 4 ** (attempts_count - 1)))


def feed_again_at(poll_every_s: float, errors_count: int, now: datetime) -> datetime:
    """Return when a feed is polled again after so many failures in a row (0: it answered)."""
    backed_off = poll_every_s * 2.0 ** min(errors_count, 32)
    wait = max(poll_every_s, min(backed_off, FEED_LEAST_OFTEN_S))
    return now + timedelta(seconds=_scattered(wait))


def _scattered(seconds: float) -> float:
    # So that what began together does not return together.
    return seconds * random.uniform(0.9, 1.1)  # noqa: S311 - no secret


def retry_after_s(header: str, now: datetime) -> float | None:
    """Return the seconds a Retry-After header asks for, as number or date; None if it does not."""
    header = header.strip()
    if header.isascii() and header.isdigit():
        return min(float(header), HOST_LONGEST_BLOCK_S)
    try:
        until = parsedate_to_datetime(header)
        until = until if until.tzinfo else until.replace(tzinfo=UTC)
        wait = (until - now).total_seconds()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return min(max(wait, 0.0), HOST_LONGEST_BLOCK_S)
