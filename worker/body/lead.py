"""A page and the lines taken for its body go in; the same with the article's lead come out.

A lead often stands apart from the body, below the headline, and is what the page's description
says. It is taken only as the page shows it, never from the description itself.
"""

import re
from collections.abc import Iterator
from itertools import dropwhile, islice

from lxml.html import HtmlElement

from worker import tree
from worker.fields import titles

_LEAVES = ("p", "div", "h2", "h3", "section", "strong", "span")
#: Made by the site's software for lists of articles, not written as a lead.
_EXCERPT = re.compile("excerpt", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?؟…。！？۔][\"'”’»)\]]*$")
_MIN_LEAD, _MAX_LEAD, _ALIKE = 120, 700, 50
_FIRST = 30
_NEAR_HEADLINE = 300


def with_lead(
    root: HtmlElement, headline: HtmlElement | None, description: str | None, lines: list[str]
) -> list[str]:
    """Return the lines with the lead above them, where the page has one that they lack."""
    stated = titles.loose(description or "")
    if len(stated) < _ALIKE or not lines or headline is None:
        return lines
    known, first = "".join(map(titles.loose, lines)), titles.loose(lines[0])
    if stated[:_ALIKE] in known:
        return lines
    for element in _below(root, headline):
        begun = titles.loose(_start(element)[:_ALIKE])[:_FIRST]
        if begun and first.startswith(begun):
            break
        if begun and stated.startswith(begun) and not _is_excerpt(element):
            text = tree.text_of(element)
            said = titles.loose(text)
            if said.startswith(stated[:_ALIKE]) and said not in known and _is_lead(text):
                return [text, *lines]
    return lines


def _is_lead(text: str) -> bool:
    return _MIN_LEAD <= len(text) <= _MAX_LEAD and bool(_SENTENCE_END.search(text))


def _below(root: HtmlElement, headline: HtmlElement) -> Iterator[HtmlElement]:
    following = dropwhile(lambda element: element is not headline, root.iter())
    return (element for element in islice(following, 1, _NEAR_HEADLINE) if element.tag in _LEAVES)


def _start(element: HtmlElement) -> str:
    return next((stripped for text in element.itertext() if (stripped := text.strip())), "")


def _is_excerpt(element: HtmlElement) -> bool:
    near = (element, *islice(element.iterancestors(), 2))
    return any(_EXCERPT.search(holder.get("class", "")) for holder in near)
