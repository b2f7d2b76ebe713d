import gzip
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import get_args
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.discovery import parse
from crawler.discovery.listed import MOST_LINKS, MOST_URL
from services.shared import urls
from services.shared.frontier import FeedKind, ListedLink, ListedSitemap

URL = "https://example.com/feeds/all.xml"
KINDS: tuple[FeedKind, ...] = get_args(FeedKind)
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
    text = f'<rss version="2.0"><channel><title>t</title>{told}</channel></rss>'
    return text.encode("utf-8", "surrogatepass")


@settings(max_examples=300)
@given(HOSTILE)
def test_no_bytes_make_discovery_raise(body: bytes) -> None:
    """Whatever a server sends, there are links or a named problem, and each link is http(s)."""
    for kind in KINDS:
        listing = parse(body, URL, kind=kind, now=TEN)

        assert listing.links or listing.children or listing.problems
        assert all(urls.clean(link.url) == link.url for link in listing.links)
        assert all(urls.clean(child.url) == child.url for child in listing.children)
        for link in listing.links:
            assert "\x00" not in (link.title or "")
            (link.title or "").encode()
            assert link.published_at is None or link.published_at.tzinfo is not None


def test_instructions_and_comments_in_an_item() -> None:
    """What is meant for other programs, between an item's fields, costs none of them."""
    item = "<?php echo 1 ?><link><!-- here -->https://a.example/<?x?>1</link><!-- end -->"
    body = f"<rss version='2.0'><channel><?a b?><item>{item}</item></channel></rss>".encode()

    listing = parse(body, URL, kind="feed", now=TEN)

    assert [link.url for link in listing.links] == ["https://a.example/1"]


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["items", "url", "id", "title", "date_published"]), inner)
    ),
    max_leaves=20,
)


@settings(max_examples=200)
@given(ANY_JSON)
def test_no_json_makes_discovery_raise(value: object) -> None:
    """A JSON Feed may hold anything anywhere: links with clean addresses, or a named problem."""
    listing = parse(json.dumps({"items": value}).encode(), URL, now=TEN)

    assert listing.links or listing.problems
    assert all(urls.clean(link.url) == link.url for link in listing.links)


DATES = st.one_of(
    st.datetimes(timezones=st.just(UTC)).map(format_datetime),
    st.datetimes().map(lambda time: time.isoformat()),
    st.text(max_size=40),
)
URLS = st.one_of(
    st.from_regex(r"https?://[a-z.]{1,20}(/[a-zA-Z0-9%?&=#-]{0,20}){0,3}", fullmatch=True),
    st.text(max_size=30),
)


@settings(max_examples=200)
@given(st.lists(st.tuples(URLS, st.text(max_size=30), DATES, st.text(max_size=10)), max_size=5))
def test_every_item_is_a_link_or_a_problem(items: list[tuple[str, str, str, str]]) -> None:
    """However items are written, none gets lost: each is a link, or is counted for having none."""
    told = (
        f"<title>{escape(title)}</title><link>{escape(url)}</link>"
        f"<pubDate>{escape(date)}</pubDate><guid isPermaLink='false'>{escape(guid)}</guid>"
        for url, title, date, guid in items
    )
    listing = parse(rss(*told), URL, now=TEN)
    without = listing.problems.get("item_without_link", 0) + listing.problems.get("invalid_link", 0)

    assert len(listing.links) + without == len(items)
    assert all(urls.clean(link.url) == link.url for link in listing.links)


