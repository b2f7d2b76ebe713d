"""Addresses go in; the bytes of a feed, sitemap, section page, article or robots.txt come out.

An item is an address, or an address with what the feed says of it.
"""

import gzip
import html
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

SITEMAP = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
NEWS = 'xmlns:news="http://www.google.com/schemas/sitemap-news/0.9"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is listed: an address, its title and its time, the item's id."""

    url: str
    title: str = ""
    at: datetime | None = None
    guid: str = ""


Item = str | Entry


def _entries(items: Iterable[Item]) -> list[Entry]:
    return [item if isinstance(item, Entry) else Entry(url=item) for item in items]


def _element(name: str, text: str) -> str:
    return f"<{name}>{html.escape(text)}</{name}>" if text else ""


def rss(items: Iterable[Item], *, head: str = "") -> bytes:
    """Return RSS 2.0; `head` stands in the channel before the items: `<ttl>20</ttl>`."""
    told = "".join(
        "<item>"
        + _element("title", entry.title)
        + _element("link", entry.url)
        + _element("guid", entry.guid)
        + _element("pubDate", format_datetime(entry.at) if entry.at else "")
        + "</item>"
        for entry in _entries(items)
    )
    return f'<rss version="2.0"><channel>{head}{told}</channel></rss>'.encode()


def rdf(items: Iterable[Item]) -> bytes:
    """Return RSS 1.0."""
    told = "".join(
        f'<item rdf:about="{html.escape(entry.url)}">'
        + _element("title", entry.title)
        + _element("link", entry.url)
        + _element("dc:date", entry.at.isoformat() if entry.at else "")
        + "</item>"
        for entry in _entries(items)
    )
    return (
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
        ' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns="http://purl.org/rss/1.0/">'
        f"{told}</rdf:RDF>"
    ).encode()


def atom(items: Iterable[Item]) -> bytes:
    """Return Atom."""
    told = "".join(
        f'<entry><link href="{html.escape(entry.url)}"/>'
        + _element("id", entry.guid or entry.url)
        + _element("title", entry.title)
        + _element("published", entry.at.isoformat() if entry.at else "")
        + "</entry>"
        for entry in _entries(items)
    )
    return f'<feed xmlns="http://www.w3.org/2005/Atom">{told}</feed>'.encode()


def json_feed(items: Iterable[Item]) -> bytes:
    """Return JSON Feed 1.1."""
    told = [
        {"id": entry.guid or entry.url, "url": entry.url, "title": entry.title}
        | ({"date_published": entry.at.isoformat()} if entry.at else {})
        for entry in _entries(items)
    ]
    feed = {"version": "https://jsonfeed.org/version/1.1", "title": "Feed", "items": told}
    return json.dumps(feed).encode()


def sitemap(items: Iterable[Item]) -> bytes:
    """Return a sitemap, with times as lastmod."""
    return _listed("urlset", "url", items, SITEMAP)


def index(items: Iterable[Item]) -> bytes:
    """Return an index of sitemaps, with times as lastmod."""
    return _listed("sitemapindex", "sitemap", items, SITEMAP)


def news_sitemap(items: Iterable[Item]) -> bytes:
    """Return a news sitemap."""
    told = "".join(
        f"<url>{_element('loc', entry.url)}<news:news>"
        + _element("news:publication_date", entry.at.isoformat() if entry.at else "")
        + _element("news:title", entry.title)
        + "</news:news></url>"
        for entry in _entries(items)
    )
    return f"<urlset {SITEMAP} {NEWS}>{told}</urlset>".encode()


def _listed(root: str, name: str, items: Iterable[Item], names: str) -> bytes:
    told = "".join(
        f"<{name}>{_element('loc', entry.url)}"
        f"{_element('lastmod', entry.at.isoformat() if entry.at else '')}</{name}>"
        for entry in _entries(items)
    )
    return f"<{root} {names}>{told}</{root}>".encode()


def gzipped(body: bytes) -> bytes:
    """Return a body as a file that is compressed, as sitemaps are: `sitemap.xml.gz`."""
    return gzip.compress(body, 1)


def section(items: Iterable[Item], *, menu: Iterable[str] = ()) -> bytes:
    """Return a web page that lists articles, under a menu of these paths."""
    listed = "".join(
        f"<li><h3><a href='{html.escape(entry.url)}'>{html.escape(entry.title)}</a></h3></li>"
        for entry in _entries(items)
    )
    nav = "".join(f"<a href='{path}'>{path.strip('/').title()}</a>" for path in menu)
    return f"<html><nav>{nav}</nav><ul>{listed}</ul></html>".encode()


def article(title: str, text: str) -> bytes:
    """Return a news page; paragraphs are parted by line ends."""
    paragraphs = "".join(f"<p>{html.escape(line)}</p>\n" for line in text.splitlines())
    return (
        f"<!DOCTYPE html><html lang='ar' dir='rtl'><head><meta charset='utf-8'>"
        f"<title>{html.escape(title)}</title></head><body><article>"
        f"<h1>{html.escape(title)}</h1>\n{paragraphs}</article></body></html>"
    ).encode()


def robots(*forbidden: str, delay_s: float | None = None, sitemaps: Iterable[str] = ()) -> bytes:
    """Return a robots.txt for everybody."""
    lines = ["User-agent: *", *(f"Disallow: {path}" for path in forbidden)]
    if delay_s is not None:
        lines.append(f"Crawl-delay: {delay_s}")
    return "\n".join([*lines, *(f"Sitemap: {url}" for url in sitemaps), ""]).encode()


def huge_robots(before: str, after: str) -> bytes:
    """Return a robots.txt of more than 500 KiB that forbids one path at each end."""
    filler = b"# nothing\n" * 52_000
    return robots(before) + filler + f"Disallow: {after}\n".encode()
