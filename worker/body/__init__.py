"""A parsed page goes in; the paragraphs that are taken for its body come out.

The only module that calls trafilatura. What it takes too much, `clean` cuts by place and shape.
Headings are marked as in an article's text, and the zero-width non-joiner stays.
"""

import re
from collections.abc import Iterable
from copy import copy

from lxml import etree
from lxml.html import HtmlElement
from trafilatura import bare_extraction

from worker import tree
from worker.body import lead, missed, split
from worker.fields.page import Page
from worker.tree import HEADING

#: Where the body is split, an answer shorter than this share of it is only a part.
_COVERED = 0.75
#: Up to here a text in one line may be an article's whole box, with its buttons.
_ONE_LINE = 600
# trafilatura deletes the zero-width non-joiner, which glues Persian words together, and does not
# mark headings in plain text: both travel through it as printable characters that no page has.
_ZWNJ, _ZWNJ_MARK = "\u200c", "\u2040"
_CHROME = ("nav", "footer", "aside", "menu", "select", "button", "iframe", "noscript", "picture")
_MAY_HAVE_ZWNJ = re.compile("\u200c|&(?:zwnj|#0*8204|#x0*200c)", re.IGNORECASE)
_HEADING_MARK = "\u2058"


def lines(page: Page, markup: str, description: str | None = None) -> list[str]:
    """Return the paragraphs that are the body, and what was not told from it; changes the tree.

    `markup` is what the tree was parsed from, `description` what the page says of itself.
    """
    root = page.root
    tree.drop_unseen(root)
    tree.open_layout_tables(root)
    _mark(root, markup)
    taken = missed.complete(root, page.around, markup, _whole(root))
    return [_unmark(line) for line in lead.with_lead(root, page.headline, description, taken)]


def _whole(root: HtmlElement) -> list[str]:
    taken = _taken(root)
    parts = split.containers(root)
    if not parts or _length(taken) >= _COVERED * _length(map(tree.text_of, parts)):
        return taken
    split.join(parts)
    return max(_taken(root), taken, key=_length)


def _length(lines: Iterable[str]) -> int:
    return sum(map(len, lines))


def _taken(root: HtmlElement) -> list[str]:
    """Return the paragraphs that trafilatura takes for the body, in its mode for recall."""
    try:
        document = bare_extraction(
            _without_chrome(root), fast=True, favor_recall=True, include_comments=False
        )
    except RecursionError:  # elements nested deeper than Python goes
        return [line for element in root.iter("p") if (line := tree.text_of(element))]
    text: str = getattr(document, "text", None) or ""
    taken = [_unmark(line) for line in text.split("\n")]
    return _paragraphs_in(taken[0], root) if len(taken) == 1 else taken


def _without_chrome(root: HtmlElement) -> HtmlElement:
    """Return a copy without what trafilatura removes anyway, after it was copied and searched."""
    bare = copy(root)
    etree.strip_elements(bare, *_CHROME, with_tail=False)
    # A page that has its text in such elements is left to trafilatura's own rule for it.
    return bare if bare.find(".//p") is not None else root


def _paragraphs_in(line: str, root: HtmlElement) -> list[str]:
    """Return the paragraphs of what was taken as one line: all that a short article's box says."""
    if len(line) > _ONE_LINE:
        return [line]
    said = (tree.text_of(element) for element in root.iter("p"))
    return [text for text in said if text and text in line] or [line]


def _mark(root: HtmlElement, markup: str) -> None:
    for element in root.iter("h2", "h3", "h4", "h5", "h6"):
        element.text = f"{_HEADING_MARK} {element.text or ''}"
    if not _MAY_HAVE_ZWNJ.search(markup):
        return
    for element in root.iter():
        if element.text and _ZWNJ in element.text:
            element.text = element.text.replace(_ZWNJ, _ZWNJ_MARK)
        if element.tail and _ZWNJ in element.tail:
            element.tail = element.tail.replace(_ZWNJ, _ZWNJ_MARK)


def _unmark(line: str) -> str:
    line = line.replace(_ZWNJ_MARK, _ZWNJ).strip()
    if not line.startswith(_HEADING_MARK):
        return line.replace(_HEADING_MARK, "")
    bare = line.replace(_HEADING_MARK, "").strip()
    return HEADING + bare if bare else ""