def test_an_rss_item_is_a_link() -> None:
    """Address without tracking and absolute, title as plain text, the time it states in UTC."""
    listing = parse(
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
    listing = parse(
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

    known = parse(body, URL, zone=ZoneInfo("Asia/Riyadh"))
    unknown = parse(body, URL)

    assert known.links[0].published_at == TEN
    assert unknown.links[0].published_at is None
    assert unknown.problems == {"incomplete_date": 1}


def test_what_is_wrong_is_counted_and_the_rest_is_kept() -> None:
    """An item without link, or with a useless one or date, costs nothing but itself."""
    listing = parse(
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
    assert listing.problems == {
        "item_without_link": 1,
        "invalid_link": 1,
        "invalid_date": 2,
    }


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

    listing = parse(body.encode(), URL)

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

    listing = parse(body, URL)

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

    links = parse(b"<urlset>%s</urlset>" % hosts, URL)
    index = parse(b"<sitemapindex>%s</sitemapindex>" % maps, URL)

    assert (len(links.links), links.problems) == (1, {"invalid_link": 1})
    assert (len(index.children), index.problems) == (1, {"invalid_link": 1})


@pytest.mark.parametrize("kind", KINDS[:2])
@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b" \n", "empty"),
        (b"<!DOCTYPE html><html><a href='/1'>x</a>", "html_instead"),
        (b"\xef\xbb\xbf<!-- x --><HTML>", "html_instead"),
        (b"%PDF-1.7", "unknown_format"),
        (b'<rss version="2.0"><channel></channel></rss>', "no_links"),
        (b"<urlset></urlset>", "no_links"),
        (b"<item>" * 100_000, "unknown_format"),
    ],
)
def test_what_is_no_list_is_named(kind: FeedKind, body: bytes, problem: str) -> None:
    """An answer that is no feed and no sitemap has a name, quickly."""
    listing = parse(body, URL, kind=kind)

    assert problem in listing.problems


def test_entities_do_not_multiply() -> None:
    """Entities of the document's own are not put in: a small file stays small."""
    body = b'<!DOCTYPE x [<!ENTITY a "https://example.com/a">]><urlset><url><loc>&a;</loc></url>'

    assert parse(body + b"</urlset>", URL).links == ()


def test_a_broken_sitemap_gives_what_it_can() -> None:
    """The links before the break are kept, and the break is counted."""
    listing = parse(b"<urlset><url><loc>https://example.com/1</loc></url><url><loc", URL)

    assert [link.url for link in listing.links] == ["https://example.com/1"]
    assert listing.problems["malformed"] == 1


def test_links_beyond_the_protocol_are_counted() -> None:
    """More links than a sitemap may have are not taken, and counted."""
    body = "".join(f"https://example.com/{number}\n" for number in range(MOST_LINKS + 2))

    listing = parse(body.encode(), URL)

    assert len(listing.links) == MOST_LINKS
    assert listing.problems == {"too_large": 2}


# --- Feeds as they are ---

RDF = (
    b"<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#' "
    b"xmlns='http://purl.org/rss/1.0/'><channel><title>t</title></channel>"
)


def atom(entry: str, head: str = "") -> bytes:
    """Return an Atom feed of one entry."""
    return f'<feed xmlns="http://www.w3.org/2005/Atom"{head}><entry>{entry}</entry></feed>'.encode()


@pytest.mark.parametrize(
    ("body", "url"),
    [
        # The text of `link`, an address of Atom's beside it, a GUID that is one.
        (rss("<link>https://example.com/1</link><guid>https://example.com/2</guid>"), "/1"),
        (rss("<atom:link href='/1' rel='alternate'/>"), "/1"),
        (rss("<atom:link href='/self' rel='self'/><guid>https://example.com/2</guid>"), "/2"),
        (rss("<guid isPermaLink='true'>https://example.com/2</guid>"), "/2"),
        (rss("<link/><guid>https://example.com/2</guid>"), "/2"),
        (rss("<link>javascript:void(0)</link><guid>https://example.com/2</guid>"), "/2"),
        (rss("<link><![CDATA[ https://example.com/1?a=1&b=2 ]]></link>"), "/1?a=1&b=2"),
        # Ampersands that nobody escaped.
        (rss("<link>https://example.com/1?a=1&b=2&copy=3</link>"), "/1?a=1&b=2&copy=3"),
        # What a feed service has replaced.
        (
            rss(
                "<link>https://feeds.example.net/~r/1</link>"
                "<feedburner:origLink>https://example.com/1</feedburner:origLink>"
            ),
            "/1",
        ),
        # Several links: what is no page of this entry does not count.
        (
            atom(
                "<link rel='self' href='/self'/><link rel='enclosure' href='/a.mp3'/>"
                "<link rel='alternate' type='application/json' href='/json'/>"
                "<link rel='alternate' type='text/html' href='/1'/><link href='/2'/>"
            ),
            "/1",
        ),
        (atom("<link rel='http://www.iana.org/assignments/relation/alternate' href='/1'/>"), "/1"),
        # A base, and one within it.
        (atom("<link href='1'/>", " xml:base='https://example.com/a/'"), "/a/1"),
        (
            atom("<link xml:base='b/' href='1'/>", " xml:base='https://example.com/a/'"),
            "/a/b/1",
        ),
        # A group's own links and titles are its pictures'.
        (
            rss(
                "<media:group><media:content url='/v.mp4'/><link>/no</link></media:group>"
                "<link>/1</link>"
            ),
            "/1",
        ),
        # RSS 0.9 and 1.0: items stand beside their channel.
        (
            RDF + b"<item rdf:about='https://example.com/1'><title>x</title></item></rdf:RDF>",
            "/1",
        ),
        (
            b"<rss version='0.91'><channel><item><link>https://example.com/1</link></item></channel>",
            "/1",
        ),
        (b"<rss><channel><link>https://example.com/a/</link><item><link>1</link></item>", "/a/1"),
    ],
)
def test_an_items_address_is_found_where_it_stands(body: bytes, url: str) -> None:
    """Of all places where feeds put an address, the one that leads to the article is taken."""
    listing = parse(body, "https://example.com/feeds/all.xml")

    assert [link.url for link in listing.links] == [f"https://example.com{url}"]


