import gzip
from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.discovery import MOST_LINKS, parse_feed, parse_sitemap
from services.shared.frontier import ListedLink, ListedSitemap, Listing

URL = "https://example.com/feeds/all.xml"
TEN = datetime(2026, 11, 2, 7, 0, tzinfo=UTC)
PIECES = [
    *("<rss>", "<channel>", "<item>", "</item>", "<link>", "</link>", "<title>", "</title>"),
    *("<pubDate>", "</pubDate>", "<urlset>", "<url>", "</url>", "<loc>", "</loc>", "<lastmod>"),
    *("</lastmod>", "<feed xmlns='http://www.w3.org/2005/Atom'>", "<entry>", "<link href='/a'/>"),
    *("</entry>", "<sitemapindex>", "<sitemap>", "<!DOCTYPE", "<?xml", "?>", "<![CDATA[", "]]>"),
    *(
        "&amp;",
        "&x;",
        "\x00",
        "\ufeff",
        "\ud800",
        "http://[",
        "https://example.com/a",
        "2026-11-02",
    ),
    *("Mon, 02 Nov 2026 10:00:00 +0300", "Mon, 99 Nov 0000", "<html>", "خبر"),
]
HOSTILE = st.one_of(
    st.binary(max_size=300),
    st.lists(st.sampled_from(PIECES)).map(
        lambda pieces: "".join(pieces).encode("utf-8", "surrogatepass")
    ),
).flatmap(lambda body: st.sampled_from([body, gzip.compress(body), gzip.compress(body)[:-4]]))


def rss(*items: str) -> bytes:
    """Return a feed of these items."""
    told = "".join(f"<item>{item}</item>" for item in items)
    return f'<rss version="2.0"><channel><title>t</title>{told}</channel></rss>'.encode()


@settings(max_examples=300, deadline=None)
@given(HOSTILE)
def test_no_bytes_make_discovery_raise(body: bytes) -> None:
    """Whatever a server sends, there are links or a named problem, and each link is http(s)."""
    for parse in (parse_feed, parse_sitemap):
        listing = parse(body, URL, None)

        assert listing.links or listing.children or listing.problems
        assert all(link.url.startswith(("http://", "https://")) for link in listing.links)
        for link in listing.links:
            assert "\x00" not in (link.title or "")
            (link.title or "").encode()
            assert link.published_at is None or link.published_at.tzinfo is not None


def test_an_rss_item_is_a_link() -> None:
    """Address without tracking and absolute, title as plain text, the time it states in UTC."""
    listing = parse_feed(
        rss(
            "<title>A &lt;b&gt;bold&lt;/b&gt; &amp;amp; plain</title>"
            "<link>/news/1?utm_source=rss</link>"
            "<pubDate>Mon, 02 Nov 2026 10:00:00 +0300</pubDate>"
        ),
        URL,
    )

    assert listing.links == (
        ListedLink(url="https://example.com/news/1", title="A bold & plain", published_at=TEN),
    )
    assert listing.problems == {}


def test_an_atom_entry_is_a_link() -> None:
    """Both times of an Atom entry are kept apart."""
    listing = parse_feed(
        b'<feed xmlns="http://www.w3.org/2005/Atom"><title>t</title><entry><title>x</title>'
        b'<link rel="alternate" href="https://example.com/a"/>'
        b"<published>2026-11-02T10:00:00+03:00</published>"
        b"<updated>2026-11-02T08:00:00Z</updated></entry></feed>",
        URL,
    )

    (link,) = listing.links
    assert (link.published_at, link.modified_at) == (TEN, TEN.replace(hour=8))


def test_a_time_without_zone_is_the_sources() -> None:
    """Where neither feed nor source tells the zone, the time is not guessed, but counted."""
    body = rss("<link>/1</link><pubDate>Mon, 02 Nov 2026 10:00:00</pubDate>")

    known = parse_feed(body, URL, ZoneInfo("Asia/Riyadh"))
    unknown = parse_feed(body, URL)

    assert known.links[0].published_at == TEN
    assert unknown.links[0].published_at is None
    assert unknown.problems == {"incomplete_date": 1}


def test_what_is_wrong_is_counted_and_the_rest_is_kept() -> None:
    """An item without link, or with a useless one or date, costs nothing but itself."""
    listing = parse_feed(
        rss(
            "<title>no link</title><guid isPermaLink='false'>1</guid>",
            "<link>mailto:editor@example.com</link>",
            "<link>/kept</link><pubDate>yesterday</pubDate>",
            "<link>/old</link><pubDate>Thu, 01 Jan 1970 00:00:00 GMT</pubDate>",
        ),
        URL,
    )

    assert [link.url for link in listing.links] == [
        "https://example.com/kept",
        "https://example.com/old",
    ]
    assert listing.problems == {"item_without_link": 1, "invalid_link": 1, "invalid_date": 2}


