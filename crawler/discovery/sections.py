"""A section page goes in; the articles it links to are listed, and its navigation is not."""

from crawler.discovery.documents import Document
from crawler.discovery.listed import Listed


def read(document: Document, listed: Listed, elsewhere: frozenset[str]) -> None:
    """List the articles; `elsewhere` are the keys of links that other pages have, too."""
    del document, listed, elsewhere
