"""Pages: any bytes, in any charset, become an article that can be stored or a rejection."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

from services.shared.contracts import REJECTION_REASONS, Article, RawPage, Rejection
from tests.fuzz.promises import MOST_LINE, is_clean, is_text, is_time, is_whole
from tests.fuzz.target import Target
from worker.extract import extract
from worker.fields import calendars, clocks, dates
from worker.normalize import normalize

PAGES = Path(__file__).parents[1] / "pages"
FETCHED = datetime(2024, 5, 4, tzinfo=UTC)
TAGS = (
    *("html", "head", "body", "title", "meta", "script", "style", "article", "main", "section"),
    *("div", "p", "h1", "h2", "ul", "li", "table", "tr", "td", "a", "b", "i", "font", "br", "img"),
    *("figure", "figcaption", "blockquote", "pre", "span", "time", "nav", "svg", "template"),
    *("select", "option", "textarea", "plaintext", "iframe", "noscript", "math", "form", "base"),
)
ATTRIBUTES = (
    *(b' class="byline author"', b' class="comment"', b' itemprop="author"', b' id="comments"'),
    *(b' itemprop="datePublished"', b' datetime="2024-05-03T10:15:00Z"', b' href="/2024/05/x"'),
    *(b' itemscope itemtype="https://schema.org/NewsArticle"', b' rel="canonical"', b" hidden"),
    *(b' property="og:title"', b' name="keywords"', b' content="a, b"', b' src="x.jpg"'),
    *(b' property="article:published_time"', b" http-equiv=refresh", b' charset="utf-16"'),
)
WORDS = (
    *(b"<!doctype html>", b"<!--", b"-->", b"<![CDATA[", b"]]>", b"<?xml version='1.0'?>"),
    *(b"&#0;", b"&#xD800;", b"&#x110000;", b"&amp;amp;", b"&zwnj;", b"&nbsp;", b"&#1632;"),
    *(b"Jan 3, 2024", b"3 May 2024 10:15", "٣ أيار/مايو 2024".encode(), b"2024-05-03", b"10:15 AM"),
    *(b"Published: ", b"By Jane Roe", "كتب: محمد".encode(), "تعليقات (١٢)".encode()),
    b"12 comments",
    b"The council voted on Tuesday to open the bridge to traffic again, officials said. ",
    "قالت الوزارة إن الجسر سيفتح أمام حركة المرور من جديد اعتبارا من يوم الثلاثاء. ".encode(),
    b'<link rel="canonical" href="https://news.example/2024/05/03/bridge">',
    b'<script type="application/ld+json">',
)
LD = (
    *(b'"@type":"NewsArticle",', b'"@graph":[', b'"@id":"#a",', b'"headline":"Bridge opens",'),
    *(b'"datePublished":"2024-05-03T10:15:00Z",', b'"author":{"@id":"#a"},', b'"name":"Jane Roe"'),
    *(b'"author":[{"name":"Jane"},', b'"mainEntityOfPage":{', b'"commentCount":12345678901,'),
    *(b'"keywords":["a","b"],', b'"breadcrumb":{"@type":"BreadcrumbList","itemListElement":['),
    *(
        b'"image":{"url":"https://news.example/a.jpg"},',
        b'"@type":["Article"],',
        b'\\"',
        b"\\ud800",
    ),
    *(b'"mainEntity":[', b'"isAccessibleForFree":false,', b"true", b",", b"{", b"[", b"]", b"}"),
    *(b'"item":"https://news.example/x",', b'"publisher":', b'"inLanguage":"ar",', b'"url":'),
)
PIECES = (
    *(f"<{tag}>".encode() for tag in TAGS),
    *(f"</{tag}>".encode() for tag in TAGS),
    *ATTRIBUTES,
    *WORDS,
)
BEFORE = b'<html><head><title>Bridge opens</title><script type="application/ld+json">'
AFTER = b"</script></head><body><article><h1>Bridge opens</h1>%b</article></body></html>" % (
    b"<p>The council voted on Tuesday to open the bridge again, officials said.</p>" * 4
)


def read(page: RawPage) -> Article | Rejection:
    """Return what becomes of a page, having asserted that it can be stored."""
    extraction = extract(page)
    if isinstance(extraction, Rejection):
        assert extraction.reason in REJECTION_REASONS
        is_text(extraction.detail, 1000)
        return extraction
    article = normalize(extraction, page)
    _is_storable(article)
    return article


def _is_storable(article: Article) -> None:
    said = article.extraction
    is_text(said.text)
    lines = (said.title, said.published_at_seen, said.site_name, said.section, said.dateline)
    for line in (*lines, said.description, *said.authors, *said.tags, *said.captions):
        is_text(line, MOST_LINE)
    for comment in said.comments:
        is_text(comment.text)
        is_text(comment.author, MOST_LINE)
        is_text(comment.age, MOST_LINE)
    for address in (said.image_url, said.canonical_url, article.url):
        is_text(address, 16_000)
    if not article.url.startswith("urn:"):
        is_clean(article.url)
    assert len(article.normalized_url) <= 1800
    is_text(said.language, 8)
    is_time(said.published_at)
    is_time(said.modified_at)
    is_whole(said.comments_count)
    assert all(-(2**63) <= number < 2**63 for number in article.passages)


def page(data: bytes) -> None:
    """First line: the content type; the rest: the body."""
    kind, _, body = data.partition(b"\n")
    read(
        RawPage(
            body=body,
            origin="fuzz",
            headers={"content-type": kind.decode("latin-1")[:200]},
            final_url="https://news.example/2024/05/03/bridge",
            fetched_at=FETCHED,
            feed_title="Bridge opens",
            feed_published_at=FETCHED,
        )
    )


def json_ld(data: bytes) -> None:
    """The JSON-LD of a page that is sound otherwise."""
    read(RawPage(body=BEFORE + data + AFTER, origin="fuzz", fetched_at=FETCHED))


def date(data: bytes) -> None:
    """A date as written, in some language and zone."""
    language, _, written = data.decode("utf-8", "replace").partition("\n")
    for zone in (None, timezone(timedelta(hours=3)), clocks.zone_named(language)):
        found = dates.parse(written, zone, language)
        is_time(found.at if found else None)
    dates.order(written)
    dates.is_undated(written)
    dates.is_ambiguous(written)
    dates.stands_alone(written, language)
    calendars.of_month(written, 2024, language)


def _pages() -> Iterator[bytes]:
    for folder in sorted(PAGES.iterdir()):
        if folder.is_dir() and folder.name != "paywall-word-count":
            meta = json.loads((folder / "meta.json").read_text("utf-8"))
            kind = meta.get("headers", {}).get("content-type", "text/html")
            yield kind.encode() + b"\n" + (folder / "page.html").read_bytes()[:16_000]


def _json_ld() -> Iterator[bytes]:
    article = {
        "@context": "https://schema.org",
        "@type": "NewsArticle",
        "headline": "Bridge opens",
        "datePublished": "2024-05-03T10:15:00+03:00",
        "author": [{"@type": "Person", "name": "Jane Roe"}],
        "image": ["https://news.example/a.jpg"],
        "commentCount": 12,
    }
    yield json.dumps(article).encode()
    yield json.dumps({"@graph": [{**article, "author": {"@id": "#a"}}, {"@id": "#a"}]}).encode()
    yield json.dumps([article, {"@type": "BreadcrumbList", "itemListElement": []}]).encode()
    yield json.dumps(article).encode()[:-20]


def _dates() -> Iterator[bytes]:
    yield from (
        b"en\n3 May 2024 10:15 AM EST",
        "ar\nالجمعة ٣ أيار/مايو ٢٠٢٤ - ١٠:١٥ بتوقيت غرينتش".encode(),
        "ar\n14 رجب 1445 هـ".encode(),
        "fa\n۱۴ اردیبهشت ۱۴۰۳".encode(),
        "ja\n令和6年5月3日 10時15分".encode(),
        b"\n2024-05-03T10:15:00.123+03:00",
        b"Asia/Riyadh\n20240503T101500Z",
        b"en\n2 hours ago",
    )


TARGETS = (
    Target(name="page", run=page, seeds=_pages, pieces=PIECES, most_bytes=32 * 1024),
    Target(name="json_ld", run=json_ld, seeds=_json_ld, pieces=LD),
    Target(
        name="date",
        run=date,
        seeds=_dates,
        pieces=(
            *(b"2024", b"1445", b"1403", b"May", b"Jan.", b"/", b"-", b":", b"T", b"Z", b"+03:00"),
            *("أيار/مايو".encode(), "رجب".encode(), "هـ".encode(), "年".encode(), "月".encode()),
            *("日".encode(), "令和".encode(), "元".encode(), b"PM", b"UTC", b"12", b"31", b"ago"),
            *("منذ".encode(), "ساعات".encode(), b"of", b",", b"\n", "م".encode(), "ص".encode()),
        ),
        most_bytes=1024,
    ),
)
