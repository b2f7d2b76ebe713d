"""The text of a page goes in; one parsed tree comes out, with bounded depth.

Every later stage reads this tree: a page is parsed once.
"""

import html
import re
from itertools import islice

from lxml import etree
from lxml.html import HtmlElement, HTMLParser, document_fromstring

#: How a heading is marked in an article's text.
HEADING = "## "
# What XML cannot hold, and so no later stage expects; surrogates go when the text is encoded.
_CONTROLS = bytes([*range(9), 11, 12, *range(14, 32), 127])
_NO_CHARACTERS = ("\ufffe", "\uffff")
# The same written as references: one of them would make trafilatura give the page up.
_CONTROL_REFERENCES = re.compile(
    "&#(?:x0*(?:[0-8bcef]|1[0-9a-f]|7f|d[89a-f]..|fff[ef])|0*(?:[0-8]|1[124-9]|2[0-9]|3[01]|127"
    "|6553[45]))(?:;|(?![0-9a-f]))",
    re.IGNORECASE,
)
# The time that trafilatura takes grows with the cube of the nesting of tables.
_MANY_TABLES, _DEEP_TABLES = 100, 10
_ATTRIBUTE = re.compile(r"""[\s/]*[^\s=>/]+(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s>"'][^\s>]*)?)?""")
_TAG_NAME = re.compile("[A-Za-z][^\\s/>]*")
#: Below this a tag cannot hold enough attributes to matter.
_LONG_TAG = 8_000
_MAX_ATTRIBUTES = 400
#: Pictures that are written into a page, and no name or address; read in large pages, they cost.
_LARGE_PAGE, _LONG_VALUE = 500_000, 64_000
_BLOCK_TAG = re.compile(
    r"</?(?:p|div|br|li|ul|ol|h[1-6]|table|tr|td|th|section|article|header|footer|blockquote|title"
    r"|body|html|head|main|aside|nav|form|pre|dl|dt|dd|figure|figcaption)\b[^<>]{0,2000}>",
    re.IGNORECASE,
)
_UNSEEN_TAGS = ("style", "svg", "link", "meta")
#: One call with a date: showDate("2020/04/17 01:43:09").
_WRITES = re.compile(
    r"\s*(?:\w+\.)*(?:document\.write|(?:show|write|print|format|local)\w{0,3}_?date(?:time)?|date)\("
    r"\s*([\"'])(?P<date>(?:19|20)\d\d[-/]\d\d?[-/]\d\d?(?:[ T]\d\d?:\d\d(?::\d\d)?)?)"
    r"[\d:. ]{0,20}\1\s*\)\s*;?\s*",
    re.ASCII | re.IGNORECASE,
)
_MAX_CALL = 100
_UNSEEN = re.compile(r"<(script|style|svg|template)\b[^<]*<", re.IGNORECASE)
_TAG = re.compile("<[^<>]{0,2000}>")
_BEFORE_BODY = re.compile(r"^.{0,50000}?<body\b[^<>]{0,2000}>", re.IGNORECASE | re.DOTALL)
_MANY_LINKS, _MANY_PARAGRAPHS = 4, 2
# lxml's own choice of a class for each tag asks Python for every element that is touched.
_ONE_CLASS = etree.ElementDefaultClassLookup(element=HtmlElement)
# libxml2 stops reading at 2,048 levels; no page that people see comes near.
_FLATTENED = "data-flattened"
_MAX_DEPTH_MESSAGE = "Excessive depth"


def parse(text: str) -> HtmlElement | None:
    """Return the root of the page, or None where there is nothing in it.

    A page nested deeper than the parser goes is read as lines without its markup.
    """
    for character in _NO_CHARACTERS:
        text = text.replace(character, "")
    bounded = _with_bounded_tags(_CONTROL_REFERENCES.sub("", text))
    markup = bounded.encode(errors="ignore").translate(None, _CONTROLS)
    parser = HTMLParser(
        encoding="utf-8", huge_tree=True, remove_comments=True, remove_pis=True, collect_ids=False
    )
    parser.set_element_class_lookup(_ONE_CLASS)
    try:
        root = document_fromstring(markup, parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError):
        return None
    if len(text) > _LARGE_PAGE:
        _drop_long_attributes(root)
    _write_dates(root)
    too_deep = any(_MAX_DEPTH_MESSAGE in entry.message for entry in parser.error_log)
    return _lines_as_paragraphs(markup.decode()) if too_deep or _nested_tables(root) else root


