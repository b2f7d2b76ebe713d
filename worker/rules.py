"""A parsed page and its source's selectors go in; what they select comes out, and what they miss.

For the few sources that the general way reads wrongly. A selector that selects nothing costs
nothing: the general way answers, and the miss is counted, so that a redesign of the site is heard.
"""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from cssselect import SelectorError
from lxml import etree
from lxml.cssselect import CSSSelector
from lxml.html import HtmlElement

from worker import tree
from worker.tree import HEADING

_ATTRIBUTES = ("content", "datetime")


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """What a source's rules found; nothing where it has none."""

    lines: tuple[str, ...] = ()
    title: str | None = None
    authors: tuple[str, ...] = ()
    date: str | None = None
    #: Names of the rules that selected nothing.
    missed: tuple[str, ...] = ()


def select(root: HtmlElement, rules: Mapping[str, str]) -> Selected:
    """Return what the rules select, after taking what `remove` selects out of the tree.

    A page may well have nothing to remove, so `remove` is never missed.
    """
    if "remove" in rules:
        for element in _elements(root, rules["remove"]):
            element.drop_tree()
    found = {
        "body": tuple(_lines(root, rules.get("body"))),
        "title": tuple(_values(root, rules.get("title"))),
        "author": tuple(dict.fromkeys(_values(root, rules.get("author")))),
        "date": tuple(_values(root, rules.get("date"))),
    }
    return Selected(
        lines=found["body"],
        title=next(iter(found["title"]), None),
        authors=found["author"],
        date=next(iter(found["date"]), None),
        missed=tuple(name for name, values in found.items() if name in rules and not values),
    )


@lru_cache(maxsize=1000)
def _compiled(selector: str) -> CSSSelector | None:
    try:
        return CSSSelector(selector, translator="html")
    except (SelectorError, etree.XPathError):
        return None  # sources.yaml is checked when it is read; here it selects nothing


def _elements(root: HtmlElement, selector: str | None) -> list[HtmlElement]:
    """Return what is selected, without what stands inside another that is."""
    compiled = _compiled(selector) if selector else None
    if compiled is None:
        return []
    found = [element for element in compiled(root) if element is not root]
    selected = set(found)
    return [element for element in found if selected.isdisjoint(element.iterancestors())]


def _values(root: HtmlElement, selector: str | None) -> Iterator[str]:
    for element in _elements(root, selector):
        stated = next((element.get(name) for name in _ATTRIBUTES if element.get(name)), None)
        if value := tree.squeeze(stated) or tree.text_of(element):
            yield value


def _lines(root: HtmlElement, selector: str | None) -> Iterator[str]:
    """Yield the paragraphs of what is selected, headings marked."""
    for element in _elements(root, selector):
        shown = copy.deepcopy(element)
        for heading in shown.iter("h2", "h3", "h4", "h5", "h6"):
            heading.text = f"{HEADING}{heading.text or ''}"
        markup = etree.tostring(shown, encoding="unicode", method="html", with_tail=False)
        for line in map(tree.squeeze, tree.lines(tree.squeeze(markup))):
            if line != HEADING.strip():
                yield line