def test_a_title_is_the_items_own() -> None:
    """Not that of a picture; a video's title serves where there is no other."""
    media = "<media:title>صورة</media:title>"
    head = "xmlns:media='http://search.yahoo.com/mrss/'"
    item = f"<item {head}><link>/1</link>{media}"

    both = parse(f"<rss>{item}<title>خبر</title></item></rss>".encode(), URL)
    only = parse(f"<rss>{item}</item></rss>".encode(), URL)

    assert both.links[0].title == "خبر"
    assert only.links[0].title == "صورة"


def test_a_feed_says_what_it_is_called() -> None:
    """Title and language of the feed itself come out, of each format."""
    for body in (
        "<rss><channel><title>أخبار</title><language>ar-SA</language><item><link>/1</link></item>",
        "<feed xml:lang='ar-SA'><title>أخبار</title><entry><link href='/1'/></entry></feed>",
        '{"title": "أخبار", "language": "ar-SA", "items": []}',
    ):
        listing = parse(body.encode(), URL)

        assert (listing.title, listing.language) == ("أخبار", "ar-SA")


def test_a_json_feed_is_a_feed() -> None:
    """Both versions: the item's page, else the page it is about, else an id that is an address."""
    body = """{"version": "https://jsonfeed.org/version/1", "items": [
        {"id": 1, "url": "/1", "title": "خبر", "date_published": "2026-11-02T10:00:00+03:00",
         "date_modified": "2026-11-02T07:00:00Z"},
        {"id": "x", "external_url": "https://example.org/2",
         "date_published": "2026-11-02T07:00:00Z"},
        {"id": "https://example.com/3", "date_published": "2026-11-02T07:00:00Z"},
        {"id": "4"}, 5, null
    ]}"""

    listing = parse(body.encode(), URL)

    assert listing.links[0] == ListedLink(
        url="https://example.com/1", title="خبر", published_at=TEN, modified_at=TEN, guid="1"
    )
    assert [link.url for link in listing.links[1:]] == [
        "https://example.org/2",
        "https://example.com/3",
    ]
    assert listing.problems == {"item_without_link": 3}


@pytest.mark.parametrize("body", [b'{"items": [{"url": "/1"}, ', b"[1]", b'{"items": 3}', b"{"])
def test_json_that_is_no_feed_is_named(body: bytes) -> None:
    """JSON of another kind, or cut off, is an unknown format."""
    assert parse(body, URL).problems["unknown_format"] == 1


ARABIC = "<rss><channel><item><title>قال الوزير إن المدينة من أجمل المدن</title><link>/1</link>"


