"""Promises of worker.extract: rejections, robustness and what each kind of page gives."""

import re
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.shared.contracts import Extraction, RawPage, Rejection
from worker.extract import extract, warm

SENTENCE = "The council voted on Tuesday to open the bridge to traffic again, officials said. "
ARTICLE = (
    "<html lang=en><head><title>Bridge opens again – The Herald</title>"
    "<meta property='og:site_name' content='The Herald'></head><body><nav><a href=/>Home</a></nav>"
    f"<article><h1>Bridge opens again</h1>{f'<p>{SENTENCE * 3}</p>' * 4}</article></body></html>"
)


def read(body: bytes | str, **fields: object) -> Extraction | Rejection:
    """Return what `extract` says of a page with this body."""
    data = body.encode() if isinstance(body, str) else body
    return extract(RawPage(body=data, origin="test", **fields))  # type: ignore[arg-type]


def test_an_article_is_read() -> None:
    """Title without the site's name, text in paragraphs, language; nothing made up."""
    article = read(ARTICLE, final_url="https://herald.example/a")
    assert isinstance(article, Extraction)
    assert article.title == "Bridge opens again"
    assert article.site_name == "The Herald"
    assert article.language == "en"
    assert article.text == (SENTENCE * 3).strip()
    assert article.published_at is None
    assert article.authors == ()


@pytest.mark.parametrize(
    ("body", "fields", "reason"),
    [
        (b"", {}, "empty_body"),
        (b" \n\t", {}, "empty_body"),
        (b"\xef\xbb\xbf \n", {}, "empty_body"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), {}, "unsupported_type"),
        (ARTICLE.encode(), {"status": 404}, "http_error"),
        (ARTICLE.encode(), {"status": 503}, "http_error"),
        (b"<html><body><img src=a.png></body></html>", {}, "no_text"),
        (b"<!-- nothing -->", {}, "no_text"),
        (b"<html><body><p>Short.</p></body></html>", {}, "too_short"),
        (b"<b>" * 300_000, {}, "too_large"),
    ],
)
def test_what_is_no_article_is_refused_with_a_reason(
    body: bytes, fields: dict[str, object], reason: str
) -> None:
    """Each refusal has its word, and a detail for a person."""
    rejection = read(body, **fields)
    assert isinstance(rejection, Rejection)
    assert rejection.reason == reason
    assert rejection.detail


def test_the_size_limit_is_a_setting() -> None:
    """A page is refused only above the limit given."""
    page = RawPage(body=ARTICLE.encode(), origin="test")
    assert isinstance(extract(page, max_body_bytes=len(page.body)), Extraction)
    refused = extract(page, max_body_bytes=len(page.body) - 1)
    assert isinstance(refused, Rejection)
    assert refused.reason == "too_large"


@pytest.mark.parametrize(
    "around",
    [
        ("<div>" * 100_000, ""),
        ("<div>" * 1_900, "</div>" * 1_900),
        ("<blockquote>" * 1_900, ""),
        ("<ul><li>" * 900, ""),
        ("<table><tr><td>" * 600, ""),
        ("<p " + " ".join(f"a{i}=b" for i in range(200_000)) + ">", ""),
        ("<p data-x='" + "a>b " * 100_000 + "'>", ""),
        ("<title>" + "a - " * 100_000 + "</title>", ""),
        ("<p>&#0;&#1;&#xffff;&#xd800;&#x1F;</p>", "\x01\x0b\ufffe"),
        ('<script type="application/ld+json">' + "[" * 500_000 + "</script>", ""),
        ('<script type="application/ld+json">{"author": "' + "x" * 500_000 + "</script>", ""),
        ("<span class=author>" + "x , " * 50_000 + "</span>", ""),
        ("<h1>x</h1>" * 20_000, ""),
        ("".join(f"<p><font c={i}>x" for i in range(10_000)), ""),
        (("<table><tr><td>" * 19 + "x" + "</table>" * 19) * 500, ""),
        ("<p>word word</p>" * 15_000, ""),
    ],
    ids=lambda around: around[0][:24],
)
def test_hostile_markup_costs_neither_the_article_nor_much_time(around: tuple[str, str]) -> None:
    """Nesting, attributes, control characters and broken JSON leave the paragraphs readable."""
    before, after = around
    start = time.process_time()
    article = read(f"<html><body>{before}{f'<p>{SENTENCE * 3}</p>' * 3}{after}</body></html>")
    assert time.process_time() - start < 5
    assert isinstance(article, Extraction), article
    assert SENTENCE.strip() in article.text


