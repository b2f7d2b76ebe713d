"""The titles that a page gives itself go in; the headline, without the site's name, comes out."""

import html
import re
from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from urllib.parse import unquote, urlsplit

from lxml.html import HtmlElement

from worker import tree
from worker.fields import jsonld

_SEPARATOR = re.compile(r"\s+[|–—ـ·•»«:-]+\s+|\s*[|]\s*|\s+::\s+")
# Left of a headline where a tag was cut in two: `crossorigin="anonymous"> Headline`.
_BROKEN_TAG = re.compile(r"^[^<>]{0,200}?[\w-]+\s*=\s*(?:\"[^\"<>]*\"|'[^'<>]*')\s*/?>\s*")


_MAX_CUTS = 12
_NOT_LETTERS = re.compile(r"[\W_]+")
_MIN_HOST_PART = 4
_MIN_TITLE_WORDS = 3
_NEWS_LD = "json_ld of news"
_VOTES = {"visible": 9, _NEWS_LD: 10, "json_ld": 4, "meta": 2}
_TYPED = (_NEWS_LD, "json_ld", "meta", "visible")
_AS_GOOD, _MUCH_MORE = 0.7, 0.35
_MIN_SLUG_WORDS = 5
#: Headlines in JSON-LD were to have no more than 110 letters.
_CUT_FROM = 90
_NUMBER = re.compile(r"\d{5,}|\w*html?|php|aspx")
_MAX_KICKER_WORDS, _SEVERAL = 4, 2


@lru_cache(maxsize=2048)  # a page asks for the same lines again and again
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

    def is_whole_name(self, heading: str) -> bool:
        """Tell a heading that is the site's name or address and no headline."""
        bare, host = loose(heading), (self.host or "").removeprefix("www.")
        return bool(bare) and bare in (loose(self.name or ""), loose(host))


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
        (_NEWS_LD if jsonld.is_news(node) else "json_ld", without_site(title, site, []))
        for node in nodes
        if (title := jsonld.text(node.get("headline")))
    ][:1]
    title = tree.squeeze(root.findtext(".//title"))
    raw_meta = [metas[name] for name in _META if name in metas]
    headings = [heading for e in root.iter("h1") if (heading := html.unescape(tree.text_of(e)))]
    named = next((h for h in headings if _is_site(h, title) or site.is_whole_name(h)), None)
    if named:
        headings, site = [h for h in headings if h != named], replace(site, name=named)
    reference = {word for text in (title, *raw_meta) for word in words(text)}
    if visible := _heading(headings, reference):
        found.append(("visible", without_site(visible, site, [])))
    others = [text for _, text in found]
    found += [("meta", without_site(text, site, others)) for text in raw_meta[:1]]
    if title:
        found.append(("meta", without_site(title, site, [*others, *(t for _, t in found)])))
    return [(witness, bare) for witness, text in found if (bare := without_remains(text))]


def choose(found: list[tuple[str, str]], url: str | None = None) -> tuple[str, str] | None:
    """Return witness and title: the one that most agree with; the page's own heading counts double.

    og:title and <title> are often one field that is written for search engines, and outside news
    the headline in JSON-LD is a copy of it. An address that is a title in words was made from the
    title when the page was: one that says much more of it goes before a heading that says little
    and that no other witness has.
    """
    if not found:
        return None
    found = [item for item in found if not _is_cut(item[1], found)]
    votes: Counter[str] = Counter()
    for witness, title in _without_kicker(found):
        votes[loose(title)] += _VOTES[witness]
    best = max(votes, key=lambda title: votes[title])
    if {witness for witness, title in found if loose(title) == best} == {"visible"}:
        best = _told_by_address(best, found, _slug(url)) or best
    witness, title = _best_written([i for i in _without_kicker(found) if loose(i[1]) == best])
    return ("json_ld" if witness == _NEWS_LD else witness), title


def _is_cut(title: str, found: list[tuple[str, str]]) -> bool:
    """Tell a title that is only how another begins: search engines show so many letters."""
    bare = loose(title)
    ends = title.endswith(("…", "...")) or len(title) >= _CUT_FROM
    return ends and any(loose(t).startswith(bare) and loose(t) != bare for _, t in found)


def path(url: str | None) -> str | None:
    """Return the path of an address as it reads, or None where there is none or it is broken."""
    try:
        return None if url is None else unquote(urlsplit(url).path)
    except ValueError:
        return None


def _slug(url: str | None) -> set[str]:
    """Return the words of the part of an address that has most."""
    parts = (words(part.replace("_", "-")) for part in (path(url) or "").split("/"))
    most = max(parts, key=len, default=set())
    return {word for word in most if len(word) > 1 and not _NUMBER.fullmatch(word)}


def _told_by_address(best: str, found: list[tuple[str, str]], slug: set[str]) -> str | None:
    """Return the title, in letters alone, that says much more of the address than the best."""
    written_alike = sum(map(str.isascii, best)) * 2 > len(best)  # as addresses are
    if len(slug) < _MIN_SLUG_WORDS or not written_alike:
        return None
    shares = {loose(title): len(slug & words(title)) / len(slug) for _, title in found}
    nearest = max(shares, key=lambda title: shares[title])
    return nearest if shares[nearest] - shares.get(best, 1.0) >= _MUCH_MORE else None


def _best_written(alike: list[tuple[str, str]]) -> tuple[str, str]:
    """Return of alike titles the one as it was typed.

    What is for machines has neither the quotes and spaces of typesetting nor CAPITALS for looks.
    """
    ordered = sorted(alike, key=lambda item: _TYPED.index(item[0]))
    return next((item for item in ordered if not item[1].isupper()), ordered[0])


def _heading(headings: list[str], reference: set[str]) -> str | None:
    """Return the heading that says what the page's title says: the first of those that do."""
    if not reference:
        return headings[0] if headings else None
    alike = {heading: overlap(heading, reference) for heading in headings}
    best = max(alike.values(), default=0.0)
    enough = (heading for heading in headings if alike[heading] >= _AS_GOOD * best)
    return next(enough, None) if best > 0 else None


def _without_kicker(found: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the titles, that of the heading without the date or topic that only it begins with."""
    others = [loose(title) for witness, title in found if witness != "visible"]
    return [
        next(
            (("visible", t) for w, t in found if w != "visible" and _has_kicker(title, t, others)),
            (witness, title),
        )
        if witness == "visible"
        else (witness, title)
        for witness, title in found
    ]


def _has_kicker(heading: str, title: str, others: list[str]) -> bool:
    bare, whole = loose(title), loose(heading)
    if others.count(bare) < _SEVERAL or whole in others or len(words(title)) < _MIN_TITLE_WORDS:
        return False
    before = len(words(heading)) - len(words(title))
    return 0 < before <= _MAX_KICKER_WORDS and whole.endswith(bare)


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
