"""Two contents of one article go in; what differs, why, and whether the newer is worse come out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.shared import arabic
from services.shared.contracts import VersionReason

#: What makes a version: what a reader would call the article.
FIELDS = ("title", "text", "authors", "language", "published_at")
#: What an article says beside its versions' content.
DETAILS = (
    "published_at_precision",
    "published_at_seen",
    "modified_at",
    "canonical_url",
    "site_name",
    "section",
    "dateline",
    "description",
    "image_url",
    "tags",
    "labels",
    "captions",
    "comments_count",
)
#: A text with at most this share of the stored text's words may be a teaser of it ...
MUCH_SHORTER = 0.6
#: ... and is, if at least this share of its runs of three words stands in the stored text.
CONTAINED = 0.9
#: Where the page newly says that it is paid for, less is needed.
SHORTER = 0.9
#: A text that is still as short after this time is what the publisher made of the article.
ACCEPTED_AFTER = timedelta(hours=24)
ELLIPSES = ("…", "...")
#: Characters of a difference that are told.
SHOWN = 160
#: How far a date of this precision may be from the very time, time zones included.
SPANS = {"day": timedelta(hours=38), "month": timedelta(days=32), "year": timedelta(days=367)}


@dataclass(frozen=True, slots=True)
class Worse:
    """Why the newer copy is worse; `final` if it is so however often it is seen."""

    detail: str
    final: bool


def changed(old: Mapping[str, object], new: Mapping[str, object]) -> list[str]:
    """Return which of FIELDS differ; a date in another zone is the same date."""
    return [name for name in FIELDS if old[name] != new[name]]


def difference(old: object, new: object) -> tuple[str | None, str | None]:
    """Return both as words, cut to where they begin to differ."""
    before, after = _words(old), _words(new)
    if before is None or after is None:
        return before and before[:SHOWN], after and after[:SHOWN]
    pairs = enumerate(zip(before, after, strict=False))
    same = next((n for n, (one, other) in pairs if one != other), min(len(before), len(after)))
    start = max(0, same - SHOWN // 4)
    lead = "…" * bool(start)
    return lead + before[start : start + SHOWN], lead + after[start : start + SHOWN]


def _words(value: object) -> str | None:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return None if value is None else str(value)


def reason(*, same_bytes: bool, same_extractor: bool) -> VersionReason:
    """Return what made the new version."""
    if same_bytes:
        return "context" if same_extractor else "extractor"
    return "publisher" if same_extractor else "undetermined"


def worse(
    old_text: str, old_labels: Sequence[str], new_text: str, new_labels: Sequence[str]
) -> Worse | None:
    """Return why the new text must not take the place of the old one, or None if it may.

    A teaser, a truncated copy, or what a paywall leaves of an article.
    """
    old, new = arabic.tokens(old_text), arabic.tokens(new_text)
    counts = f"{len(new)} words, the stored text has {len(old)}"
    if "paywall" in new_labels and "paywall" not in old_labels and len(new) <= len(old) * SHORTER:
        return Worse(f"behind a paywall now: {counts}", final=True)
    if len(new) > len(old) * MUCH_SHORTER:
        return None
    there, runs = _runs(old), _runs(new)
    if not runs or len(runs & there) < len(runs) * CONTAINED:
        return None
    if "paywall" in new_labels:
        return Worse(f"behind a paywall: {counts}", final=True)
    if new_text.rstrip().endswith(ELLIPSES):
        return Worse(f"a teaser: {counts}", final=True)
    return Worse(f"a part of the stored text: {counts}", final=False)


def poorer(
    old: Mapping[str, object], new: Mapping[str, object], changed: Sequence[str]
) -> Worse | None:
    """Return why content of which only this changed is worse: it leaves out what is known.

    A date that is less precise, and may be the same, leaves out the rest of it.
    """
    if any(new[name] and not (name == "published_at" and _coarser(old, new)) for name in changed):
        return None
    return Worse(f"says less of {', '.join(changed)}", final=False)


def _coarser(old: Mapping[str, object], new: Mapping[str, object]) -> bool:
    before, after = old["published_at"], new["published_at"]
    if not isinstance(before, datetime) or not isinstance(after, datetime):
        return False
    fine, coarse = str(old["published_at_precision"]), str(new["published_at_precision"])
    span = SPANS.get(coarse)
    return bool(span and span > SPANS.get(fine, timedelta(0)) and abs(after - before) <= span)


def _runs(words: Sequence[str]) -> set[tuple[str, ...]]:
    return {tuple(words[i : i + 3]) for i in range(len(words) - 2)}
