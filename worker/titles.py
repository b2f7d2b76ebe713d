"""The titles that a page gives itself go in; the headline, without the site's name, comes out."""

import re
from collections import Counter
from dataclasses import dataclass, replace
from itertools import islice

from lxml.html import HtmlElement

from worker import jsonld, tree

_SEPARATOR = re.compile(r"\s+[|–—ـ·•»«:-]+\s+|\s*[|]\s*|\s+::\s+")
# Left of a headline where a tag was cut in two: `crossorigin="anonymous"> Headline`.
_BROKEN_TAG = re.compile(r"^[^<>]{0,200}?[\w-]+\s*=\s*(?:\"[^\"<>]*\"|'[^'<>]*')\s*/?>\s*")


_MAX_CUTS = 12
_NOT_LETTERS = re.compile(r"[\W_]+")
_MIN_HOST_PART = 4
_MIN_TITLE_WORDS = 3
_VOTES = {"visible": 5, "json_ld": 4}


def loose(text: str) -> str:
    """Return the letters and digits of a text in lower case: equal for equal titles."""
    return _NOT_LETTERS.sub("", text.casefold())


def without_remains(title: str) -> str:
    """Return a title without the rest of a broken tag before it."""
    return _BROKEN_TAG.sub("", title).strip()


@dataclass(frozen=True, slots=True)
class Site:
    """What a site may be called in the titles of its pages."""

    name: str | None = None
    host: str | None = None

    def is_called(self, part: str) -> bool:
        """Tell whether a part of a title is the site's name, or stands in its host's."""
        bare = loose(part)
        if bare and bare == loose(self.name or ""):
            return True
        return len(bare) >= _MIN_HOST_PART and bare in loose(self.host or "")


def without_site(title: str, site: Site, others: list[str]) -> str:
    """Return a title without the site's name at its end or start.

    The name is known, or it is what this title has more than another title.
    """
    known = {loose(other) for other in others} - {""}
    cuts = [match.span() for match in islice(_SEPARATOR.finditer(title), _MAX_CUTS)]
    for start, end in (*reversed(cuts), *cuts):
        head, tail = title[:start], title[end:]
        for kept, dropped in ((head, tail), (tail, head)):
            if loose(kept) in known or (loose(kept) and site.is_called(dropped)):
                return kept.strip()
    return title


_META = ["og:title", "twitter:title", "dc.title", "parsely-title", "sailthru.title"]


def candidates(
    root: HtmlElement, nodes: list[jsonld.Node], metas: dict[str, str], site: Site
) -> list[tuple[str, str]]:
    """Return every title the page gives itself, without the site's name, the best witness first."""
    found: list[tuple[str, str]] = [
        ("json_ld", without_site(title, site, []))
        for node in nodes
        if (title := jsonld.text(node.get("headline")))
    ][:1]
    title = tree.squeeze(root.findtext(".//title"))
    raw_meta = [metas[name] for name in _META if name in metas]
    reference = {word for text in (title, *raw_meta) for word in words(text)}
    headings = [heading for e in root.iter("h1") if (heading := tree.text_of(e))]
    named = next((heading for heading in headings if _is_site(heading, title)), None)
    if named:
        headings, site = [h for h in headings if h != named], replace(site, name=named)
    if headings:
        best = max(headings, key=lambda heading: overlap(heading, reference))
        if not reference or overlap(best, reference) > 0:
            found.append(("visible", without_site(best, site, [])))
    others = [text for _, text in found]
    found += [("meta", without_site(text, site, others)) for text in raw_meta[:1]]
    if title:
        found.append(("meta", without_site(title, site, [*others, *(t for _, t in found)])))
    return [(witness, bare) for witness, text in found if (bare := without_remains(text))]


def choose(found: list[tuple[str, str]]) -> tuple[str, str] | None:
    """Return witness and title: the one that most agree with; the page's own heading counts double.

    og:title and <title> are often one field that is written for search engines.
    """
    if not found:
        return None
    votes: Counter[str] = Counter()
    for witness, title in found:
        votes[loose(title)] += _VOTES.get(witness, 2)
    best = max(found, key=lambda item: votes[loose(item[1])])
    # THE SAME TITLE in small letters is the better one.
    alike = [item for item in found if loose(item[1]) == loose(best[1])]
    return next((item for item in alike if not item[1].isupper()), best)


def _is_site(heading: str, title: str) -> bool:
    """Tell a heading that is the site's name: the last part of the title, after a longer one."""
    cuts = list(islice(_SEPARATOR.finditer(title), _MAX_CUTS))
    return bool(cuts) and any(
        loose(title[cut.end() :]) == loose(heading)
        and len(words(title[: cut.start()])) >= _MIN_TITLE_WORDS
        for cut in cuts
    )


def words(title: str) -> set[str]:
    """Return the words of a title in lower case."""
    return set(re.findall(r"\w+", title.casefold()))


def overlap(heading: str, reference: set[str]) -> float:
    """Return how much of a heading stands in the reference, less for a heading of a word or two."""
    own = words(heading)
    return len(own & reference) / max(1, len(own)) * min(1.0, len(heading) / 20)
