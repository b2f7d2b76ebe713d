"""The text of an XML document goes in; the elements asked for come out, however broken it is."""

import re
from collections import Counter
from collections.abc import Iterator
from html.entities import html5
from io import BytesIO

from lxml import etree

from crawler.discovery.documents import Document
from services.shared.frontier import Problem

#: Ampersands and angles that begin nothing, and entities that are not XML's own. In CDATA they are
#: letters, as they are.
_STRAY = re.compile(
    r"<!\[CDATA\[.*?(?:\]\]>|\Z)"
    r"|&(?!(?:amp|lt|gt|quot|apos|#\d{1,7}|#[xX][0-9A-Fa-f]{1,6});)(?:([A-Za-z][A-Za-z0-9]{0,31};))?"
    r"|<(?![A-Za-z_/!?])",
    re.DOTALL,
)
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_TAG = re.compile(
    r"<!--.*?(?:-->|\Z)|<!\[CDATA\[.*?(?:\]\]>|\Z)|<\?.*?(?:\?>|\Z)"
    r"|<(/?)([A-Za-z_][\w:.-]*)(?:\"[^\"]*\"|'[^']*'|[^\"'<>])*>",
    re.DOTALL,
)
#: None of these holds another one: where one begins, the one before has ended.
_ENTRIES = {"item", "entry", "url", "sitemap"}


class _Nothing:
    """A parser's target that only hears that the document has ended."""

    def close(self) -> None:
        pass


def elements(
    document: Document, names: frozenset[str], problems: Counter[Problem]
) -> Iterator[etree._Element]:
    """Yield the elements with these local names, each once it is complete; then it is emptied.

    No document type, no entity, nothing from outside; libxml2's limits on depth and length stay.
    What is not well-formed is mended where one can, else read as far as it goes, and counted.
    """
    text = _FORBIDDEN.sub("", _STRAY.sub(_mended, document.text))
    malformed = text != document.text
    if not _is_well_formed(text):
        malformed = True
        text = "".join(_balanced(text))
    parse = etree.iterparse(
        BytesIO(text.encode()),
        events=("end",),
        encoding="utf-8",
        recover=True,
        remove_comments=True,
        remove_pis=True,
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
    )
    try:
        for _, element in parse:
            if name_of(element)[1] in names:
                yield element
                _drop(element)
    except (etree.XMLSyntaxError, ValueError):
        malformed = True
    problems["malformed"] += malformed


def _mended(match: re.Match[str]) -> str:
    if match[0] == "<":
        return "&lt;"
    if match[0][0] == "<":
        return match[0]
    if match[1]:
        # An entity of HTML; of the document's own we know nothing.
        return html5.get(match[1], "").replace("&", "&amp;").replace("<", "&lt;")
    return "&amp;"


def _is_well_formed(text: str) -> bool:
    parser = etree.XMLParser(
        target=_Nothing(), encoding="utf-8", resolve_entities=False, no_network=True
    )
    try:
        etree.fromstring(text.encode(), parser)
    except (etree.XMLSyntaxError, ValueError):
        return False
    return True


def _balanced(text: str) -> Iterator[str]:
    """Yield the text with an end for each element: one that is forgotten costs only its own.

    libxml2 takes any end tag for the end of the element it is in, so that after one `<br>` in a
    description each item would stand within the one before.
    """
    opened: list[str] = []
    counts: Counter[str] = Counter()
    done = 0
    for match in _TAG.finditer(text):
        name = match[2]
        if name is None or match[0].endswith("/>"):
            continue
        yield text[done : match.start()]
        done = match.end()
        local = name.rpartition(":")[2]
        if match[1] or (local in _ENTRIES and counts[name]):
            if not counts[name]:
                continue  # the end of what never began
            while True:
                last = opened.pop()
                counts[last] -= 1
                yield f"</{last}>"
                if last == name:
                    break
        if not match[1]:
            opened.append(name)
            counts[name] += 1
            yield match[0]
    yield text[done:]


def _drop(element: etree._Element) -> None:
    """Let go of an element's content, and of its emptied elder siblings: memory stays flat."""
    element.clear(keep_tail=False)
    parent = element.getparent()
    elder = element.getprevious()
    if parent is not None and elder is not None and not len(elder) and elder.tag == element.tag:
        parent.remove(elder)


def name_of(element: etree._Element) -> tuple[str, str]:
    """Return an element's namespace, or the prefix nobody declared, and its local name."""
    tag = element.tag
    if not isinstance(tag, str):  # a comment's or instruction's tag is a function
        return "", ""
    space, _, local = tag.rpartition("}")
    if not space and ":" in local:
        space, _, local = local.rpartition(":")
    return space.removeprefix("{"), local
