"""A parsed page goes in; its elements that are marked for machines come out, by what they mark.

Microdata (`itemprop`, `itemtype`), RDFa Lite (`property`) and links with a `rel`, read in one pass.
"""

from lxml import etree
from lxml.html import HtmlElement

from worker.tree import squeeze, text_of

_ANY = etree.XPath(
    "//*[@itemprop or @itemtype or (@property and not(self::meta))"
    # The relations that are asked for: most others tell robots what not to do.
    " or @rel[contains(., 'author') or contains(., 'tag') or contains(., 'anonical')"
    " or contains(., 'image_src')]]"
)
_PREFIXES = ("schema:", "http://schema.org/", "https://schema.org/")

Marks = dict[str, list[HtmlElement]]


def read(root: HtmlElement) -> Marks:
    """Return the elements by what marks them: "author", "rel tag", "type NewsArticle"."""
    found: Marks = {}
    for element in _ANY(root):
        for mark in _of(element):
            found.setdefault(mark, []).append(element)
    return found


def text(marks: Marks, name: str) -> str:
    """Return what the first element with this property says, or the name within it."""
    for element in marks.get(name, [])[:1]:
        inner = element.find(".//*[@itemprop='name']")
        stated = inner if inner is not None else element
        return squeeze(stated.get("content")) or text_of(stated)
    return ""


def address(marks: Marks, name: str) -> str | None:
    """Return the address in the first element with this property, or in the one within it."""
    for element in marks.get(name, [])[:1]:
        inner = element.find(".//*[@itemprop='url']")
        stated = inner if inner is not None else element
        found: str | None = stated.get("content") or stated.get("src") or stated.get("href")
        return found
    return None


def _of(element: HtmlElement) -> list[str]:
    names = (element.get("itemprop") or "").split()
    names += [_bare(name) for name in (element.get("property") or "").split()]
    names += [f"rel {name}" for name in (element.get("rel") or "").lower().split()]
    kind = (element.get("itemtype") or "").strip().rpartition("/")[2]
    return [*names, f"type {kind}"] if kind else names


def _bare(name: str) -> str:
    return next((name.removeprefix(p) for p in _PREFIXES if name.startswith(p)), name)
