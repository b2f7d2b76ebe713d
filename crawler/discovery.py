"""The bytes of a feed or sitemap go in; a `Listing` comes out: links, children, problems.

Whatever the bytes are, nothing raises: what is wrong is named and counted.
"""

import html
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from io import BytesIO
from typing import Any
from urllib.parse import urljoin

import feedparser
from lxml import etree

from crawler import dates
from services.shared import urls
from services.shared.errors import InvalidUrl
from services.shared.frontier import FeedKind, ListedLink, ListedSitemap, Listing, Problem

#: As the sitemap protocol has it; the same for feeds.
MOST_LINKS = 50_000
MOST_BYTES = 64 * 1024 * 1024
#: An index beyond this would be an archive; its first entries are read.
MOST_CHILDREN = 1000
#: As the sitemap protocol has it: 2048 less one. A sitemap's address is indexed, unlike a page's.
MOST_CHILD_URL = 2047

_ROOT = re.compile(rb"<(?:\w+:)?([A-Za-z]\w*)")
_PROLOG = re.compile(rb"<!--.*?-->|<\?.*?\?>", re.DOTALL)
_FEED_ROOTS = {b"rss", b"feed", b"rdf"}
_SITEMAP_ROOTS = {b"urlset", b"sitemapindex"}
_TAG = re.compile(r"<[^<>]*>")
#: Neither XML nor Postgres holds these.
_UNTELLABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")


def parse(kind: FeedKind, body: bytes, url: str, zone: tzinfo | None = None) -> Listing:
    """Return what the body of the feed or sitemap at `url` lists; `zone` is the source's."""
    return (parse_feed if kind == "feed" else parse_sitemap)(body, url, zone)


def parse_feed(body: bytes, url: str, zone: tzinfo | None = None) -> Listing:
    """Return what an RSS or Atom feed lists."""
    listed = _Listed(url, zone)
    body = _unpacked(body, listed)
    root = _root(body)
    if not body.strip():
        listed.problems["empty"] += 1
    elif root == b"html":
        listed.problems["html_instead"] += 1
    elif root in _SITEMAP_ROOTS:
        _read_sitemap(body, listed)
    else:
        _read_feed(body, listed)
    return listed.listing()


def parse_sitemap(body: bytes, url: str, zone: tzinfo | None = None) -> Listing:
    """Return what a sitemap, news sitemap or sitemap index lists; feeds and text lists as well."""
    listed = _Listed(url, zone)
    body = _unpacked(body, listed)
    root = _root(body)
    if not body.strip():
        listed.problems["empty"] += 1
    elif root == b"html":
        listed.problems["html_instead"] += 1
    elif root in _FEED_ROOTS:
        _read_feed(body, listed)
    elif root is None:
        _read_text(body, listed)
    else:
        _read_sitemap(body, listed)
    return listed.listing()


@dataclass
class _Listed:
    """A listing in the making."""

    url: str
    zone: tzinfo | None
    links: list[ListedLink] = field(default_factory=list)
    children: list[ListedSitemap] = field(default_factory=list)
    problems: Counter[Problem] = field(default_factory=Counter)

    def add(
        self, href: str | None, title: str | None, published: str | None, modified: str | None
    ) -> None:
        url = self.address(href)
        if url is None:
            return
        if len(self.links) >= MOST_LINKS:
            self.problems["too_large"] += 1
            return
        self.links.append(
            ListedLink(
                url=url,
                title=_plain(title),
                published_at=self.date(published),
                modified_at=self.date(modified, day_suffices=True),
            )
        )

    def add_child(self, href: str | None, modified: str | None) -> None:
        url = self.address(href)
        if url is None:
            return
        if len(url) > MOST_CHILD_URL:
            self.problems["invalid_link"] += 1
            return
        if len(self.children) >= MOST_CHILDREN:
            self.problems["too_large"] += 1
            return
        self.children.append(
            ListedSitemap(url=url, modified_at=self.date(modified, day_suffices=True))
        )

    def address(self, href: str | None) -> str | None:
        if not href or not href.strip():
            self.problems["item_without_link"] += 1
            return None
        try:
            return urls.clean(urljoin(self.url, href.strip()))
        except (InvalidUrl, ValueError):
            self.problems["invalid_link"] += 1
            return None

    def date(self, text: str | None, *, day_suffices: bool = False) -> datetime | None:
        if not text or not text.strip():
            return None
        date = dates.parse(text, self.zone, day_suffices=day_suffices)
        if isinstance(date, datetime):
            return date
        self.problems[date] += 1
        return None

    def listing(self) -> Listing:
        explained = self.problems.keys() & {"empty", "html_instead", "unknown_format"}
        if not self.links and not self.children and not explained:
            self.problems["no_links"] += 1
        return Listing(
            links=tuple(self.links), children=tuple(self.children), problems=dict(self.problems)
        )


