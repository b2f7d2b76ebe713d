"""A page that was fetched, or is there no more, goes in; the wait for the next time comes out."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlsplit

from crawler.outcomes import Failure
from services.shared import urls
from services.shared.frontier import DueLink, LinkOutcome

#: A page that seems to be gone is asked for once more after this, unless the server says for good.
GONE_AGAIN_S = 3600.0
GONE = {"http_404", "http_410", "redirected_home"}
GONE_FOR_GOOD = {"http_410"}
#: What will not be otherwise the next time.
FINAL = {"robots_denied", "address_not_public", "too_large"}


def fetched(link: DueLink, outcome: LinkOutcome, hours: Sequence[float]) -> LinkOutcome:
    """Return the outcome of a page that was fetched, with the wait until it is fetched again.

    `hours` are the ages, counted from the first fetch, at which that is done. What its feed dates
    before the last of them is no young article.
    """
    wait_s = _next_s(link.refetches_count, hours) if link.is_refetch else None
    if not link.is_refetch and _is_young(link, hours):
        wait_s = _wait_s(hours[0])
    return _with(outcome, link, "fetched", wait_s)


def unchanged(link: DueLink, hours: Sequence[float]) -> LinkOutcome:
    """Return the outcome of a page whose server says that it did not change."""
    outcome = LinkOutcome(link_id=link.id, state="fetched")
    return _with(outcome, link, "unchanged", _next_s(link.refetches_count, hours))


def failed(link: DueLink, failure: Failure, hours: Sequence[float]) -> LinkOutcome:
    """Return the outcome of a page that was there before and could not be fetched again."""
    reason = failure.reason
    confirmed = reason in GONE_FOR_GOOD or link.refetch_outcome in GONE
    if reason in GONE and confirmed:
        outcome = LinkOutcome(link_id=link.id, state="failed", reason=reason, status=failure.status)
        return _with(outcome, link, reason, None)
    wait_s = _next_s(link.refetches_count, hours)
    if reason in GONE:
        wait_s = GONE_AGAIN_S
    elif reason in FINAL:
        wait_s = None
    return _with(LinkOutcome(link_id=link.id, state="fetched"), link, reason, wait_s)


def is_home(final_url: str, asked_url: str, home_page: str) -> bool:
    """Return whether a redirect led from a page to a site's front, as it does where one is gone."""
    if final_url == asked_url or _depth(asked_url) == 0:
        return False
    return _depth(final_url) == 0 or urls.key(final_url) == urls.key(home_page or asked_url)


def _depth(url: str) -> int:
    parts = urlsplit(url)
    steps = [step for step in parts.path.split("/") if step]
    if steps and (steps[-1].startswith(("index.", "default.")) or _is_language(steps[-1])):
        steps.pop()
    return len(steps) + bool(parts.query)


def _is_language(step: str) -> bool:
    return step in ("ar", "en", "fr", "fa", "ur", "ku", "tr", "he")


def _is_young(link: DueLink, hours: Sequence[float]) -> bool:
    if not hours:
        return False
    stated = link.published_at
    return stated is None or link.taken_at - stated < timedelta(hours=hours[-1])


def _next_s(done: int, hours: Sequence[float]) -> float | None:
    """Return the wait for the next fetch after the one that just ended, the n-th from 0 on."""
    if done + 1 >= len(hours):
        return None
    return _wait_s(hours[done + 1] - hours[done])


def _wait_s(hours: float) -> float:
    # So that what was published together is not asked for together.
    return hours * 3600 * (1 + random.random() / 10)  # noqa: S311 - no secret


def _with(outcome: LinkOutcome, link: DueLink, what: str, wait_s: float | None) -> LinkOutcome:
    return replace(
        outcome,
        is_refetch=link.is_refetch,
        refetch_outcome=what if link.is_refetch else None,
        refetch_wait_s=wait_s,
    )
