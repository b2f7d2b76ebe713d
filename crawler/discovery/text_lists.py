"""A sitemap of one address a line goes in; its addresses are listed."""

from crawler.discovery.documents import Document
from crawler.discovery.listed import Entry, Listed


def read(document: Document, listed: Listed) -> None:
    """List the addresses; text that does not begin with one is an unknown format."""
    lines = document.text.split()
    if not lines[0].startswith(("http://", "https://")):
        listed.problems["unknown_format"] += 1
        return
    for line in lines:
        listed.add(Entry([line]))
