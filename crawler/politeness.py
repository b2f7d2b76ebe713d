"""When to ask again: what was answered goes in, the wait comes out; no clock is read here."""

import random
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from scrapy.http import Response

#: A link that did not answer is asked again after a minute, 4, 16, 64: then it is given up.
LINK_TRIES = 5
LINK_FIRST_RETRY_S = 60.0
#: A host that asks us to stay away is left alone this long at first, and twice as long each time.
HOST_BLOCK_S = 60.0
HOST_LONGEST_BLOCK_S = 24 * 3600.0
#: And never for less, whatever it says.
HOST_SHORTEST_BLOCK_S = 10.0
#: A host without robots.txt is looked at at least so often.
ROBOTS_LONGEST_WAIT_S = 3600.0
#: While a redirect's host is another crawler's, the link waits for it so often, and then so long.
VISIT_TRIES = 20
VISIT_EVERY_S = 0.5
VISIT_AGAIN_S = 30.0
#: 408 timeout, 425 too early, 429 too many requests, and all of 5xx pass.
PASSING_STATUSES = {408, 425, 429, *range(500, 600)}
#: Statuses with which a server asks for fewer requests.
BLOCKING_STATUSES = {429, 503}


def link_wait_s(attempts_count: int) -> float | None:
    """Return how long a link waits after its n-th failure, or None to give it up."""
    if attempts_count >= LINK_TRIES:
        return None
    return scattered(LINK_FIRST_RETRY_S * 4 ** (attempts_count - 1))


def scattered(seconds: float) -> float:
    """Return a time near this, so that what began together does not return together."""
    return seconds * random.uniform(0.9, 1.1)  # noqa: S311 - no secret


def retry_after_s(response: Response, now: datetime) -> float | None:
    """Return the seconds a Retry-After header asks for, as number or date; None if it does not.

    A date is counted from the server's own; from `now`, our time, where it tells none.
    """
    header = (response.headers.get(b"Retry-After") or b"").strip()
    if header.isdigit():
        return min(float(header), HOST_LONGEST_BLOCK_S)
    until = _http_time(header)
    if until is None:
        return None
    sent = _http_time(response.headers.get(b"Date"))
    wait_s = (until - (sent or now)).total_seconds() - (_spent_s(response) if sent else 0.0)
    return min(max(wait_s, 0.0), HOST_LONGEST_BLOCK_S)


def fresh_s(response: Response) -> float | None:
    """Return for how long an answer says that it may be kept; None if it does not say."""
    control = (response.headers.get(b"Cache-Control") or b"").decode("latin-1").lower()
    if "no-cache" in control or "no-store" in control:
        return None
    stated = re.search(r"\bmax-age\s*=\s*\"?(\d{1,9})", control)
    if stated:
        return max(float(stated[1]) - _spent_s(response), 0.0)
    expires = _http_time(response.headers.get(b"Expires"))
    sent = _http_time(response.headers.get(b"Date"))
    if expires is None or sent is None:
        return None
    return max((expires - sent).total_seconds() - _spent_s(response), 0.0)


def _spent_s(response: Response) -> float:
    """Return for how long an answer has lain in a cache on its way."""
    age = (response.headers.get(b"Age") or b"").decode("latin-1").strip()
    return float(age) if re.fullmatch(r"\d{1,9}", age) else 0.0


def _http_time(header: bytes | None) -> datetime | None:
    try:
        found = parsedate_to_datetime((header or b"").decode("latin-1"))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