@pytest.mark.parametrize(
    ("declared", "content_type", "encoding", "problems"),
    [
        ("utf-8", None, "utf-8", 0),
        ("windows-1256", None, "cp1256", 0),
        ("utf-8", None, "cp1256", 1),
        ("", None, "cp1256", 0),
        ("", "text/xml; charset=windows-1256", "cp1256", 0),
        ("", "text/xml; charset=utf-8", "cp1256", 1),
        ("iso-8859-1", None, "utf-8", 1),
        ("iso-8859-6", None, "iso8859-6", 0),
        ("utf-16", None, "utf-16", 0),
        ("utf-8", None, "utf-16", 0),
        ("nonsense", None, "utf-8", 0),
    ],
)
def test_text_is_read_in_the_charset_it_is_in(
    declared: str, content_type: str | None, encoding: str, problems: int
) -> None:
    """Declared wrongly, or not at all: titles are legible, and what was wrong is counted."""
    head = f"<?xml version='1.0' encoding='{declared}'?>" if declared else ""
    listing = parse((head + ARABIC).encode(encoding), URL, content_type=content_type)

    assert [link.title for link in listing.links] == ["قال الوزير إن المدينة من أجمل المدن"]
    assert listing.problems.get("wrong_charset", 0) == problems


def test_a_feed_after_a_servers_warnings_is_read() -> None:
    """What a broken server puts before the feed costs nothing but a count."""
    listing = parse(b"<br />\n<b>Warning</b>: x\n" + rss("<link>/1</link>"), URL)

    assert [link.url for link in listing.links] == ["https://example.com/1"]
    assert listing.problems == {"malformed": 1, "item_without_date": 1}


@pytest.mark.parametrize(
    "body",
    [
        b"<rss><channel><item><title>A & B < C</title><link>/1</link></item></channel></rss>",
        b"<rss><channel><item><title>A</b></title><link>/1</link></item></channel></rss>",
        b"<rss><channel><item><title>A\x00\x0b</title><link>/1</link></item></channel></rss>",
        b"<rss><channel><item><title>A</title><link>/1</link></item><item><title>B",
        b"<rss><channel><item><link>/1</link></channel></rss>",
        b"<rss><channel><item><description>A<br>B</description><link>/1</link></item><item>",
        b"<rss><channel><item><link>/1</link><item><link>/2</link></item></channel></rss>",
    ],
)
def test_a_malformed_feed_gives_what_it_can(body: bytes) -> None:
    """Whatever is broken in it, the item that can be read is listed, and the break is counted."""
    listing = parse(body, URL)

    assert listing.links[0].url == "https://example.com/1"
    assert listing.problems["malformed"] == 1


def test_entities_of_html_are_read() -> None:
    """Feeds write entities that XML does not know: they are the letters they mean."""
    listing = parse(
        rss("<title>caf&eacute;&nbsp;&laquo;x&raquo; &unknown;</title><link>/1</link>"), URL
    )

    assert listing.links[0].title == "café «x»"


def test_dates_that_cannot_be_are_counted() -> None:
    """Items dated ahead or years ago are kept as the feed says, and counted; without one, too."""
    dates = [TEN + timedelta(days=days) for days in (3, 0.5, -30, -800)]
    listing = parse(
        rss(
            *(
                f"<link>/{n}</link><pubDate>{date.isoformat()}</pubDate>"
                for n, date in enumerate(dates)
            ),
            "<link>/none</link>",
        ),
        URL,
        now=TEN,
    )

    assert [link.published_at for link in listing.links] == [*dates, None]
    assert listing.problems == {"future_date": 1, "old_item": 1, "item_without_date": 1}
    assert listing.newest_at == dates[0]


def test_ids_that_repeat_are_counted() -> None:
    """One id at two addresses is counted; both are listed, for the address is what counts."""
    date = f"<pubDate>{TEN.isoformat()}</pubDate>"
    listing = parse(
        rss(
            f"<link>/1</link><guid>a</guid>{date}",
            f"<link>/2</link><guid>a</guid>{date}",
            f"<link>/1</link><guid>a</guid>{date}",
        ),
        URL,
    )

    assert [link.url[-2:] for link in listing.links] == ["/1", "/2", "/1"]
    assert listing.problems == {"reused_guid": 1}


def test_a_feed_of_fifty_thousand_items_is_read() -> None:
    """As many items as a sitemap may have are read from a feed, and those beyond are counted."""
    items = (
        f"<link>/{n}</link><pubDate>{TEN.isoformat()}</pubDate>" for n in range(MOST_LINKS + 3)
    )
    listing = parse(rss(*items), URL)

    assert len({link.url for link in listing.links}) == MOST_LINKS
    assert listing.problems == {"too_large": 3}


