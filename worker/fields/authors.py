"""One parsed page goes in; the names of those who wrote it come out, with the witness."""

import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain, dropwhile, islice

from lxml.html import HtmlElement

from worker import tree
from worker.fields import dates, jsonld, names, titles
from worker.fields.page import Page
from worker.tree import squeeze

Written = tuple[str, list[str]]  # the witness, and what it says

_META = ["author", "article:author", "dc.creator", "parsely-author", "sailthru.author", "byl"]
_LABEL = re.compile(
    r"(?:^|[-_\s])(?i:by-?line|author(?:s|-?names?)?|writer|written-?by|creator|reporter"
    r"|contributors?)(?:[-_\s]|$)|[a-z](?:Author|Byline)(?:s|Names?)?(?![a-z])"
)
_AUTHOR_ADDRESS = re.compile(
    r"/(?:authors?|autor(?:en|es|in|a)?|auteurs?|autore|writers?|journalists?|reporters?|by|byline"
    r"|contributors?|columnists?|people|staff|profile|team|redaktion|redaction|writer|katib|كاتب)"
    r"[/-][^/?#]+/?(?:[?#].*)?$|linkedin\.com/in/",
    re.IGNORECASE,
)
_IS = re.compile(
    r"^(.{3,50}?),?\s(?:is|was|has been|writes|covers|joined|works|ist|schreibt|arbeitet|est|es|è"
    r"|jest|är|er)\s"
)
_MARKED = ("author", "rel author")
_BLOCKS = ("a", "span", "div", "p", "address", "li", "h3", "h4", "strong", "cite")
_MAX_MARKS, _MAX_HOLDERS = 6, 200
_MIN_NAME, _MAX_LINE, _MIN_BIOGRAPHY, _MAX_BIOGRAPHY = 2, 90, 40, 1500
_MAX_CHILDREN = 8
_FULL_NAME = 2
_NEAR = 80


def read(page: Page, site_name: str | None) -> tuple[str, tuple[str, ...]] | None:
    """Return the witness and the names, or None where the page names nobody.

    The outlet itself, or an account, is the author only where nobody else is named.
    """
    site = titles.loose(site_name or "")
    outlet = None
    for witness, written in chain(_stated(page), _written(page)):
        people = names.people(written)
        named = tuple(
            name for name in people if titles.loose(name) != site and not names.is_account(name)
        )
        if named:
            return witness, named
        outlet = outlet or ((witness, people) if people else None)
    if outlet:
        return outlet
    hinted = ((witness, names.people(written)) for witness, written in _hinted(page))
    return next(((witness, people) for witness, people in hinted if people), None)


def _stated(page: Page) -> Iterator[Written]:
    """Yield what the page says to machines in its head."""
    metas = page.metas
    for node in page.data.articles:
        yield "json_ld", jsonld.names(node.get("author")) or jsonld.names(node.get("creator"))
    if value := tree.first(metas, _META):
        yield "meta", [value]
    if names.has_label(metas.get("twitter:label1", "")):
        yield "meta", [metas.get("twitter:data1", "")]
    if "citation_author" in metas:
        cited = (e for e in page.root.iter("meta") if e.get("name") == "citation_author")
        yield "meta", [_in_order(squeeze(element.get("content"))) for element in cited]


def _written(page: Page) -> Iterator[Written]:
    """Yield what is marked as the author, or says so to readers."""
    yield "microdata", _marked(page)
    yield "visible", _labelled(page)
    yield "visible", _beside(page)
    yield "visible", _plainly(page)


def _hinted(page: Page) -> Iterator[Written]:
    """Yield what only hints at the author: not believed where the page names its outlet."""
    yield "visible", _linked(page)
    yield "visible", _introduced(page.root)


def _in_order(name: str) -> str:
    family, comma, given = name.partition(", ")
    return f"{given} {family}" if comma else name


# --- Marks for machines ---


def _marked(page: Page) -> list[str]:
    """Return the names in elements that are marked as author for machines."""
    marked = [element for name in _MARKED for element in page.marks.get(name, [])]
    written = (
        element.get("content") or _first_name(element)
        for element in marked[:_MAX_MARKS]
        if not page.is_elsewhere(element)
    )
    return [name for name in written if name and len(name) < _MAX_LINE]


def _labelled(page: Page) -> list[str]:
    """Return the names in the first elements whose class says that they hold the author."""
    labelled = (element for element in page.root.iter(*_BLOCKS) if _is_labelled(element))
    holders = [
        element for element in islice(labelled, _MAX_HOLDERS) if not page.is_elsewhere(element)
    ]
    outer = {ancestor for element in holders for ancestor in element.iterancestors()}
    for element in sorted(holders, key=lambda holder: holder in outer):
        name = _first_name(element)
        if _MIN_NAME < len(name) < _MAX_LINE and names.look_like_names(name):
            return [name, *_fellows(element, holders)]
    return []


def _is_labelled(element: HtmlElement) -> bool:
    return _is_label(element.get("class")) or _is_label(element.get("id"))


