"""Addresses, titles and dates as they were written go in; a `Listing` of clean ones comes out."""

import html
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, tzinfo
from urllib.parse import urljoin

from crawler.discovery import dates
from services.shared import urls
from services.shared.errors import InvalidUrl
from services.shared.frontier import ListedLink, ListedSitemap, Listing, Problem

#: As the sitemap protocol has it; the same for feeds.
MOST_LINKS = 50_000
#: An index beyond this would be an archive; its first entries are read.
MOST_CHILDREN = 1000
#: As the sitemap protocol has it: 2048 less one. A sitemap's address is indexed, unlike a page's.
MOST_CHILD_URL = 2047
#: What is longer is no headline and no id. Cut, so that one item cannot fill the store.
MOST_TITLE = 1000
MOST_GUID = 500
MOST_LANGUAGE = 35
#: No server takes a longer one.
MOST_URL = 16_000
#: A clock may be wrong, or a zone; beyond this it is a mistake, or an announcement.
FUTURE = timedelta(days=1)
OLD = timedelta(days=365)

_TAG = re.compile(r"<[^<>]*>")
#: Neither XML nor Postgres holds these.
_UNTELLABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Entry:
    """What is written of one page: where it can be, the best address first, and the rest."""

    hrefs: Sequence[str | None]
    #: What a relative address begins at, if that is not the list's own address.
    base: str | None = None
    title: str | None = None
    published: str | None = None
    modified: str | None = None
    guid: str | None = None


@dataclass
class Listed:
    """A listing in the making: what is found at `url`, with times of `zone` where none is told."""

    url: str
    zone: tzinfo | None = None
    now: datetime | None = None
    title: str | None = None
    language: str | None = None
    ttl_s: float | None = None
    every_s: float | None = None
    links: list[ListedLink] = field(default_factory=list)
    children: list[ListedSitemap] = field(default_factory=list)
    problems: Counter[Problem] = field(default_factory=Counter)
    page_keys: frozenset[str] = frozenset()
    _guids: dict[str, str] = field(default_factory=dict)

    def add(self, entry: Entry) -> bool:
        """Take an entry of a list of pages, if it has an address; return whether it was taken."""
        url = self._address(entry.hrefs, entry.base)
        if url is None or not self._has_room():
            return False
        self.links.append(
            ListedLink(
                url=url,
                title=plain(entry.title),
                published_at=self._date(entry.published),
                modified_at=self._date(entry.modified, day_suffices=True),
            )
        )
        return True

    def add_item(self, entry: Entry) -> None:
        """Take an item of a feed, which should have a date of these days and an id of its own."""
        if not self.add(entry):
            return
        link = self.links[-1]
        if not (entry.published or "").strip() and not (entry.modified or "").strip():
            self.problems["item_without_date"] += 1
        stated = link.modified_at or link.published_at
        if stated and self.now:
            self.problems["future_date"] += stated > self.now + FUTURE
            self.problems["old_item"] += stated < self.now - OLD
        guid = _told(entry.guid or "")[:MOST_GUID]
        if not guid:
            return
        if self._guids.setdefault(guid, link.url) != link.url:
            self.problems["reused_guid"] += 1
        if guid != link.url:
            self.links[-1] = replace(link, guid=guid)

    def add_child(self, href: str | None, modified: str | None) -> None:
        """Take an entry of a sitemap index."""
        url = self._address([href])
        if url is None:
            return
        if len(url) > MOST_CHILD_URL:
            self.problems["invalid_link"] += 1
            return
        if len(self.children) >= MOST_CHILDREN:
            self.problems["too_large"] += 1
            return
        self.children.append(
            ListedSitemap(url=url, modified_at=self._date(modified, day_suffices=True))
        )

    def _has_room(self) -> bool:
        if len(self.links) < MOST_LINKS:
            return True
        self.problems["too_large"] += 1
        return False

    def _address(self, hrefs: Sequence[str | None], base: str | None = None) -> str | None:
        written = [href.strip() for href in hrefs if href and href.strip()]
        for href in written:
            try:
                url = urls.clean(urljoin(base or self.url, href[: MOST_URL + 1]))
            except (InvalidUrl, ValueError):
                continue
            if len(url) <= MOST_URL:
                return url
        self.problems["invalid_link" if written else "item_without_link"] += 1
        return None

    def _date(self, text: str | None, *, day_suffices: bool = False) -> datetime | None:
        if not text or not text.strip():
            return None
        date = dates.parse(text, self.zone, day_suffices=day_suffices)
        if isinstance(date, datetime):
            return date
        self.problems[date] += 1
        return None

    def listing(self) -> Listing:
        """Return what was taken; that nothing was is a problem, if no other explains it."""
        problems: dict[Problem, int] = {what: n for what, n in self.problems.items() if n}
        explained = problems.keys() & {"empty", "html_instead", "unknown_format"}
        if not self.links and not self.children and not explained:
            problems["no_links"] = 1
        return Listing(
            links=tuple(self.links),
            children=tuple(self.children),
            problems=problems,
            title=plain(self.title),
            language=_told(self.language or "")[:MOST_LANGUAGE] or None,
            page_keys=self.page_keys,
            ttl_s=self.ttl_s,
            every_s=self.every_s,
        )


def plain(title: str | None) -> str | None:
    """Return a title as text in one line, without markup; None if nothing is left."""
    if not title:
        return None
    title = title[: MOST_TITLE * 10]
    text = html.unescape(_TAG.sub("", title) if "<" in title else title)
    return _told(text)[:MOST_TITLE].rstrip() or None


def _told(text: str) -> str:
    return " ".join(_UNTELLABLE.sub("", text).split())
