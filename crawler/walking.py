"""A sitemap's links and the days that are wanted go in; what a backfill takes comes out."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import urljoin, urlsplit

from protego import Protego

from crawler.politeness import scattered
from services.shared import urls
from services.shared.errors import InvalidUrl
from services.shared.frontier import DueFeed, FeedKind, ListedLink, ListedSitemap, Listing
from services.shared.sources import Source

#: Where the sitemaps of most sites are.
USUAL_PLACES = ("/sitemap.xml", "/sitemap_index.xml")
#: A sitemap that cannot be read is tried again after one minute, then five: then it is passed over.
TRIES = 3
FIRST_RETRY_S = 60.0


@dataclass(frozen=True, slots=True)
class Window:
    """The days that are wanted, from the first moment to the one after the last."""

    since: datetime | None
    until: datetime | None

    def links(self, listed: Iterable[ListedLink]) -> list[ListedLink]:
        """Return the links of these days, and those of which nobody says when they are of."""
        return [link for link in listed if self._has(link.published_at or link.modified_at)]

    def sitemaps(self, listed: Iterable[ListedSitemap]) -> list[ListedSitemap]:
        """Return the sitemaps that may list such links: all that did not end before."""
        since = self.since
        return [
            one for one in listed if not (since and one.modified_at and one.modified_at < since)
        ]

    def _has(self, at: datetime | None) -> bool:
        if at is None:
            return True
        return not (self.since and at < self.since) and not (self.until and at >= self.until)


#: A day may be all that a sitemap tells of a time.
HOLE_MARGIN = timedelta(days=1)
#: So many sitemaps are read for one hole, of robots.txt and of each index.
MOST_FOR_A_HOLE = 10


def within_hole(listing: Listing, since: datetime) -> Listing:
    """Return what a sitemap lists of the time since then, by the dates that it states.

    It may list all that the site ever had: what has no date is left out, of sitemaps not the first.
    """
    window = Window(since - HOLE_MARGIN, None)
    children = window.sitemaps(listing.children)
    newest = sorted(children, key=lambda one: (one.modified_at or since).timestamp(), reverse=True)
    links = [link for link in window.links(listing.links) if link.published_at or link.modified_at]
    return replace(listing, links=tuple(links), children=tuple(newest[:MOST_FOR_A_HOLE]))


def for_hole(robots: bytes | None, source: Source) -> list[str]:
    """Return the sitemaps of the source's site that robots.txt names, unless the source has some.

    Those are read then; a sitemap of another site says nothing of this one's news.
    """
    if any(feed.kind == "sitemap" for feed in source.feeds):
        return []
    sites = {urls.site(address) for address in (source.home_page, *(f.url for f in source.feeds))}
    named = [url for url in named_by(robots) if urls.site(url) in sites]
    return named[:MOST_FOR_A_HOLE]


def usual_places(home_page: str) -> list[str]:
    """Return where the sitemaps of a site may be that nobody has told of."""
    return [urls.clean(urljoin(home_page, path)) for path in USUAL_PLACES]


def named_by(robots: bytes | None) -> list[str]:
    """Return the sitemaps that a robots.txt names."""
    found = []
    for url in Protego.parse((robots or b"").decode("utf-8", "replace")).sitemaps:
        try:
            found.append(urls.clean(url))
        except InvalidUrl:
            continue
    return found


def kind_of(url: str) -> FeedKind:
    """Return how an address is read that a person names: a page of links is an archive."""
    return "sitemap" if urlsplit(url).path.endswith((".xml", ".gz", ".txt")) else "section"


def error_wait_s(feed: DueFeed) -> float | None:
    """Return how long a sitemap waits that cannot be read, or None to pass it over."""
    if feed.errors_count + 1 >= TRIES:
        return None
    return scattered(FIRST_RETRY_S * 5**feed.errors_count)
