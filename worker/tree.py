"""The text of a page goes in; one parsed tree comes out, with bounded depth.

Every later stage reads this tree: a page is parsed once.
"""

import re
from collections.abc import Iterator

from lxml import etree
from lxml.html import HtmlElement, HTMLParser, document_fromstring

# What XML cannot hold, and so no later stage expects.
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff\ud800-\udfff]")
_ATTRIBUTE = re.compile(
    r"""[\s/]*[^\s=>/][^\s=>/]*(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s>"'][^\s>]*)?)?"""
)
_TAG_NAME = re.compile("[A-Za-z][^\\s/>]*")
#: Below this a tag cannot hold enough attributes to matter.
_LONG_TAG = 8_000
_MAX_ATTRIBUTES = 400
_TAG = re.compile("<[^<>]{0,2000}>")
# libxml2 stops reading at 2,048 levels; no page that people see comes near.
_MAX_DEPTH_MESSAGE = "Excessive depth"


def parse(text: str) -> HtmlElement | None:
    """Return the root of the page, or None where there is nothing in it.

    A page nested deeper than the parser goes is read as lines without its markup.
    """
    markup = _with_bounded_tags(_CONTROLS.sub("", text)).encode()
    parser = HTMLParser(
        encoding="utf-8", huge_tree=True, remove_comments=True, remove_pis=True, collect_ids=False
    )
    try:
        root = document_fromstring(markup, parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError):
        return None
    if any(_MAX_DEPTH_MESSAGE in entry.message for entry in parser.error_log):
        return _lines_as_paragraphs(text)
    return root


def squeeze(text: str | None) -> str:
    """Return `text` on one line with single spaces."""
    return " ".join((text or "").split())


def text_of(element: HtmlElement) -> str:
    """Return the text of an element on one line, with a space wherever a tag stands."""
    return squeeze(" ".join(element.itertext()))


def metas(root: HtmlElement) -> dict[str, str]:
    """Return the first content of each <meta> by its lower-case property, name or itemprop."""
    found: dict[str, str] = {}
    for element in root.iter("meta"):
        name = element.get("property") or element.get("name") or element.get("itemprop")
        content = squeeze(element.get("content"))
        if name and content:
            found.setdefault(name.strip().lower(), content)
    return found


def _with_bounded_tags(markup: str) -> str:
    """Leave out attributes past the 400th of a tag: the parser's time grows with their square."""
    pieces = markup.split("<")
    if max(map(len, pieces)) < _LONG_TAG:
        return markup
    return "<".join(_bounded(piece) if len(piece) > _LONG_TAG else piece for piece in pieces)


def _bounded(piece: str) -> str:
    name = _TAG_NAME.match(piece)
    if not name:
        return piece
    place, count, cut_from = name.end(), 0, 0
    while match := _ATTRIBUTE.match(piece, place):
        place, count = match.end(), count + 1
        if count == _MAX_ATTRIBUTES:
            cut_from = place
    return piece[:cut_from] + piece[place:] if cut_from else piece


def _lines_as_paragraphs(text: str) -> HtmlElement | None:
    root = etree.fromstring("<html><head/><body/></html>", parser=HTMLParser())
    for line in _lines(text):
        etree.SubElement(root[1], "p").text = line
    return root if len(root[1]) else None


def _lines(text: str) -> Iterator[str]:
    for line in _TAG.sub("\n", _CONTROLS.sub("", text)).splitlines():
        if line.strip():
            yield line.strip()
