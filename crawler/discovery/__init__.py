"""The bytes of a feed, sitemap or section page go in; a `Listing` comes out: links, problems.

Whatever the bytes are, nothing raises: what is wrong is named and counted. What the bytes are
decides how they are read, not what the source calls them: sites answer with an RSS feed where a
sitemap was, and with a web page where either was.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, tzinfo

from crawler.discovery import documents, json_feeds, sections, text_lists, xml_feeds, xml_sitemaps
from crawler.discovery.documents import Document, Format
from crawler.discovery.listed import Listed
from services.shared.frontier import FeedKind, Listing

Reader = Callable[[Document, Listed], None]

READERS: Mapping[Format, Reader] = {
    "feed": xml_feeds.read,
    "sitemap": xml_sitemaps.read,
    "json": json_feeds.read,
    "text": text_lists.read,
}


def parse(  # noqa: PLR0913 - five are by keyword only
    body: bytes,
    url: str,
    *,
    kind: FeedKind = "feed",
    content_type: str | None = None,
    zone: tzinfo | None = None,
    now: datetime | None = None,
    elsewhere: frozenset[str] = frozenset(),
) -> Listing:
    """Return what the body lists that was found at `url`.

    `content_type` is the header of that name; `zone` is the source's, for times without one. With
    `now`, items dated in the future or years ago are counted. `elsewhere` are the keys of links
    that stand on other pages of the site too, which a section page has for navigation.
    """
    listed = Listed(url, zone, now)
    document = documents.look(body, content_type, listed.problems)
    if document.format == "empty":
        listed.problems["empty"] += 1
    elif document.format == "html" and kind == "section":
        sections.read(document, listed, elsewhere)
    elif document.format == "html":
        listed.problems["html_instead"] += 1
    elif reader := READERS.get(document.format):
        reader(document, listed)
    else:
        listed.problems["unknown_format"] += 1
    return listed.listing()
