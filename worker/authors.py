"""One parsed page goes in; the names of those who wrote it come out, with the witness."""

import re

from lxml.html import HtmlElement

from worker import jsonld, titles, tree
from worker.tree import squeeze, text_of

_META = ["author", "article:author", "dc.creator", "parsely-author", "sailthru.author", "byl"]
_BYLINE_PREFIX = re.compile(
    r"^\W*(?:by|von|par|por|di|av|af|door|text|written by|reported by|autor(?:in)?|كتب(?:ت)?|بقلم"
    r"|إعداد|تحرير|حوار|المصدر|记者|記者|文)\s*[:：]?\s+",
    re.IGNORECASE,
)
_BETWEEN_NAMES = re.compile(
    r"\s*(?:,|;|،|\||\band\b|\bund\b|&|\bet\b|\by\b|\se\s|\s+و\s*(?=\w))\s*"
)
_NO_NAME = re.compile(r"https?:|@|\d{3}|^(?:admin|editor|staff|null|undefined)$", re.IGNORECASE)
_BYLINE_CLASS = re.compile(
    r"(?:^|[-_\s])(?:by-?line|author(?:s|-?name)?|writer|written-?by|creator|reporter)(?:[-_\s]|$)",
    re.IGNORECASE,
)
_MAX_AUTHORS = 8


def read(
    root: HtmlElement, nodes: list[jsonld.Node], metas: dict[str, str], site_name: str | None
) -> tuple[str, tuple[str, ...]] | None:
    """Return the witness and the names, or None where the page names nobody."""
    in_meta = tree.first(metas, _META)
    for witness, written in (
        ("json_ld", next((found for n in nodes if (found := jsonld.names(n.get("author")))), [])),
        ("meta", [in_meta] if in_meta else []),
        ("microdata", _marked_authors(root)),
        ("visible", _byline(root)),
    ):
        people = _people(written, site_name)
        if people:
            return witness, people
    return None


def _people(written: list[str], site_name: str | None) -> tuple[str, ...]:
    site = titles.loose(site_name or "")
    names = [
        name
        for value in written
        for part in _BETWEEN_NAMES.split(_BYLINE_PREFIX.sub("", value))
        if (name := _person(part)) and titles.loose(name) != site
    ]
    return tuple(dict.fromkeys(names))[:_MAX_AUTHORS]


def _person(written: str) -> str:
    name = squeeze(_BYLINE_PREFIX.sub("", written)).strip(" ,;|-–—·•:")
    return name if 2 <= len(name) <= 60 and not _NO_NAME.search(name) else ""


def _marked_authors(root: HtmlElement) -> list[str]:
    marked = [
        element.get("content") or text_of(element)
        for element in root.iterfind(".//*[@itemprop='author']")
    ]
    marked += [text_of(element) for element in root.iterfind(".//*[@rel='author']")]
    return [text for text in marked if text and len(text) < 100][:_MAX_AUTHORS]


def _byline(root: HtmlElement) -> list[str]:
    for element in root.iter("a", "span", "div", "p", "address"):
        label = f"{element.get('class', '')} {element.get('id', '')}"
        if len(label) > 1 and _BYLINE_CLASS.search(label):
            text = text_of(element)
            if 3 < len(text) < 80 and not re.search(r"\d", text):
                return [text]
    return []