def _drop_long_attributes(root: HtmlElement) -> None:
    for element in root.iter():
        for name, value in element.items():
            if len(value) > _LONG_VALUE:
                del element.attrib[name]


def is_longer(root: HtmlElement, characters: int) -> bool:
    """Tell a page with more text than so many characters, white space included."""
    length = 0
    for element in root.iter():
        unseen = element.tag in ("script", "style")
        length += len(element.tail or "") + (0 if unseen else len(element.text or ""))
    return length > characters


def drop_unseen(root: HtmlElement) -> None:
    """Take out what no reader sees and no later stage asks for: it costs time at every pass."""
    for script in list(root.iter("script")):
        if "ld+json" not in script.get("type", "").lower():
            script.drop_tree()
    etree.strip_elements(root, *_UNSEEN_TAGS, with_tail=False)


def _write_dates(root: HtmlElement) -> None:
    """Put in place of each script that only writes a date where it stands that date."""
    for script in root.iter("script"):
        text = script.text or ""
        if len(text) <= _MAX_CALL and (written := _WRITES.fullmatch(text)):
            script.tag, script.text = "span", written["date"]


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


def first(found: dict[str, str], names: list[str]) -> str | None:
    """Return the first of these metas that the page has."""
    return next((found[name] for name in names if name in found), None)


def lines(markup: str) -> list[str]:
    """Return the lines that a reader sees of markup without its structure."""
    body = _BEFORE_BODY.sub("", _UNSEEN.sub("<", markup), count=1)
    broken = _TAG.sub("", _BLOCK_TAG.sub("\n", body))
    return [html.unescape(line) for line in map(str.strip, broken.splitlines()) if line]


def is_bare(root: HtmlElement) -> bool:
    """Tell a page whose markup says nothing: no headings, sections or links to go by."""
    if next(root.iter("h1", "h2", "h3", "article", "main", "nav", "header"), None) is not None:
        return False
    return sum(1 for _ in islice(root.iter("a"), _MANY_LINKS)) < _MANY_LINKS


def is_flattened(root: HtmlElement) -> bool:
    """Tell a page that was nested too deep, and so was read as lines."""
    return root.get(_FLATTENED) is not None


def open_layout_tables(root: HtmlElement) -> None:
    """Make the tables that only place text on the page into plain blocks."""
    for cell in list(root.iter("td")):
        if len(cell.findall("p")) < _MANY_PARAGRAPHS:
            continue
        for element in (cell, *cell.iterancestors("table", "tbody", "tr", "td")):
            element.tag = "div"


def _with_bounded_tags(markup: str) -> str:
    """Leave out attributes past the 400th of a tag: the parser's time grows with their square."""
    pieces, kept, place = [], 0, markup.find("<")
    while 0 <= place < len(markup) - _LONG_TAG:
        following = markup.rfind("<", place + 1, place + _LONG_TAG)
        if following < 0:
            following = markup.find("<", place + _LONG_TAG)
            end = len(markup) if following < 0 else following
            pieces += [markup[kept : place + 1], _bounded(markup[place + 1 : end])]
            kept = end
        place = following
    return "".join([*pieces, markup[kept:]])


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


def _nested_tables(root: HtmlElement) -> bool:
    tables = list(root.iter("table"))
    outer = (islice(table.iterancestors("table"), _DEEP_TABLES) for table in tables)
    return len(tables) > _MANY_TABLES and any(len(list(a)) == _DEEP_TABLES for a in outer)


def _lines_as_paragraphs(text: str) -> HtmlElement | None:
    root = etree.fromstring("<html><head/><body/></html>", parser=HTMLParser())
    root.set(_FLATTENED, "")
    for line in lines(text):
        etree.SubElement(root[1], "p").text = line
    return root if len(root[1]) else None
