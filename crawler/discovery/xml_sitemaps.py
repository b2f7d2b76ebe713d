"""A sitemap, news sitemap or sitemap index goes in; its pages and sitemaps are listed."""

from collections.abc import Iterator

from lxml import etree

from crawler.discovery.documents import Document
from crawler.discovery.listed import Entry, Listed
from crawler.discovery.xml import elements, name_of

_ENTRIES = frozenset({"url", "sitemap"})


def read(document: Document, listed: Listed) -> None:
    """List the entries."""
    for element in elements(document, _ENTRIES, listed.problems):
        fields = dict(_fields(element))
        if name_of(element)[1] == "sitemap":
            listed.add_child(fields.get("loc"), fields.get("lastmod"))
        else:
            listed.add(
                Entry(
                    [fields.get("loc")],
                    title=fields.get("title"),
                    published=fields.get("publication_date"),
                    modified=fields.get("lastmod"),
                )
            )
            listed.language = listed.language or fields.get("language")


def _fields(element: etree._Element) -> Iterator[tuple[str, str]]:
    """Yield the texts of a `url` element's own fields and of its `news` element's.

    Not of deeper ones: an image has a `loc` and a `title` too.
    """
    for child in element.iterchildren("*"):
        name = name_of(child)[1]
        if name == "news":
            for field in child.iterchildren("*"):
                name = name_of(field)[1]
                if name in ("publication_date", "title"):
                    yield name, field.text or ""
                elif name == "publication":
                    yield from (
                        (n, f.text or "") for f in field if (n := name_of(f)[1]) == "language"
                    )
        elif name in ("loc", "lastmod"):
            yield name, child.text or ""
