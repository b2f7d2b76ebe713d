"""A site's home page goes in; where its feeds, sitemaps and sections may be comes out."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote, urljoin, urlsplit

from crawler.discovery import sections, weights
from crawler.discovery.documents import Document
from services.shared import urls
from services.shared.errors import InvalidUrl
from services.shared.frontier import FeedKind

#: Where feeds and sitemaps are on most sites, for those that do not tell.
USUAL_FEEDS = ("/feed", "/rss.xml", "/rss", "/feed.xml", "/atom.xml", "/feed.json")
USUAL_SITEMAPS = ("/sitemap.xml", "/sitemap_index.xml", "/news-sitemap.xml", "/sitemap-news.xml")
#: So many sections are looked at.
MOST_SECTIONS = 8
LONGEST_NAME = 40

_TYPES = re.compile(r"^application/(?:rss\+xml|atom\+xml|rdf\+xml|feed\+json)\b", re.IGNORECASE)
_FEED_PATH = re.compile(
    r"(?:^|[/.-])(?:rss|feeds?|atom)(?:\.(?:xml|json|php|aspx?))?/?$", re.IGNORECASE
)
_COMMENTS = re.compile(r"comments?(?:/|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An address that may list links; `told_by` says where it was found."""

    url: str
    kind: FeedKind
    told_by: str


def candidates(document: Document, url: str) -> Iterator[Candidate]:
    """Yield what the home page at `url` leads to: feeds first, then sections of its menu."""
    root = sections.tree_of(document.text)
    if root is None:
        return
    for link in root.iter("link"):
        relation = (link.get("rel") or "").lower().split()
        if "alternate" in relation and _TYPES.match(link.get("type") or ""):
            yield from _candidate(url, link.get("href"), "feed", "link tag")
    for anchor in root.iter("a"):
        if _FEED_PATH.search((anchor.get("href") or "").partition("?")[0]):
            yield from _candidate(url, anchor.get("href"), "feed", "home page")
    count = 0
    for target in sections.targets_of(root, url).values():
        if count < MOST_SECTIONS and _is_section(target, url):
            count += 1
            yield Candidate(target.url, "section", "menu")


def usual(url: str, kind: FeedKind) -> Iterator[Candidate]:
    """Yield the usual places of feeds or sitemaps on this site."""
    for path in USUAL_FEEDS if kind == "feed" else USUAL_SITEMAPS:
        yield from _candidate(url, path, kind, "usual place")


def _candidate(url: str, href: str | None, kind: FeedKind, told_by: str) -> Iterator[Candidate]:
    try:
        address = urls.clean(urljoin(url, (href or "").strip()))
    except (InvalidUrl, ValueError):
        return
    if not _COMMENTS.search(urlsplit(address).path):
        yield Candidate(address, kind, told_by)


def _is_section(target: sections.Target, url: str) -> bool:
    parts = urlsplit(target.url)
    segments = [segment for segment in unquote(parts.path).split("/") if segment]
    return (
        target.in_menu
        and 1 <= len(segments) <= 2  # noqa: PLR2004
        and not parts.query
        and 1 < len(target.text) <= LONGEST_NAME
        and urls.host(target.url) == urls.host(url)
        and not weights.is_list_word(segments[-1])
        and not _FEED_PATH.search(parts.path)
    )
