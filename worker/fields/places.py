"""A parsed page goes in; where its headline stands, and what stands elsewhere, comes out.

What a page says of its article stands around the headline. Lists of other articles, comments and
the page's chrome say the same kinds of things of something else.
"""

import re
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


def headline(root: HtmlElement) -> HtmlElement | None:
    """Return the heading that says what the page's title says, else the first of the first rank."""
    title = titles.words(squeeze(root.findtext(".//title")))
    best, found = _ALIKE, None
    for element in root.iter("h1", "h2", "h3"):
        alike = titles.overlap(text_of(element), title) + (0.2 if element.tag == "h1" else 0)
        if alike > best:
            best, found = alike, element
    return next(root.iter("h1"), None) if found is None else found


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


def captions(root: HtmlElement, around: set[HtmlElement]) -> tuple[str, ...]:
    """Return what stands below the pictures of the article, in order."""
    found = (
        text_of(element) for element in root.iter("figcaption") if not is_elsewhere(element, around)
    )
    return tuple(dict.fromkeys(text for text in found if text))
