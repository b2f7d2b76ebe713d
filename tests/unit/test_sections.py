import json
import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.discovery import documents, parse, sites
from crawler.navigation import Navigation
from services.shared import urls

PAGES = Path(__file__).parents[1] / "pages"
SECTIONS = Path(__file__).parents[1] / "sections"
LABELLED = re.compile(r'<a data-article href="([^"]+)"')


def listed(html: str, url: str, elsewhere: frozenset[str] = frozenset()) -> list[str]:
    """Return the addresses a section page lists."""
    return [
        link.url for link in parse(html.encode(), url, kind="section", elsewhere=elsewhere).links
    ]


@pytest.mark.parametrize("path", sorted(SECTIONS.glob("*.html")), ids=lambda path: path.stem)
def test_articles_are_told_from_navigation(path: Path) -> None:
    """On a made page of each style and language: all articles, each once, and nothing else."""
    html = path.read_text("utf-8")
    url = f"https://{path.stem}.example/section"
    expected = dict.fromkeys(
        urls.clean(f"https://{path.stem}.example{href}") for href in LABELLED.findall(html)
    )

    assert expected
    assert listed(html, url) == list(expected)


@pytest.mark.parametrize(
    ("name", "article"),
    [
        ("list-home-page", r"/news/\d$"),
        ("list-tag-arabic", r"/ar/\d$"),
        ("list-section-page", r"/\d+$"),
    ],
)
def test_lists_that_are_no_articles_are_read_as_sections(name: str, article: str) -> None:
    """The pages that the worker rejects for being lists give their articles here."""
    folder = PAGES / name
    url = json.loads((folder / "meta.json").read_text("utf-8"))["final_url"]
    html = (folder / "page.html").read_text("utf-8")
    found = listed(html, url)

    assert len(found) >= 3
    assert all(re.search(article, address) for address in found)


def test_what_stands_on_other_pages_too_is_navigation() -> None:
    """A link that looks like an article's, but is on each page of the site, is not listed."""
    link = "<li><a href='/{0}'>{1}</a></li>"
    promise = link.format("our-promise-to-readers", "Our promise to our readers since 1921")
    story = link.format("storm-hits-the-coast", "Storm hits the coast and leaves again")
    html = f"<body><ul>{promise}{story}"
    url = "https://x.example/"
    elsewhere = frozenset({urls.key("https://x.example/our-promise-to-readers")})

    assert len(listed(html, url)) == 2
    assert listed(html, url, elsewhere) == ["https://x.example/storm-hits-the-coast"]


def test_navigation_is_what_most_other_pages_have() -> None:
    """Told from two other pages on, of the same source; each page counts as it was read last."""
    navigation = Navigation()
    navigation.note("a", 1, frozenset({"x", "y"}))
    navigation.note("b", 9, frozenset({"x", "z"}))

    assert navigation.elsewhere("a", 2) == frozenset()
    navigation.note("a", 3, frozenset({"x", "z"}))
    assert navigation.elsewhere("a", 2) == {"x"}
    navigation.note("a", 1, frozenset({"z"}))
    assert navigation.elsewhere("a", 2) == {"z"}
    assert navigation.elsewhere("a", 1) == frozenset()


def test_an_items_own_time_is_its_date() -> None:
    """The time of an item is the link's; a time beside several items is nobody's."""
    item = (
        "<li><h3><a href='/2026/11/a-story-of-some-words'>A story of some words</a></h3>"
        "<time datetime='2026-11-02T10:00:00+03:00'>today</time></li>"
    )
    body = f"<html lang='en'><title>News</title><ul>{item}</ul>"
    listing = parse(body.encode(), "https://x.example/news", kind="section")

    assert listing.links[0].published_at == datetime(2026, 11, 2, 7, tzinfo=UTC)
    assert listing.links[0].title == "A story of some words"
    assert (listing.title, listing.language) == ("News", "en")
    assert listing.problems == {}


@pytest.mark.parametrize("body", [b"<html>", b"<html><body><a href='/login'>Log in</a>"])
def test_a_page_without_articles_is_named(body: bytes) -> None:
    """No article is no link, and is counted."""
    assert parse(body, "https://x.example/", kind="section").problems == {"no_links": 1}


def test_a_feed_at_a_sections_address_is_read_as_one() -> None:
    """What the bytes are decides: a section that answers with a feed is a feed."""
    body = b"<rss><channel><item><link>/1</link></item></channel></rss>"

    assert len(parse(body, "https://x.example/", kind="section").links) == 1


HTML = st.lists(
    st.sampled_from(
        [
            *(
                "<a href='",
                "/2026/11/02/a-b-c-d-e'>",
                "//[::1'>",
                "http://[",
                "'>",
                "</a>",
                "<nav>",
            ),
            *(
                "<li>",
                "</li>",
                "<h2>",
                "</h2>",
                "<base href='http://[",
                "<time datetime='x'>",
                "<div ",
            ),
            *(
                "class='menu'>",
                "<article>",
                "خبر عاجل من المدينة اليوم",
                "\x00",
                "\ufeff",
                "&#xFFFF;",
            ),
            *("?id=123456", "#x", "javascript:", "\ud800", "<!--", "-->", "<svg>", "<template>"),
        ]
    ),
    max_size=40,
).map(lambda pieces: ("<html>" + "".join(pieces)).encode("utf-8", "surrogatepass"))


@settings(max_examples=300)
@given(HTML)
def test_no_page_makes_it_raise(body: bytes) -> None:
    """Whatever stands in the page: clean addresses of the site, once each, or a named problem."""
    listing = parse(body, "https://x.example/news", kind="section")

    assert listing.links or listing.problems
    keys = [urls.key(link.url) for link in listing.links]
    assert len(set(keys)) == len(keys)
    for link in listing.links:
        assert urls.clean(link.url) == link.url
        assert urls.site(link.url) == "x.example"


def test_a_home_page_tells_its_feeds_and_sections() -> None:
    """Link tags, links that look like feeds, and the menu; not feeds of comments."""
    html = (
        "<link rel='alternate' type='application/rss+xml' href='/a'>"
        "<link rel='alternate' type='application/rss+xml' href='/comments/feed'>"
        "<link rel='alternate' hreflang='en' href='/en'>"
        "<nav><a href='/sport'>رياضة</a><a href='/login'>دخول</a><a href='/rss'>RSS</a></nav>"
    )
    document = documents.look(html.encode(), None, Counter())
    found = [
        (one.url, one.kind, one.told_by) for one in sites.candidates(document, "https://x.example/")
    ]

    assert found == [
        ("https://x.example/a", "feed", "link tag"),
        ("https://x.example/rss", "feed", "home page"),
        ("https://x.example/sport", "section", "menu"),
    ]


@settings(max_examples=200)
@given(HTML)
def test_no_home_page_makes_it_raise(body: bytes) -> None:
    """Whatever stands in a home page, what may be a feed of it has a clean address."""
    document = documents.look(body, None, Counter())
    for candidate in sites.candidates(document, "https://x.example/"):
        assert urls.clean(candidate.url) == candidate.url