@pytest.mark.parametrize(
    "unit", ["<p>word word</p>", "word ", "<br>line of text", "<a href=x>y</a>"]
)
def test_large_pages_take_bounded_time(unit: str) -> None:
    """Work grows with the size of a page, not faster."""
    start = time.process_time()
    read("<html><body>" + unit * (4_000_000 // len(unit)))
    assert time.process_time() - start < 10


#: Pieces that broke an extractor, a parser or a decoder at some time.
NASTY = [
    *(b"\xed\xa0\x80", b"\xff\xfe", b"\x00", b"\x1b$B", b"&#xd800;", b"&#x110000;", b"\xd9"),
    *(b"<!--", b"<![CDATA[", b"<p", b"<p>", b"</p>", b"<br>", b"<title>", b"<table><td>"),
    *(
        b"<svg><p>",
        b"<plaintext>",
        b"<select><p>",
        b"<noscript>",
        b"<font c=",
        b"<li class=comment>",
    ),
    *(b"<script type=application/ld+json>", b'{"@type":"NewsArticle","author":[[{"name":{}}]],'),
    *(b'"datePublished":["2025-02-30",{}],', b'"headline":{"@value":1}}', b"</script>"),
    b"<time datetime='9999-12-31T23:59:60+99:99'>",
    b"<meta property=article:published_time content=",
    *(b"<a href='http://[::1/'>", b"<base href='//['>"),
    b"<h1>" + "الجسر يُفتح من جديد ".encode("cp1256", "replace"),
    SENTENCE.encode() * 3,
]
MARKUP = st.sampled_from(
    [
        *("<p>", "</p>", "<div>", "</div>", "<br>", "<h1>", "<h2>", "<ul><li>", "<table><tr><td>"),
        *("<article>", "<script type='application/ld+json'>", '{"@type":"Article","author":'),
        *("</script>", "<title>", "<meta property=og:title content='", "'>", "<!--", "-->", "&#x"),
        *(SENTENCE, "كلمة عربية ", "می‌رود", "\u2058", "\u2040", "\0", "\ud800", "]]>", "&amp;"),
        *("<time datetime=2024-13-01>", "<a href=x>", "<span class=author>", "&#xffff;"),
    ]
)


def test_a_page_of_nothing_but_nesting_takes_no_time() -> None:
    """Where hardly any text is found, no other opinion is asked on markup that is deep."""
    for markup in ("<div>" * 50_000, "<p><font c=x" + "><p><font c=x".join(map(str, range(9_000)))):
        start = time.process_time()
        result = read(f"<html><body>{markup}<h1>Bridge</h1><p>Short words.")
        assert time.process_time() - start < 5
        assert isinstance(result, Extraction | Rejection)


@pytest.mark.parametrize("url", ["https://[::1/x", "http://quay.example/%zz", "x", ""])
def test_a_broken_address_does_not_cost_the_page(url: str) -> None:
    """An address that is none says nothing about its page."""
    body = f"<h1>Bridge</h1><article>{f'<p>{SENTENCE * 3}</p>' * 3}</article>"
    assert isinstance(
        extract(RawPage(body=body.encode(), origin="test", final_url=url)), Extraction
    )


def test_a_page_of_too_many_elements_is_refused() -> None:
    """Far more than any page has: its paragraphs alone would take seconds."""
    refused = read("<html><body>" + "<p>word word</p>" * 45_000)
    assert isinstance(refused, Rejection)
    assert refused.reason == "too_large"


@settings(max_examples=100)
@given(
    st.binary(max_size=400) | st.lists(st.sampled_from(NASTY), max_size=12).map(b"".join),
    st.sampled_from(
        ["text/html", "text/plain", "text/html; charset=utf-16", "x/y; charset=no", ""]
    ),
    st.sampled_from([None, "https://[::1/x", "https://quay.example/2025/03/02/bridge"]),
)
def test_any_bytes_give_a_bounded_answer(body: bytes, kind: str, url: str | None) -> None:
    """Whatever bytes come: nothing is raised, the text is not much longer, dates have zones."""
    result = read(body, headers={"content-type": kind}, final_url=url)
    if isinstance(result, Extraction):
        assert len(result.text) <= 4 * len(body)
        assert not re.search("[\x00\ud800-\udfff]", f"{result.title}{result.text}")
        for date in (result.published_at, result.modified_at):
            assert date is None or date.tzinfo is not None


@settings(max_examples=150)
@given(st.lists(MARKUP | st.text(max_size=8), max_size=30))
def test_extract_is_total(parts: list[str]) -> None:
    """Whatever markup comes, the answer is an extraction or a rejection, never an error."""
    result = read("".join(parts).encode("utf-8", "surrogatepass"))
    assert isinstance(result, Extraction | Rejection)


def test_persian_keeps_its_zero_width_non_joiners() -> None:
    """Words of Persian are not glued together."""
    sentence = "اصلاح‌طلبان می‌گویند که این برنامه برای مردم است و اجرا می‌شود. "
    article = read(f"<html><body><article>{f'<p>{sentence * 4}</p>' * 3}</article></body></html>")
    assert isinstance(article, Extraction)
    assert "اصلاح‌طلبان می‌گویند" in article.text
    assert article.language == "fa"


def test_headings_are_marked() -> None:
    """A heading inside the body is a paragraph of its own that starts with `## `."""
    body = ARTICLE.replace("</article>", f"<h2>What next</h2><p>Then. {SENTENCE * 3}</p></article>")
    article = read(body)
    assert isinstance(article, Extraction)
    assert "## What next" in article.text.split("\n\n")


def test_the_feed_is_the_last_witness() -> None:
    """What the page does not say is taken from the feed, and marked so."""
    bare = f"<html><body><article>{f'<p>{SENTENCE * 3}</p>' * 3}</article></body></html>"
    article = read(bare, feed_title="From the feed")
    assert isinstance(article, Extraction)
    assert article.title == "From the feed"
    assert article.witnesses["title"] == "feed"


def test_plain_text_responses_are_read_by_lines() -> None:
    """A text/plain body is a document of lines."""
    text = f"A headline of five words\n\n{SENTENCE}{SENTENCE}\n\n{SENTENCE}Yes.\n"
    article = read(text, headers={"content-type": "text/plain; charset=utf-8"})
    assert isinstance(article, Extraction)
    assert article.title == "A headline of five words"
    assert article.text.count("\n\n") == 1


def test_warm_can_run_twice() -> None:
    """Warming up is repeatable and leaves nothing to do but the work."""
    warm()
    start = time.process_time()
    warm()
    assert time.process_time() - start < 1


def test_time_zone_of_the_source() -> None:
    """A time without a zone is read in the source's zone; one that names a zone in its own."""
    body = "".join(
        f"<p>The council met for the {n}th time on the new bridge today.</p>" for n in range(9)
    )

    def published(stated: str) -> datetime | None:
        html = f"<meta property=article:published_time content='{stated}'><h1>T</h1>{body}"
        page = RawPage(body=html.encode(), origin="test", time_zone="Asia/Riyadh")
        found = extract(page)
        return found.published_at if isinstance(found, Extraction) else None

    assert published("2026-01-02T12:00:00") == datetime(2026, 1, 2, 9, tzinfo=UTC)
    assert published("2026-01-02T12:00:00Z") == datetime(2026, 1, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("feed", "expected", "witness"),
    [
        (datetime(2026, 1, 2, 8, 20, 31, tzinfo=UTC), "2026-01-02T08:20:31+00:00", "feed"),
        (datetime(2026, 1, 2, 8, 27, tzinfo=UTC), "2026-01-02T11:20:00+00:00", "visible"),
        (datetime(2026, 1, 5, 11, 20, tzinfo=UTC), "2026-01-02T11:20:00+00:00", "visible"),
    ],
)
def test_the_feed_tells_the_zone_that_the_page_does_not(
    feed: datetime, expected: str, witness: str
) -> None:
    """A time shown without a zone is the feed's, where only the offset of a zone parts the two."""
    body = "".join(
        f"<p>The council met for the {n}th time on the bridge again.</p>" for n in "123456"
    )
    html = f"<h1>A headline of some words</h1><p>2 January 2026 11:20</p>{body}"
    page = RawPage(body=html.encode(), origin="test", feed_published_at=feed)
    found = extract(page)
    assert isinstance(found, Extraction)
    assert found.published_at is not None
    assert found.published_at.isoformat() == expected
    assert found.witnesses["published_at"] == witness