@lru_cache(maxsize=10_000)  # pages of a site share their classes
def _is_label(name: str | None) -> bool:
    return bool(name and _LABEL.search(name))


def _fellows(element: HtmlElement, holders: list[HtmlElement]) -> list[str]:
    """Return the names in the elements of the same kind beside this one."""
    fellows = (
        _first_name(other)
        for other in holders
        if other is not element
        and other.getparent() is element.getparent()
        and (other.tag, other.get("class")) == (element.tag, element.get("class"))
    )
    return [name for name in fellows if name and names.look_like_names(name)]


# --- What readers see ---


def _beside(page: Page) -> list[str]:
    """Return the names in a short line "By ..." after the headline."""
    for element in islice(_after(page), _NEAR):
        line = squeeze(element.text)
        found = _by_line(element) or (len(line) < _MAX_LINE and names.before_role(line))
        if found:
            return [found]
    return []


def _plainly(page: Page) -> list[str]:
    """Return the names in the first short line "Written by ..."."""
    elements = page.root.iter("p", "div", "span", "li", "em", "i", "strong", "h3", "h4", "a")
    plain = (e for e in elements if e.text and names.has_label(e.text, plain=True))
    for element in islice(plain, _MAX_MARKS):
        if found := _by_line(element):
            return [] if page.is_elsewhere(element) else [found]
    return []


def _by_line(element: HtmlElement) -> str:
    """Return the names in an element that begins with "By", or that stand after such a word."""
    if len(element) > _MAX_CHILDREN or not names.has_label(element.text or ""):
        return ""
    for holder in (element, element.getnext(), element.getparent()):
        line = _short_text(holder) if holder is not None else ""
        if names.without_label(line):
            linked = [n for link in holder.iter("a") if (n := _author_linked(link))]
            written = _cut_date(names.without_label(line))
            several = ", ".join(linked) if len(linked) > 1 else ""
            found = (several, written, *linked, _first_name(holder))
            return next((line for line in found if names.look_like_names(line)), "")
    return ""


def _short_text(element: HtmlElement) -> str:
    """Return the text of an element that is one line, nothing of a longer one."""
    chunks = list(islice(element.itertext(), _MAX_LINE))
    line = squeeze(" ".join(chunks)) if len(chunks) < _MAX_LINE else ""
    return line if len(line) < _MAX_LINE else ""


def _author_linked(link: HtmlElement) -> str:
    """Return the name in a link to the page of an author."""
    name = _first_name(link) if _AUTHOR_ADDRESS.search(link.get("href") or "") else ""
    return name if _is_full_name(name) else ""


def _linked(page: Page) -> list[str]:
    """Return the names in the first links to the pages of authors, near the headline."""
    holder, found = None, []
    for link in islice(_after(page), _NEAR):
        name = _author_linked(link) if link.tag == "a" else ""
        if not name or page.is_elsewhere(link):
            continue
        if holder is None or link.getparent() is holder:
            holder = link.getparent()
            found.append(name)
    return found


def _introduced(root: HtmlElement) -> list[str]:
    """Return the one name that a box introduces: "Mira Aalto", "Mira Aalto is a writer ..."."""
    told: dict[str, str] = {}
    for element in root.iter("p", "div", "span"):
        line = _beginning(element)
        if _MIN_BIOGRAPHY < len(line) < _MAX_BIOGRAPHY and (match := _IS.match(line)):
            told.setdefault(match[1], line)
    told = {n: line for n, line in told.items() if _is_full_name(n) and not n.isupper()}
    if not told:
        return []
    lines = (squeeze(element.text) for element in root.iter(*_BLOCKS, "h2", "h5", "em", "b"))
    alone = Counter(line for line in lines if line in told)
    found = [name for name in told if alone[name] > (not names.has_role(told[name]))]
    return found if len(found) == 1 else []


def _beginning(element: HtmlElement) -> str:
    """Return how an element begins, where its first words may be a link."""
    own = squeeze(element.text)
    if own or not len(element):
        return own
    return squeeze(f"{element[0].text or ''} {element[0].tail or ''}")


def _is_full_name(line: str) -> bool:
    if not (_MIN_NAME < len(line) < _MAX_LINE / 2) or names.is_nobody(line):
        return False
    return len(line.split()) >= _FULL_NAME and names.look_like_names(line)


def _after(page: Page) -> Iterator[HtmlElement]:
    """Yield the elements after the headline; none where there is no headline."""
    elements = page.root.iter("*")
    return dropwhile(lambda element: element is not page.headline, elements)


def _cut_date(line: str) -> str:
    """Return what stands before the date in "Mira Aalto, Dec 17, 2025"."""
    parts = re.split(r"\s*[,|•·–—-]\s+", line)
    return parts[0] if len(parts) > 1 and dates.stands_alone(line) else line


def _first_name(element: HtmlElement) -> str:
    """Return the first words in an element that are no "By": the name, not the role after it."""
    for chunk in element.itertext():
        name = names.without_label(chunk)
        if name and not names.is_nobody(name):
            return squeeze(chunk)
    return ""
