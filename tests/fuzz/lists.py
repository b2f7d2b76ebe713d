"""Feeds, sitemaps, section pages and robots.txt: any bytes give a bounded listing or rules."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

from crawler import discovery, robots
from crawler.discovery import dates, listed
from services.shared.frontier import FeedKind
from tests.fuzz.promises import is_clean, is_text, is_time
from tests.fuzz.target import Target

SECTIONS = Path(__file__).parents[1] / "sections"
URL = "https://news.example/feed"
NOW = datetime(2024, 5, 4, tzinfo=UTC)
XML = (
    *(b'<?xml version="1.0" encoding="utf-8"?>', b"<!DOCTYPE rss [", b'<!ENTITY a "aaaa">', b"&a;"),
    *(b'<!ENTITY b SYSTEM "file:///etc/hostname">', b"&b;", b"]>", b"<![CDATA[", b"]]>", b"<!--"),
    *(b"-->", b"&amp;", b"&nbsp;", b"&bogus;", b"&#0;", b"&#xFFFF;", b"xml:base='../x/'", b"<br>"),
)
FEED = (
    *XML,
    *(b"<rss version='2.0'>", b"<channel>", b"<item>", b"</item>", b"<title>", b"</title>"),
    *(b"<link>https://news.example/2024/a</link>", b"<guid isPermaLink='false'>", b"</guid>"),
    *(b"<pubDate>Fri, 03 May 2024 10:15:00 +0300</pubDate>", b"<pubDate>", b"</pubDate>"),
    *(b"<feed xmlns='http://www.w3.org/2005/Atom'>", b"<entry>", b"</entry>", b"<updated>"),
    *(b"<link rel='alternate' href='/x'/>", b"<id>", b"</id>", b"<rdf:RDF>", b"<dc:date>"),
    *(b"<ttl>60</ttl>", b"<sy:updatePeriod>hourly</sy:updatePeriod>", b"</channel></rss>"),
    *(b'{"items":[', b'{"url":"/a","id":1}', b'"title":', b'"date_published":"2024-05-03"', b"]}"),
)
SITEMAP = (
    *XML,
    *(
        b"<urlset>",
        b"<url>",
        b"</url>",
        b"<loc>",
        b"</loc>",
        b"https://news.example/a",
        b"<lastmod>",
    ),
    *(b"2024-05-03", b"2024", b"</lastmod>", b"<sitemapindex>", b"<sitemap>", b"</sitemap>"),
    *(b"<news:news>", b"<news:publication_date>2024-05-03T10:15Z</news:publication_date>"),
    *(b"<news:title>", b"</news:title>", b"<image:image>", b"</urlset>", b"http://[::1]/\n"),
)
SECTION = (
    *(
        b"<html lang=ar>",
        b"<base href='//x.example/'>",
        b"<title>",
        b"</title>",
        b"<nav>",
        b"</nav>",
    ),
    *(b"<ul class=menu>", b"<li>", b"<article>", b"<h2>", b"</h2>", b"<a rel=bookmark href='"),
    *(
        b"/2024/05/03/bridge-opens-again",
        b"?id=12345",
        b"'>",
        b"</a>",
        b"<time datetime='2024-05-03T1'>",
    ),
    *(b"The bridge opens to traffic again after months", b"<a href=/news/771234.html>", b"</li>"),
    *(
        "<a href='/خبر/جديد'>".encode(),
        "يفتح الجسر من جديد أمام حركة المرور".encode(),
        b"</article>",
    ),
)
ROBOTS = (
    *(b"User-agent: *\n", b"User-agent: rasid\n", b"Disallow: /", b"Allow: /*.html$\n", b"*", b"$"),
    *(
        b"Crawl-delay: ",
        b"Sitemap: https://news.example/s.xml\n",
        b"Request-rate: 1/10s 0800-1200\n",
    ),
    *(
        b"Visit-time: 0600-0845\n",
        b"%2F",
        b"#",
        b":",
        b"Host: x\n",
        b"0.5",
        b"1e400",
        b"Noindex: /\n",
    ),
)


def _parse(data: bytes, kind: FeedKind) -> None:
    stated, _, body = data.partition(b"\n")
    listing = discovery.parse(
        body,
        URL,
        kind=kind,
        content_type=stated.decode("latin-1")[:200],
        zone=timezone(timedelta(hours=3)),
        now=NOW,
    )
    assert len(listing.links) <= listed.MOST_LINKS
    assert len(listing.children) <= listed.MOST_CHILDREN
    for link in listing.links:
        is_clean(link.url)
        is_text(link.title, listed.MOST_TITLE)
        is_text(link.guid, listed.MOST_GUID)
        is_time(link.published_at)
        is_time(link.modified_at)
    for child in listing.children:
        is_clean(child.url)
        is_text(child.url, listed.MOST_CHILD_URL)
        is_time(child.modified_at)
    is_text(listing.title, listed.MOST_TITLE)
    is_text(listing.language, 100)
    for seconds in (listing.ttl_s, listing.every_s):
        assert seconds is None or 0 < seconds < 1e12
    assert all(count > 0 for count in listing.problems.values())


def feed(data: bytes) -> None:
    """First line: the content type; the rest: a feed."""
    _parse(data, "feed")


def sitemap(data: bytes) -> None:
    """First line: the content type; the rest: a sitemap."""
    _parse(data, "sitemap")


def section(data: bytes) -> None:
    """First line: the content type; the rest: a page that links to articles."""
    _parse(data, "section")


def feed_date(data: bytes) -> None:
    """A date as feeds and sitemaps have it."""
    text = data.decode("utf-8", "replace")
    for zone in (None, timezone(timedelta(hours=-14)), timezone(timedelta(hours=14))):
        for day_suffices in (False, True):
            found = dates.parse(text, zone, day_suffices=day_suffices)
            if isinstance(found, datetime):
                is_time(found)
            else:
                assert found in ("invalid_date", "incomplete_date")


def robots_txt(data: bytes) -> None:
    """First line: a path; the rest: robots.txt."""
    path, _, body = data.partition(b"\n")
    rules = robots.Rules(body)
    for agent in ("Rasid/0.1 (media monitoring)", "*", ""):
        assert rules.allow(f"https://news.example/{path.decode('latin-1')}", agent) in (True, False)
        assert 0.0 <= rules.delay_s(agent) <= robots.LONGEST_DELAY_S


def _feeds() -> Iterator[bytes]:
    item = b"<item><title>Bridge</title><link>https://news.example/%d</link><guid>%d</guid>"
    date = b"<pubDate>Fri, 03 May 2024 10:15:00 +0300</pubDate></item>"
    items = b"".join((item % (i, i)) + date for i in range(3))
    yield b"application/rss+xml\n<rss><channel><title>News</title><ttl>5</ttl>" + items + FEED[-6]
    entry = b"<entry><title>B</title><link href='/%d'/><id>u:%d</id><updated>2024-05-03T10:15:00Z"
    entries = b"".join(entry % (i, i) + b"</updated></entry>" for i in range(3))
    yield b"\n<feed xmlns='http://www.w3.org/2005/Atom' xml:base='/b/'>" + entries + b"</feed>"
    items_json = [{"id": str(i), "url": f"https://news.example/{i}"} for i in range(3)]
    version = "https://jsonfeed.org/version/1.1"
    yield b"application/json\n" + json.dumps({"version": version, "items": items_json}).encode()


def _sitemaps() -> Iterator[bytes]:
    url = b"<url><loc>https://news.example/%d</loc><lastmod>2024-05-03</lastmod></url>"
    yield b"text/xml\n<urlset>" + b"".join(url % i for i in range(4)) + b"</urlset>"
    yield b"\n<sitemapindex><sitemap><loc>https://news.example/s.xml</loc></sitemap></sitemapindex>"
    yield b"text/plain\nhttps://news.example/a\nhttps://news.example/b\n"


def _sections() -> Iterator[bytes]:
    for path in sorted(SECTIONS.glob("*.html")):
        yield b"text/html; charset=utf-8\n" + path.read_bytes()[:16_000]


def _robots() -> Iterator[bytes]:
    yield b"a/b.html\nUser-agent: *\nDisallow: /a*.html$\nAllow: /a/\nCrawl-delay: 2\n"
    yield b"\nUser-agent: rasid\nUser-agent: other\nDisallow:\nSitemap: https://news.example/s.xml"


def _feed_dates() -> Iterator[bytes]:
    yield from (b"Fri, 03 May 2024 10:15:00 GMT", b"2024-05-03T10:15:00+03:00", b"2024-05", b"2024")


TARGETS = (
    Target(name="feed", run=feed, seeds=_feeds, pieces=FEED),
    Target(name="sitemap", run=sitemap, seeds=_sitemaps, pieces=SITEMAP),
    Target(name="section", run=section, seeds=_sections, pieces=SECTION, most_bytes=32 * 1024),
    Target(name="robots", run=robots_txt, seeds=_robots, pieces=ROBOTS),
    Target(
        name="feed_date",
        run=feed_date,
        seeds=_feed_dates,
        pieces=(b"Fri", b"May", b"2024", b"GMT", b"-", b":", b"T", b"+0300", b"EST", b"99", b","),
        most_bytes=512,
    ),
)
