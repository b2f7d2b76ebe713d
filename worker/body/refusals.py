"""A title and a text go in; the reason why they are no article comes out, where it is plain.

Only a page with little text is refused here: to take a real article for something else loses it.
"""

import re
from functools import cache
from typing import get_args

from services.shared import arabic
from services.shared.contracts import Rejection, RejectionReason
from worker import lexicon

#: Shorter than nearly every article, longer than what such pages say.
_LITTLE = 700
_HARDLY_ANY = 250
_PARTS = re.compile(r"\s+[|–—:»-]\s+")


def refuse(title: str | None, text: str) -> Rejection | None:
    """Return a rejection for a missing, blocking or consent page, else None."""
    if len(text) >= _LITTLE:
        return None
    openings = [*_PARTS.split(title or ""), *(text.split("\n") if len(text) < _HARDLY_ANY else ())]
    said = [f"{' '.join(arabic.tokens(opening))} " for opening in openings]
    for reason, phrases in _phrases().items():
        # Only as the opening: an article may have the same words within its title.
        if any(opening.startswith(phrases) for opening in said):
            return Rejection(reason=reason, detail=f"it calls itself: {(title or text)[:100]}")
    return None


@cache
def _phrases() -> dict[RejectionReason, tuple[str, ...]]:
    listed = lexicon.load("refusals")
    return {
        reason: tuple(f"{' '.join(arabic.tokens(phrase))} " for phrase in listed[reason])
        for reason in get_args(RejectionReason)
        if reason in listed
    }
