"""A parsed page goes in; where its headline stands, and what stands elsewhere, comes out.

What a page says of its article stands around the headline. Lists of other articles, comments and
the page's chrome say the same kinds of things of something else.
"""

import re
from collections import Counter, defaultdict
from itertools import islice

from lxml.html import HtmlElement

from worker.fields import titles
from worker.tree import squeeze, text_of

_ELSEWHERE = re.compile(
    r"comment|related|sidebar|(?<!elementor-)widget|footer|recent|popular|trending|more-|teaser|read-?next"
    r"|recommend|copyright|(?<![a-z])nav(?:bar|igation|-)|menu|ticker|breaking|current|today|weather|calendar",
    re.IGNORECASE,
)
ELSEWHERE_TAGS = frozenset({"nav", "footer", "script", "style", "head", "select", "noscript"})
_ALIKE = 0.3
_LONG, _SEVERAL = 80, 2
_MOST, _NEARLY_ALL = 0.6, 0.8


def headline(root: HtmlElement) -> HtmlElement | None:
    """Return the heading that says what the page's title says."""
    title = titles.words(squeeze(root.findtext(".//title")))
    best, found = _ALIKE, None
    for element in root.iter("h1", "h2", "h3"):
        alike = titles.overlap(text_of(element), title) + (0.2 if element.tag == "h1" else 0)
        if alike > best:
            best, found = alike, element
    return found


def around(headline: HtmlElement | None) -> set[HtmlElement]:
    """Return the elements that hold the headline."""
    return set() if headline is None else set(headline.iterancestors())


def is_elsewhere(element: HtmlElement, around: set[HtmlElement]) -> bool:
    """Tell what stands in a list of other articles, a comment or the page's chrome.

    What also holds the headline (`around`) is the article's, whatever it is called.
    """
    for ancestor in (element, *islice(element.iterancestors(), 8)):
        if ancestor in around:
            return False
        if ancestor.tag in ELSEWHERE_TAGS:
            return True
        if _ELSEWHERE.search(f"{ancestor.get('class', '')} {ancestor.get('id', '')}"):
            return True
    return False


def captions(root: HtmlElement) -> tuple[str, ...]:
    """Return what stands below the pictures of the article, in order."""
    held = around(headline(root))
    found = (
        text_of(element) for element in root.iter("figcaption") if not is_elsewhere(element, held)
    )
    return tuple(dict.fromkeys(text for text in found if text))


def split_body(root: HtmlElement) -> list[HtmlElement]:
    """Return the containers of one kind that a body is split into; none where it stands in one.

    Pages that set advertisements or pictures between the paragraphs do so by closing the container
    and opening another of the same class. An extractor may take only the first.
    """
    holders = [holder for paragraph in root.iter("p") if (holder := _holder(paragraph)) is not None]
    counts = Counter(holders)
    groups: dict[tuple[str, str], list[HtmlElement]] = defaultdict(list)
    for holder, count in counts.items():
        if holder.get("class") and count >= _SEVERAL and not is_elsewhere(holder, set()):
            groups[holder.tag, holder.get("class")].append(holder)
    split = (group for group in groups.values() if len(group) > 1)
    return next((group for group in split if _is_whole_body(group, holders)), [])


def join(group: list[HtmlElement]) -> None:
    """Bring what these containers hold together in the first."""
    for container in group[1:]:
        group[0].extend(list(container))


def _holder(paragraph: HtmlElement) -> HtmlElement | None:
    """Return what holds a paragraph of a sentence or more."""
    return paragraph.getparent() if len("".join(paragraph.itertext())) >= _LONG else None


def _is_whole_body(group: list[HtmlElement], holders: list[HtmlElement]) -> bool:
    """Tell whether these containers hold most of the page's text, and all of it between them."""
    members = set(group)
    places = [place for place, holder in enumerate(holders) if holder in members]
    alone = len(places) >= _NEARLY_ALL * (places[-1] - places[0] + 1)
    return alone and len(places) >= _MOST * len(holders) and not _are_teasers(group)


def _are_teasers(containers: list[HtmlElement]) -> bool:
    """Tell containers that each have a heading which leads elsewhere."""
    linked = sum(1 for container in containers if container.find(".//h2//a") is not None)
    return linked * 2 > len(containers)
