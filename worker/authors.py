"""One parsed page goes in; the names of those who wrote it come out, with the witness."""

import re
from collections.abc import Iterator
from itertools import islice

from lxml.html import HtmlElement

from worker import dates, jsonld, places, titles, tree
from worker.tree import squeeze, text_of

_META = ["author", "article:author", "dc.creator", "parsely-author", "sailthru.author", "byl"]
_WRITTEN_BY = re.compile(
    r"^(?:written )?by$|^author$|^verfasst von$|^écrit par$|^escrito por$|^كتب بواسطة$",
    re.IGNORECASE,
)
_PREFIX = re.compile(
    r"^\W*(?:(?:written|reported|posted|authored|published|story|article|words|text|guide|review)?"
    r"\s*by|authors?|von|par|por|di|av|af|door|text|autor(?:in)?|przez|كتبت?|بقلم|إعداد|تحرير|حوار"
    r"|记者|記者|文)(?:\s*[:：]\s*|\s+)(?=\S)",
    re.IGNORECASE,
)
_BY_LINE = re.compile(
    r"^\W*(?:(?:written|reported|posted|authored|story|article|words|guide) )?"
    r"(?:by|von|par|por|بقلم|كتبت?|إعداد)(?:\s*[:：]\s*|\s+)(?=[^\W\d_])",
    re.IGNORECASE,
)
_BETWEEN_NAMES = re.compile(
    r"\s*(?:,|;|،|\||•|·|\band\b|\bund\b|&|\bet\b|\by\b|\se\s|\s+و\s*(?=\w))\s*"
)
_NO_NAME = re.compile(
    r"https?:|@|\d{3}|^(?:admin|administrator|editor|staff|null|undefined|author|by|me|share|home"
    r"|published|posted|updated)$|\bsays$|\bmin read\b|^reviewed\b",
    re.IGNORECASE,
)
_LABEL = re.compile(
    r"(?:^|[-_\s])(?:by-?line|author(?:s|-?name)?|writer|written-?by|creator|reporter|contributor)"
    r"(?:[-_\s]|$)",
    re.IGNORECASE,
)
_MAX_AUTHORS = 12
_MAX_MARKS = 6
_MIN_NAME, _MAX_NAME, _MAX_LINE = 2, 60, 90
_MAX_WORDS = 5
_NEAR = 60


def read(
    root: HtmlElement, nodes: list[jsonld.Node], metas: dict[str, str], site_name: str | None
) -> tuple[str, tuple[str, ...]] | None:
    """Return the witness and the names, or None where the page names nobody.

    The outlet itself is its own author only where nobody else is named.
    """
    site = titles.loose(site_name or "")
    outlet = None
    for witness, written in _witnesses(root, nodes, metas):
        people = _people(written)
        named = tuple(name for name in people if titles.loose(name) != site)
        if named:
            return witness, named
        outlet = outlet or ((witness, people) if people else None)
    return outlet


def _witnesses(
    root: HtmlElement, nodes: list[jsonld.Node], metas: dict[str, str]
) -> Iterator[tuple[str, list[str]]]:
    for node in nodes:
        yield "json_ld", jsonld.names(node.get("author"))
    if value := tree.first(metas, _META):
        yield "meta", [value]
    if _WRITTEN_BY.match(metas.get("twitter:label1", "")):
        yield "meta", [metas.get("twitter:data1", "")]
    if "citation_author" in metas:
        cited = (e for e in root.iter("meta") if e.get("name") == "citation_author")
        yield "meta", [_in_order(squeeze(element.get("content"))) for element in cited]
    headline = places.headline(root)
    around = places.around(headline)
    yield "microdata", _marked(root, around)
    yield "visible", _labelled(root, around)
    yield "visible", _beside(root, headline)


def _in_order(name: str) -> str:
    family, comma, given = name.partition(", ")
    return f"{given} {family}" if comma else name


def _people(written: list[str]) -> tuple[str, ...]:
    names = [
        name
        for value in written
        for part in _BETWEEN_NAMES.split(_PREFIX.sub("", value))
        if (name := _person(part))
    ]
    return tuple(dict.fromkeys(names))[:_MAX_AUTHORS]


def _person(written: str) -> str:
    name = squeeze(_PREFIX.sub("", written)).strip(" ,;|-–—·•:()")
    fits = _MIN_NAME <= len(name) <= _MAX_NAME and not _NO_NAME.search(name)
    return name if fits else ""


def _marked(root: HtmlElement, around: set[HtmlElement]) -> list[str]:
    """Return the names in elements that are marked as author for machines."""
    marked = [*root.iterfind(".//*[@itemprop='author']"), *root.iterfind(".//*[@rel='author']")]
    names = (
        element.get("content") or _first_name(element)
        for element in marked[:_MAX_MARKS]
        if not places.is_elsewhere(element, around)
    )
    return [name for name in names if name and len(name) < _MAX_LINE]


def _labelled(root: HtmlElement, around: set[HtmlElement]) -> list[str]:
    """Return the name in the first element whose class says that it holds the author."""
    for element in root.iter("a", "span", "div", "p", "address", "li", "h3", "h4"):
        label = f"{element.get('class', '')} {element.get('id', '')}"
        if len(label) == 1 or not _LABEL.search(label) or places.is_elsewhere(element, around):
            continue
        name = _first_name(element)
        if _MIN_NAME < len(name) < _MAX_LINE and _looks_like_names(name):
            return [name]
    return []


def _beside(root: HtmlElement, headline: HtmlElement | None) -> list[str]:
    """Return the names in a short line "By ..." after the headline."""
    if headline is None:
        return []
    for element in islice(_after(root, headline), _NEAR):
        text = element.text or ""
        if not _BY_LINE.match(text):
            continue
        line = text_of(element)
        if len(line) < _MAX_LINE:
            name = _cut_date(_BY_LINE.sub("", line))
            if _looks_like_names(name):
                return [name]
    return []


def _after(root: HtmlElement, headline: HtmlElement) -> Iterator[HtmlElement]:
    seen = False
    for element in root.iter():
        if element is headline:
            seen = True
        elif seen and isinstance(element.tag, str):
            yield element


def _cut_date(line: str) -> str:
    """Return what stands before the date in "Mira Aalto, Dec 17, 2025"."""
    parts = re.split(r"\s*[,|•·–—-]\s+", line)
    return parts[0] if len(parts) > 1 and dates.stands_alone(line) else line


def _first_name(element: HtmlElement) -> str:
    """Return the first words in an element that are no "By": the name, not the role after it."""
    for chunk in element.itertext():
        text = squeeze(chunk)
        name = _PREFIX.sub("", f"{text} ").strip()
        if name and not _NO_NAME.search(name.rstrip(":")):
            return text
    return ""


def _looks_like_names(line: str) -> bool:
    """Tell names from a sentence: few words between separators, none of them a number."""
    parts = [part for part in _BETWEEN_NAMES.split(_PREFIX.sub("", line)) if part.strip()]
    return bool(parts) and all(
        len(part.split()) <= _MAX_WORDS and not re.search(r"\d", part) for part in parts
    )
