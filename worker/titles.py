"""The titles that a page gives itself go in; the headline, without the site's name, comes out."""

import re
from collections import Counter
from itertools import islice

_SEPARATOR = re.compile(r"\s+[|–—ـ·•»«:-]+\s+|\s*[|]\s*|\s+::\s+")
# Left of a headline where a tag was cut in two: `crossorigin="anonymous"> Headline`.
_BROKEN_TAG = re.compile(r"^[^<>]{0,200}?[\w-]+\s*=\s*(?:\"[^\"<>]*\"|'[^'<>]*')\s*/?>\s*")


_MAX_CUTS = 12


def loose(text: str) -> str:
    """Return the letters and digits of a text in lower case: equal for equal titles."""
    return "".join(c for c in text.casefold() if c.isalnum())


def without_remains(title: str) -> str:
    """Return a title without the rest of a broken tag before it."""
    return _BROKEN_TAG.sub("", title).strip()


def without_site(title: str, site_name: str | None, others: list[str]) -> str:
    """Return a title without the site's name at its end or start.

    The name is known (`site_name`), or it is what this title has more than another title.
    """
    site = loose(site_name or "")
    known = {loose(other) for other in others}
    cuts = [match.span() for match in islice(_SEPARATOR.finditer(title), _MAX_CUTS)]
    for start, end in (*reversed(cuts), *cuts):
        head, tail = title[:start], title[end:]
        for kept, dropped in ((head, tail), (tail, head)):
            if loose(kept) in known and loose(kept):
                return kept.strip()
            if site and loose(dropped) == site and kept.strip():
                return kept.strip()
    return title


def choose(candidates: list[tuple[str, str]]) -> tuple[str, str] | None:
    """Return the (witness, title) that most candidates agree with, the first among equals."""
    if not candidates:
        return None
    votes = Counter(loose(title) for _, title in candidates)
    return max(candidates, key=lambda item: votes[loose(item[1])])


def words(title: str) -> set[str]:
    """Return the words of a title in lower case."""
    return set(re.findall(r"\w+", title.casefold()))


def overlap(heading: str, reference: set[str]) -> float:
    """Return how much of a heading stands in the reference, less for a heading of a word or two."""
    own = words(heading)
    return len(own & reference) / max(1, len(own)) * min(1.0, len(heading) / 20)
