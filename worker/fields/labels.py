"""One parsed page goes in; its labels and how many comments it counts come out, with witnesses.

A label says what kind of article it is, in one of four words: paywall, sponsored, live_blog,
opinion. Only what the page itself states: its JSON-LD, its meta tags, its section, or a short line
of its own beside the headline.
"""

import re
from collections import deque
from collections.abc import Iterator
from functools import cache
from itertools import islice, takewhile
from typing import Any

from lxml.html import HtmlElement

from services.shared import arabic
from services.shared.contracts import Label
from worker import lexicon
from worker.fields import jsonld, marks, titles
from worker.fields.page import Page
from worker.tree import squeeze, text_of

Witnessed = tuple[Label, str]  # label, witness

_TYPES: dict[Label, re.Pattern[str]] = {
    "opinion": re.compile(r"^(?:OpinionNewsArticle|Opinion\w*)$"),
    "sponsored": re.compile(r"^AdvertiserContentArticle$"),
    "live_blog": re.compile(r"^LiveBlogPosting$"),
}
_YES, _NO = frozenset({"true", "1", "yes"}), frozenset({"false", "0", "no"})
#: Metas that say so, with the values by which they do.
_METAS: tuple[tuple[Label, str, frozenset[str]], ...] = (
    ("paywall", "article:content_tier", frozenset({"locked", "premium", "paid"})),
    ("paywall", "content_tier", frozenset({"locked", "premium", "paid"})),
    ("paywall", "article:premium", _YES),
    ("paywall", "ispremium", _YES),
    ("paywall", "article.access", frozenset({"paid", "premium"})),
    ("paywall", "isaccessibleforfree", _NO),
    ("opinion", "article:opinion", _YES),
)
_SECTION_METAS = (
    "article:section",
    "parsely-section",
    "section",
    "og:section",
    "genre",
    "article.type",
)
_BEFORE_HEADLINE = re.compile(r"^([^|:»–—]{2,30}?)\s*(?:[|:»]|\s[–—-])\s")
_NUMBER = re.compile(r"^\D{0,25}?(\d{1,6})\D{0,25}$")
_COMMENT_ACTION = re.compile(r"CommentAction$")
_COMMENTS_LINK = re.compile(
    r"#(?:comments?|respond|disqus_thread|kommentare|comentarios)\b", re.IGNORECASE
)
_MAX_LINE = 40
_NEAR_BEFORE, _NEAR_AFTER = 5, 8
_MAX_LINKS = 20


def labels(page: Page, section: str | None) -> dict[Label, str]:
    """Return the page's labels, each with its witness."""
    found: dict[Label, str] = {}
    for label, witness in (
        *_by_json_ld(page.data.articles),
        *_by_metas(page.metas, section),
        *_by_microdata(page.marks),
        *_by_sight(page),
    ):
        found.setdefault(label, witness)
    return found


def comments_count(page: Page) -> tuple[str, int] | None:
    """Return the witness and how many comments readers wrote, or None where it is not said."""
    for witness, written in _counts(page):
        if re.fullmatch(r"\d{1,6}", written):
            return witness, int(written)
    return None


# --- Labels ---


def _by_json_ld(nodes: list[jsonld.Node]) -> Iterator[Witnessed]:
    for node in nodes:
        if str(node.get("isAccessibleForFree", "")).casefold() in _NO:
            yield "paywall", "json_ld"
        for label, kind in _TYPES.items():
            if jsonld.is_a(node, kind):
                yield label, "json_ld"
        for name in ("genre", "articleSection"):
            values = node.get(name)
            for value in values if isinstance(values, list) else [values]:
                yield from _called(jsonld.text(value), "json_ld")


def _by_metas(metas: dict[str, str], section: str | None) -> Iterator[Witnessed]:
    for label, name, values in _METAS:
        if metas.get(name, "").casefold() in values:
            yield label, "meta"
    for name in _SECTION_METAS:
        yield from _called(metas.get(name, ""), "meta")
    yield from _called(section or "", "visible")


def _by_microdata(marked: marks.Marks) -> Iterator[Witnessed]:
    for label, pattern in _TYPES.items():
        if any(pattern.match(mark.removeprefix("type ")) for mark in marked):
            yield label, "microdata"


def _by_sight(page: Page) -> Iterator[Witnessed]:
    """Yield the labels in short lines beside the headline, or before a colon in it."""
    headline = page.headline
    if headline is None:
        return
    if match := _BEFORE_HEADLINE.match(text_of(headline)):
        yield from _called(match[1], "visible")
    for element in _near(page.root, headline):
        line = squeeze(element.text)
        if 0 < len(line) <= _MAX_LINE and not _is_in_list(page, element):
            yield from _called(line, "visible", ("sponsored", "live_blog"))


def _near(root: HtmlElement, headline: HtmlElement) -> list[HtmlElement]:
    """Return the elements just before and after the headline."""
    elements = root.iter("*")
    before = deque(takewhile(lambda element: element is not headline, elements), _NEAR_BEFORE)
    return [*before, *islice(elements, _NEAR_AFTER)]


def _is_in_list(page: Page, element: HtmlElement) -> bool:
    """Tell an item of a menu or list, which is a label of what it leads to."""
    return page.is_elsewhere(element) or any(
        ancestor.tag in ("nav", "ul", "ol") for ancestor in islice(element.iterancestors(), 4)
    )


def _called(
    words: str, witness: str, kinds: tuple[Label, ...] = ("sponsored", "opinion", "live_blog")
) -> Iterator[Witnessed]:
    said = _folded(words)
    return ((kind, witness) for kind in kinds if said and said in _words(kind))


# --- Comments ---


def _counts(page: Page) -> Iterator[tuple[str, str]]:
    for node in page.data.articles:
        yield "json_ld", str(node.get("commentCount", ""))
        statistics = node.get("interactionStatistic")
        for item in statistics if isinstance(statistics, list) else [statistics]:
            yield "json_ld", _of_action(item)
    for name in ("comment_count", "comments_count", "commentcount", "article:comment_count"):
        yield "meta", page.metas.get(name, "")
    for element in page.marks.get("commentCount", []):
        yield "microdata", element.get("content") or squeeze(element.text)
    yield "visible", _linked_count(page.root)


def _of_action(item: Any) -> str:
    if not isinstance(item, dict):
        return ""
    action = item.get("interactionType")
    kind = action.get("@type") if isinstance(action, dict) else action
    counted = _COMMENT_ACTION.search(str(kind or ""))
    return str(item.get("userInteractionCount", "")) if counted else ""


def _linked_count(root: HtmlElement) -> str:
    """Return the number in the links to the comments, where all of them agree.

    None is believed to be 0: such a number is often filled in later, by a script.
    """
    links = (link for link in root.iter("a") if _COMMENTS_LINK.search(link.get("href") or ""))
    lines = [arabic.digits(text_of(link)) for link in islice(links, _MAX_LINKS)]
    told = {match[1] for line in lines if (match := _NUMBER.match(line)) and _speaks_of_them(line)}
    return told.pop() if len(told) == 1 and told != {"0"} else ""


def _speaks_of_them(line: str) -> bool:
    bare = re.sub(r"\d", " ", line)
    return not titles.loose(bare) or any(
        _folded(word) in _words("comments") for word in bare.split()
    )


def is_home(name: str) -> bool:
    """Tell the home page in a trail of pages."""
    return _folded(name) in _words("home")


def _folded(words: str) -> str:
    return " ".join(arabic.tokens(words))


@cache
def _words(kind: str) -> frozenset[str]:
    return frozenset(map(_folded, lexicon.load("labels")[kind]))