def _unpacked(body: bytes, listed: _Listed) -> bytes:
    """Return the body without gzip, if it has it: sitemaps often are .gz files."""
    if not body.startswith(b"\x1f\x8b"):
        return body
    unpacker = zlib.decompressobj(wbits=31)
    try:
        unpacked = unpacker.decompress(body, MOST_BYTES)
    except zlib.error:
        listed.problems["malformed"] += 1
        return b""
    if unpacker.unconsumed_tail:
        listed.problems["too_large"] += 1
    elif not unpacker.eof:
        listed.problems["malformed"] += 1
    return unpacked


def _root(body: bytes) -> bytes | None:
    """Return the lower-case name of the first element, or None if the body does not look XML."""
    head = body[:8192]
    for encoding in ("utf-16-le", "utf-16-be"):
        if head.startswith(("\ufeff<".encode(encoding), "<?".encode(encoding))):
            head = head.decode(encoding, "replace").encode()
    head = _PROLOG.sub(b"", head).lstrip(b"\xef\xbb\xbf \t\r\n")
    if not head.startswith(b"<"):
        return None
    if re.match(rb"(?i)<!doctype\s+html", head):
        return b"html"
    root = _ROOT.search(head)
    return root[1].lower() if root else b""


def _read_feed(body: bytes, listed: _Listed) -> None:
    if _is_too_deep(body):
        # feedparser's time grows with the square of the depth.
        listed.problems["unknown_format"] += 1
        return
    headers = {"content-location": listed.url, "content-type": "application/xml"}
    try:
        feed = feedparser.parse(BytesIO(body), response_headers=headers, sanitize_html=False)
    except Exception:  # noqa: BLE001 - hostile bytes; feedparser promises nothing
        listed.problems["malformed"] += 1
        return
    if feed.get("bozo") and not isinstance(
        feed.get("bozo_exception"), feedparser.exceptions.CharacterEncodingOverride
    ):
        listed.problems["malformed"] += 1
    if not feed.get("version") and not feed.entries:
        listed.problems["unknown_format"] += 1
    for entry in feed.entries:
        listed.add(
            _text(entry, "feedburner_origlink") or _text(entry, "link"),
            _text(entry, "title"),
            _text(entry, "published") or _text(entry, "created"),
            _text(entry, "updated"),
        )


def _is_too_deep(body: bytes) -> bool:
    parser = etree.XMLParser(recover=True, resolve_entities=False, no_network=True)
    with suppress(etree.XMLSyntaxError, ValueError):
        etree.fromstring(body, parser)
    return any("depth" in error.message for error in parser.error_log)


def _text(entry: Any, name: str) -> str | None:  # feedparser has no types
    # Not entry.get: that answers `published` when asked for `updated`.
    value = dict.get(entry, name)
    return value if isinstance(value, str) else None


def _plain(title: str | None) -> str | None:
    if not title:
        return None
    text = html.unescape(_TAG.sub("", title) if "<" in title else title)
    return " ".join(_UNTELLABLE.sub("", text).split()) or None


def _read_sitemap(body: bytes, listed: _Listed) -> None:
    # No DTD, no entities, no network; libxml2's own limits on depth and text stay on.
    parse = etree.iterparse(
        BytesIO(body),
        events=("end",),
        recover=True,
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
    )
    seen = False
    try:
        for _, element in parse:
            name = _local_name(element)
            if name not in ("url", "sitemap"):
                continue
            seen = True
            fields = dict(_fields(element))
            if name == "url":
                listed.add(
                    fields.get("loc"),
                    fields.get("title"),
                    fields.get("publication_date"),
                    fields.get("lastmod"),
                )
            else:
                listed.add_child(fields.get("loc"), fields.get("lastmod"))
            element.clear()
    except (etree.XMLSyntaxError, ValueError):
        listed.problems["malformed"] += 1
    else:
        if any(error.level >= etree.ErrorLevels.ERROR for error in parse.error_log):
            listed.problems["malformed"] += 1
    if not seen and _root(body) not in _SITEMAP_ROOTS:
        listed.problems["unknown_format"] += 1


def _fields(element: etree._Element) -> Iterator[tuple[str, str]]:
    """Yield the texts of a `url` element's own fields and of its `news` element's.

    Not of deeper ones: an image has a `loc` and a `title` too.
    """
    for child in element:
        if _local_name(child) == "news":
            for field_ in child:
                if _local_name(field_) in ("publication_date", "title"):
                    yield _local_name(field_), field_.text or ""
        elif _local_name(child) in ("loc", "lastmod"):
            yield _local_name(child), child.text or ""


def _local_name(element: etree._Element) -> str:
    # A comment's or instruction's tag is a function.
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _read_text(body: bytes, listed: _Listed) -> None:
    """Read a sitemap of one address a line."""
    lines = body.decode("utf-8-sig", "replace").split()
    if not lines or not lines[0].startswith(("http://", "https://")):
        listed.problems["unknown_format"] += 1
        return
    for line in lines:
        listed.add(line, None, None, None)