@pytest.mark.parametrize(
    "body",
    [
        b"<rss>" + b"<item>" * 200_000,
        b"<rss><channel><item a='" + b"x" * 8_000_000 + b"'/>",
        b"<rss><channel><item><link>https://example.com/" + b"x" * 8_000_000,
        b"<rss><channel>" + b"<item><link>" * 100_000,
        b"<rss>" + b"&" * 1_000_000,
        b"<rss>" + b"<![CDATA[" * 200_000,
        b"<rss" + b" xmlns:a%d='b'" % 1 * 200_000,
        b"<!--" * 500_000,
        b"<!DOCTYPE x [" + b"<!ENTITY a 'b'>" * 200_000,
        b"<feed><entry>" + b"<link href='/a'/>" * 100_000,
        b"<urlset>" + b"<url><loc>" * 100_000,
        b"<urlset><url>" + b"<loc>/1</loc>" * 100_000,
        b"<html>" + b"<div>" * 300_000 + b"<a href='/2026/11/02/a-b-c-d-e'>x",
        b"<html>" + b"<a href='/2026/11/02/a-b-c-d-e'>" * 200_000,
        b"<html>" + b"<p><a href='" + b"x" * 8_000_000,
        b"[" * 1_000_000,
        b'{"items": [' + b'{"url": "/1"},' * 100_000,
        b"https://example.com/" + b"a" * 8_000_000,
    ],
    ids=lambda body: body[:24].decode() if isinstance(body, bytes) else body,
)
def test_hostile_lists_take_bounded_time(body: bytes) -> None:
    """Deep, wide, long and endless: an answer comes, before the test's own limit by far."""
    listing = parse(body, URL, kind="section", now=TEN)

    assert all(len(link.url) <= MOST_URL for link in listing.links)


def test_entity_bombs_do_not_go_off() -> None:
    """A document's own entities stay empty, however they are nested."""
    entities = "".join(
        f"<!ENTITY e{n} '{f'&e{n - 1};' * 10}'>" if n else "<!ENTITY e0 'x'>" for n in range(12)
    )
    body = f"<!DOCTYPE rss [{entities}]>".encode() + rss("<title>&e11;!</title><link>/1</link>")

    assert parse(body, URL).links[0].title == "!"


def test_one_tag_that_never_ends_costs_nothing_else() -> None:
    """Each of many items is read, though each holds a tag that nobody closed."""
    items = (
        f"<title>{n}</title><link>/{n}</link><description>a<br>b</description>" for n in range(999)
    )
    listing = parse(rss(*items), URL)

    assert [link.title for link in listing.links] == [str(n) for n in range(999)]
    assert listing.problems["malformed"] == 1


@pytest.mark.parametrize(
    ("channel", "ttl_s", "every_s"),
    [
        ("<ttl>20</ttl>", 1200, None),
        ("<ttl>0</ttl>", None, None),
        ("<ttl>-5</ttl>", None, None),
        ("<ttl>٣</ttl>", None, None),
        ("<sy:updatePeriod> hourly </sy:updatePeriod>", None, 3600),
        (
            "<sy:updatePeriod>daily</sy:updatePeriod><sy:updateFrequency>4</sy:updateFrequency>",
            None,
            21_600,
        ),
        ("<sy:updatePeriod>now</sy:updatePeriod>", None, None),
        ("<sy:updateFrequency>4</sy:updateFrequency>", None, None),
    ],
)
def test_a_feed_says_how_often_to_ask(
    channel: str, ttl_s: float | None, every_s: float | None
) -> None:
    """Its lifetime and its period are read in seconds; what is none says nothing."""
    sy = "http://purl.org/rss/1.0/modules/syndication/"
    item = "<item><link>https://example.com/1</link></item>"
    body = f"<rss xmlns:sy='{sy}'><channel>{channel}{item}</channel></rss>".encode()
    listing = parse(body, URL, kind="feed")
    assert (listing.ttl_s, listing.every_s) == (ttl_s, every_s)
