"""A sitemap's links and the days that are wanted go in; what a backfill takes comes out."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urljoin, urlsplit

from protego import Protego

from crawler.politeness import scattered
from services.shared import urls
from services.shared.errors import InvalidUrl
from services.shared.frontier import DueFeed, FeedKind, ListedLink, ListedSitemap

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


def again_at(feed: DueFeed, now: datetime) -> datetime | None:
    """Return when a sitemap is tried again that cannot be read, or None to pass it over."""
    if feed.errors_count + 1 >= TRIES:
        return None
    return now + timedelta(seconds=scattered(FIRST_RETRY_S * 5**feed.errors_count))