def test_a_news_sitemap_tells_title_and_time() -> None:
    """The news element is read, and an image's own address is no link."""
    body = """<?xml version="1.0" encoding="UTF-8"?>
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"
  xmlns:news="http://www.google.com/schemas/sitemap-news/0.9"
  xmlns:image="http://www.google.com/schemas/sitemap-image/1.1"><url>
  <loc> https://example.com/خبر </loc><lastmod>2026-11-02</lastmod>
  <image:image><image:loc>https://example.com/i.jpg</image:loc>
    <image:title>صورة</image:title></image:image>
  <news:news><news:publication><news:name>x</news:name></news:publication>
    <news:publication_date>2026-11-02T10:00+03:00</news:publication_date>
    <news:title>عنوان</news:title></news:news></url></urlset>"""

    listing = parse_sitemap(body.encode(), URL)

    assert listing.links == (
        ListedLink(
            url="https://example.com/%D8%AE%D8%A8%D8%B1",
            title="عنوان",
            published_at=TEN,
            modified_at=datetime(2026, 11, 2, tzinfo=UTC),
        ),
    )


def test_a_packed_index_lists_sitemaps() -> None:
    """A gzip body is unpacked, and an index gives children, not links."""
    body = gzip.compress(
        b"<sitemapindex><sitemap><loc>a.xml</loc><lastmod>2026-11-02T10:00:00+03:00</lastmod>"
        b"</sitemap><sitemap><loc>https://example.com/b.xml</loc></sitemap></sitemapindex>"
    )

    listing = parse_sitemap(body, URL)

    assert listing.links == ()
    assert listing.children == (
        ListedSitemap(url="https://example.com/feeds/a.xml", modified_at=TEN),
        ListedSitemap(url="https://example.com/b.xml"),
    )


def test_addresses_no_index_holds_cost_only_themselves() -> None:
    """A host or a sitemap's address beyond all measure is counted, and the rest is listed."""
    hosts = b"".join(
        b"<url><loc>https://%s.com/1</loc></url>" % name for name in (b"a" * 3000, b"b")
    )
    maps = b"".join(b"<sitemap><loc>/%s.xml</loc></sitemap>" % name for name in (b"a" * 3000, b"b"))

    links = parse_sitemap(b"<urlset>%s</urlset>" % hosts, URL)
    index = parse_sitemap(b"<sitemapindex>%s</sitemapindex>" % maps, URL)

    assert (len(links.links), links.problems) == (1, {"invalid_link": 1})
    assert (len(index.children), index.problems) == (1, {"invalid_link": 1})


@pytest.mark.parametrize("parse", [parse_feed, parse_sitemap])
@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b" \n", "empty"),
        (b"<!DOCTYPE html><html><a href='/1'>x</a>", "html_instead"),
        (b"\xef\xbb\xbf<!-- x --><HTML>", "html_instead"),
        (b"%PDF-1.7", "unknown_format"),
        (b'<rss version="2.0"><channel></channel></rss>', "no_links"),
        (b"<urlset></urlset>", "no_links"),
        (b"<a>" * 100_000, "unknown_format"),
    ],
)
def test_what_is_no_list_is_named(
    parse: Callable[[bytes, str], Listing], body: bytes, problem: str
) -> None:
    """An answer that is no feed and no sitemap has a name, quickly."""
    listing = parse(body, URL)

    assert problem in listing.problems


def test_entities_do_not_multiply() -> None:
    """Entities of the document's own are not put in: a small file stays small."""
    body = b'<!DOCTYPE x [<!ENTITY a "https://example.com/a">]><urlset><url><loc>&a;</loc></url>'

    assert parse_sitemap(body + b"</urlset>", URL).links == ()


def test_a_broken_sitemap_gives_what_it_can() -> None:
    """The links before the break are kept, and the break is counted."""
    listing = parse_sitemap(b"<urlset><url><loc>https://example.com/1</loc></url><url><loc", URL)

    assert [link.url for link in listing.links] == ["https://example.com/1"]
    assert listing.problems["malformed"] == 1


def test_links_beyond_the_protocol_are_counted() -> None:
    """More links than a sitemap may have are not taken, and counted."""
    body = "".join(f"https://example.com/{number}\n" for number in range(MOST_LINKS + 2))

    listing = parse_sitemap(body.encode(), URL)

    assert len(listing.links) == MOST_LINKS
    assert listing.problems == {"too_large": 2}
