"""Promises of the field readers: titles, authors, dates and JSON-LD of a page."""

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from worker import clean, fields, language, tree
from worker.fields import authors, jsonld
from worker.fields.page import read as read_page

TITLE = "Old stone bridge reopens after three years"


def page(head: str = "", body: str = "", title: str = f"{TITLE} | The Quay") -> fields.Fields:
    """Return the fields of a page with this head and body."""
    root = tree.parse(
        f"<html lang=en><head><title>{title}</title>{head}</head><body>{body}</body></html>"
    )
    assert root is not None
    return fields.read(read_page(root, "https://www.quay.example/a"))


def script(value: Any) -> str:
    """Return a JSON-LD script, from a value or from text as it is."""
    text = value if isinstance(value, str) else json.dumps(value)
    return f'<script type="application/ld+json">{text}</script>'


@pytest.mark.parametrize(
    ("title", "head", "body"),
    [
        (f"{TITLE} | The Quay", "", f"<h1>{TITLE}</h1>"),
        (f"{TITLE} - quay", "", ""),
        (f"The Quay » {TITLE}", "<meta property=og:site_name content='The Quay'>", ""),
        (TITLE, f"<meta property=og:title content='{TITLE} – The Quay'>", f"<h1>{TITLE}</h1>"),
        (TITLE, "", f"<h1>{TITLE.upper()}</h1>"),
        (f"{TITLE} | The Quay", "", f"<h1>The Quay</h1><h2>{TITLE}</h2>"),
        (f'crossorigin="anonymous"> {TITLE}', "", ""),
        ("Bridge news for search engines", "", f"<h1>{TITLE.replace('Old', 'The old')}</h1>"),
    ],
)
def test_the_title_is_the_headline_without_the_site(title: str, head: str, body: str) -> None:
    """Whatever else the page calls itself, the headline is what a reader sees."""
    found = page(head, body, title).title
    assert found in {TITLE, TITLE.replace("Old", "The old"), "Bridge news for search engines"}
    assert "Quay" not in (found or "")


HEADING = "Why the stone bridge was closed for so long"
SEARCH = f"<meta property=og:title content='{TITLE}'>"


@pytest.mark.parametrize(
    ("kind", "title"), [("NewsArticle", TITLE), ("BlogPosting", HEADING), ("Article", HEADING)]
)
def test_a_newsroom_headline_counts_more_than_one_for_search_engines(kind: str, title: str) -> None:
    """Where the heading differs, JSON-LD of news is the headline; that of blogs copies <title>."""
    data = script({"@type": kind, "headline": TITLE})
    found = page(data + SEARCH, f"<h1>{HEADING}</h1>", TITLE)
    assert (found.title, found.witnesses["title"]) == (
        title,
        "json_ld" if title == TITLE else "visible",
    )


@pytest.mark.parametrize(
    "heading",
    ["Dec 18 2025 " + TITLE, f"<span>Bridges</span> {TITLE}", TITLE.replace("Old", "<b>O</b>ld")],
)
def test_a_heading_gives_no_kicker_and_no_spaces_between_tags(heading: str) -> None:
    """What the page's other titles agree on is the title; a topic or date before it is not."""
    assert page(SEARCH, f"<h1>{heading}</h1>", TITLE).title == TITLE


def test_a_newsroom_headline_goes_before_a_heading_that_nothing_agrees_with() -> None:
    """JSON-LD of news alone against the heading alone: the one that was filed as the headline."""
    data = script({"@type": "NewsArticle", "headline": TITLE})
    assert page(data, f"<h1>{HEADING}</h1>", "The Quay").title == TITLE
    assert page(data, f"<h1>{HEADING}</h1>", HEADING).title == HEADING


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("/news/old-stone-bridge-reopens-after-three-years-12345678.html", TITLE),
        ("/news/why-the-stone-bridge-was-closed", HEADING),
        ("/news/stone-bridge", HEADING),
        ("/news/%D8%AC%D8%B3%D8%B1-a-b-c-d-e-f-g", HEADING),
        ("/", HEADING),
    ],
)
def test_an_address_in_words_tells_the_title(path: str, title: str) -> None:
    """A heading that says little of the address gives way to a title that says most of it."""
    root = tree.parse(f"<title>{TITLE}</title><h1>{HEADING}</h1>")
    assert root is not None
    assert fields.read(read_page(root, f"https://www.quay.example{path}")).title == title


@pytest.mark.parametrize("kind", ["NewsArticle", "Article"])
def test_an_address_tells_nothing_against_two_witnesses(kind: str) -> None:
    """News desks write other words into the address: heading and JSON-LD together stay."""
    data = script({"@type": kind, "headline": HEADING})
    root = tree.parse(f"<title>{TITLE}</title>{data}<h1>{HEADING}</h1>")
    assert root is not None
    address = "https://www.quay.example/old-stone-bridge-reopens-after-three-years"
    assert fields.read(read_page(root, address)).title == HEADING


@pytest.mark.parametrize("cut", [TITLE[:20] + "…", (TITLE + " of work on its piers" * 4)[:100]])
def test_a_title_cut_short_is_not_the_title(cut: str) -> None:
    """What is only the beginning of another title was cut for search engines."""
    whole = TITLE + " of work on its piers" * 4
    data = script({"@type": "NewsArticle", "headline": cut})
    found = page(f"{data}<meta property=og:title content='{cut}'>", f"<h1>{whole}</h1>", cut)
    assert found.title == whole


def test_of_several_headings_the_first_that_fits_is_the_title() -> None:
    """The site's address is no headline, and a later one like the title is of another article."""
    headings = "<h1>quay.example</h1><h1>Old stone bridge reopens at last</h1><h1>Old bridges</h1>"
    assert page("", headings, f"quay.example | {TITLE}").title == "Old stone bridge reopens at last"


@pytest.mark.parametrize(
    ("head", "body", "names", "witness"),
    [
        (script({"@type": "NewsArticle", "author": "Mira Aalto"}), "", "Mira Aalto", "json_ld"),
        (script([{"@type": "Article", "author": [{"name": "A. Bo"}]}]), "", "A. Bo", "json_ld"),
        ("<meta name=author content='By A. Bo and C. Du'>", "", "A. Bo; C. Du", "meta"),
        (
            "<meta name=twitter:label1 content=By><meta name=twitter:data1 content='Mira Aalto'>",
            "",
            "Mira Aalto",
            "meta",
        ),
        ("", "<span itemprop=author><a>A. Bo</a><i>Senior writer</i></span>", "A. Bo", "microdata"),
        ("", f"<h1>{TITLE}</h1><p>By A. Bo, Dec 17, 2025</p>", "A. Bo", "visible"),
        ("", "<div class=byline>بقلم: سلمى الخطيب</div>", "سلمى الخطيب", "visible"),
        ("", "<div class=comment-list><span class=author>A reader</span></div>", "", None),
        ("<meta name=author content='admin'>", "", "", None),
    ],
)
def test_authors_are_the_people_named(
    head: str, body: str, names: str, witness: str | None
) -> None:
    """Names without "By", roles and accounts, from the best witness; nobody is made up."""
    found = page(head, body)
    assert "; ".join(found.authors) == names
    assert found.witnesses.get("authors") == witness


def test_the_outlet_is_an_author_only_where_nobody_else_is() -> None:
    """A person in a later witness goes before the publisher in an earlier one."""
    site = "<meta property=og:site_name content='The Quay'>"
    outlet = script({"@type": "Article", "author": {"@type": "Organization", "name": "The Quay"}})
    assert page(site + outlet).authors == ("The Quay",)
    assert page(site + outlet + "<meta name=author content='Mira Aalto'>").authors == (
        "Mira Aalto",
    )


@pytest.mark.parametrize(
    ("head", "body", "day", "witness"),
    [
        ("", "<p>March 2, 2025</p>", "2025-03-02", "visible"),
        ("", "<div class=post-date>Published: 2 March 2025</div>", "2025-03-02", "visible"),
        ("<meta name=pubdate content=2025-03-02>", "", "2025-03-02", "meta"),
        ("<meta property=article:modified_time content=2025-03-02>", "", None, None),
        ("", "<p>Last updated: March 2, 2025</p>", None, None),
        ("", "<div>Aktualisiert am</div><div>2. März 2025</div>", None, None),
        ("", "<p>Updated March 9, 2025, first published March 2, 2025", "2025-03-02", "visible"),
        ("", "<p>March 2, 2025 (updated March 9, 2025)</p>", "2025-03-02", "visible"),
        ("", "<p>March 2, 2025, last update 13:00</p>", None, None),
        ("", "<p>Effective beginning 6/2/2025:</p>", None, None),
        ("", "<article><footer><p>March 2, 2025</p></footer></article>", "2025-03-02", "visible"),
        ("", "<p>14 رجب 1445 هـ</p>", "2024-01-26", "visible"),
        ("", "<p>3 hours ago</p>", None, None),
        ("", "<p>It was closed on January 12, 2019, after cracks were found.</p>", None, None),
        ("", "<div class=related-posts><time datetime=2019-01-01>x</time></div>", None, None),
        ("", "<footer><span class=date>January 1, 2019</span></footer>", None, None),
    ],
)
def test_the_date_comes_from_a_witness_and_never_from_running_text(
    head: str, body: str, day: str | None, witness: str | None
) -> None:
    """A date beside the headline counts; one in the text, in a list or of an update does not."""
    found = page(head, f"<h1>{TITLE}</h1>{body}")
    assert (found.published.at.date().isoformat() if found.published else None) == day
    assert found.witnesses.get("published_at") == witness


@pytest.mark.parametrize(
    ("head", "body", "day"),
    [
        ("", "<p>4/3/2025</p>", "2025-04-03"),
        ("", "<p>4/3/2025</p><p>28/2/2025</p>", "2025-03-04"),
        ("<meta name=datemodified content=2025-03-04>", "<p>4/3/2025</p>", "2025-03-04"),
        ("<meta name=pubdate content=03/09/2024>", "", "2024-03-09"),
        ("<meta name=pubdate content=09/12/2025>", "", "2025-09-12"),
        ("<meta name=pubdate content=12/09/2025>", "", "2025-09-12"),
    ],
)
def test_day_and_month_stand_in_the_order_that_the_page_follows(
    head: str, body: str, day: str
) -> None:
    """Another date of the page tells the order, before the language does; none is in the future."""
    root = tree.parse(
        f"<html lang=en><title>{TITLE}</title>{head}<body><h1>{TITLE}</h1>{body}</body></html>"
    )
    assert root is not None
    found = fields.read(read_page(root), latest=datetime(2025, 10, 1, tzinfo=UTC))
    assert found.published is not None
    assert found.published.at.date().isoformat() == day


def test_the_country_in_the_address_tells_the_order() -> None:
    """English has the day first in Britain, and the month first where nothing is known."""
    root = tree.parse(f"<html lang=en><title>{TITLE}</title><h1>{TITLE}</h1><p>4/3/2025</p>")
    assert root is not None
    first = ("https://quay.co.uk/a", "https://quay.fr/a", "https://news.quay.in")
    last = ("https://quay.com/a", "https://quay.us/", "https://quay.io/a")
    expected = dict.fromkeys(first, "2025-03-04") | dict.fromkeys(last, "2025-04-03")
    for url, day in expected.items():
        found = fields.read(read_page(root, url))
        assert found.published is not None
        assert found.published.at.date().isoformat() == day


@pytest.mark.parametrize(
    ("head", "body", "seen"),
    [
        ("", "<span>منذ 3 ساعات</span>", "منذ 3 ساعات"),
        ("", "<span>9 كانون الثاني</span>", "9 كانون الثاني"),
        ("<meta name=pubdate content='2031-01-01'>", "", "2031-01-01"),
        ("", "<div class=comments><span>3 hours ago</span></div>", None),
        ("", "<p>Everything was calm 3 hours ago in the old town, said the mayor.</p>", None),
    ],
)
def test_what_names_no_day_is_kept_as_seen(head: str, body: str, seen: str | None) -> None:
    """An age, a day of no year or one after the fetch is no date, but is kept as it is written."""
    root = tree.parse(f"<title>{TITLE}</title>{head}<body><h1>{TITLE}</h1>{body}")
    assert root is not None
    found = fields.read(read_page(root), latest=datetime(2025, 10, 1, tzinfo=UTC))
    assert found.published is None
    assert found.published_seen == seen


def test_an_evening_in_america_is_not_the_next_day() -> None:
    """A time in UTC is written in the offset that the day in the address asks for, unchanged."""
    head = "<meta property=article:published_time content=2025-03-03T02:18:11Z>"
    root = tree.parse(f"<title>{TITLE}</title>{head}<h1>{TITLE}</h1>")
    assert root is not None
    found = fields.read(read_page(root, "https://quay.example/2025/03/02/bridge")).published
    assert found is not None
    assert found.at == datetime(2025, 3, 3, 2, 18, 11, tzinfo=UTC)
    assert found.at.date().isoformat() == "2025-03-02"
    far = fields.read(read_page(root, "https://quay.example/2025/02/26/bridge")).published
    assert far is not None
    assert far.at.date().isoformat() == "2025-03-03"


def test_a_page_of_nothing_but_dates_is_read_in_bounded_time() -> None:
    """Dates within dates, and more of them than any article has, are not all read."""
    nested = "<i itemprop=datePublished>1 2024 " * 1500
    many = "".join(f"<p>{n} 2024</p><time>{n}</time>" for n in range(20_000))
    start = time.process_time()
    assert page("", f"<h1>{TITLE}</h1>{nested}").published is None
    assert page("", f"<h1>{TITLE}</h1>{many}").published is None
    assert time.process_time() - start < 5


def test_the_date_of_an_update_that_readers_see_is_kept() -> None:
    """Where machines are told nothing, the visible update is when the page was modified."""
    found = page("", f"<h1>{TITLE}</h1><p>Published March 2, 2025</p><p>Updated: March 9, 2025</p>")
    assert found.published is not None
    assert found.modified is not None
    assert found.published.at.date().isoformat() == "2025-03-02"
    assert found.modified.at.date().isoformat() == "2025-03-09"


@pytest.mark.parametrize(
    "broken",
    [
        '{"@type": "Article", "headline": "A", "datePublished": "2024-01-02",}',
        '<!-- {"@type": "Article", "headline": "A", "datePublished": "2024-01-02"} -->',
        '{"@type": "Article", "datePublished": "2024-01-02", "x": "a "b" c"}',
        '{"@type": "Article", "headline": "A\nB", "datePublished": "2024-01-02"}',
        '{"@type": "Article", "datePublished": "2024-01-02"}'.replace('"', "&quot;"),
        '{"@graph": [{"@type": ["Thing", "NewsArticle"], "datePublished": "2024-01-02"}]}',
        '//<![CDATA[\n{"@type": "Article", "datePublished": "2024-01-02"}\n//]]>',
    ],
)
def test_json_ld_is_read_in_any_state(broken: str) -> None:
    """The usual mistakes in JSON-LD do not cost its date."""
    root = tree.parse(f"<html><head>{script(broken)}</head><body></body></html>")
    assert root is not None
    assert [jsonld.text(node.get("datePublished")) for node in jsonld.articles(root)] == [
        "2024-01-02"
    ]


@pytest.mark.parametrize(
    ("text", "declared", "expected"),
    [
        ("قالت وزارة الخارجية إنه لا يوجد أي تغيير في موقف واشنطن", "en", "ar"),
        ("او گفت که این کار برای آن است و اجرا می‌شود", "ar", "fa"),
        ("وزیر اعظم نے کہا ہے کہ یہ فیصلہ عوام کے لیے ہے", None, "ur"),
        ("The council voted on Tuesday to open the bridge to traffic again", "de", "en"),
        ("Die Brücke ist nach drei Jahren wieder für den Verkehr geöffnet", "de-AT", "de"),
        ("東京で会議が開かれました", None, "ja"),
        ("会议将于下周举行", None, "zh"),
        ("ראש הממשלה אמר היום", None, "he"),
        ("1234 5678", "en", None),
    ],
)
def test_the_text_decides_about_its_language(
    text: str, declared: str | None, expected: str | None
) -> None:
    """What the page declares is believed only where the text agrees."""
    assert language.identify(text, declared) == expected


BODY = [
    "The council voted on Tuesday to open the bridge to traffic again, officials said.",
    "Engineers had found cracks in two of its piers, and repairs took three years.",
    "You can subscribe to the ferry that ran in its place until the end of the month.",
]


@pytest.mark.parametrize(
    "lines",
    [
        [TITLE, "By Mira Aalto", "May 6, 2024 10:00", "Share", *BODY],
        [*BODY, "## Related articles", "Another story", "A third one"],
        [BODY[0], "Read more: the cracks in the bridge", *BODY[1:]],
        [*BODY, "Sign up for our newsletter", "© 2024 The Quay"],
        [BODY[0], BODY[1], "اقرأ أيضاً: قصة أخرى", BODY[2]],
        [*BODY, BODY[0]],
    ],
)
def test_what_stands_around_the_body_is_cut(lines: list[str]) -> None:
    """Headline, byline, date, buttons, teasers, related articles and repeats go; the body stays."""
    assert clean.clean(lines, [TITLE]) == BODY


def test_a_phrase_never_removes_a_sentence() -> None:
    """Sentences that begin like chrome are the article's."""
    sentences = [
        "Comments on the plan may be sent to the council until the last day of the month.",
        "Recommended speeds on the bridge were lowered after the cracks had been found in it.",
        "Advertisement revenue fell by a third while the bridge was closed, shop owners said.",
    ]
    assert clean.clean(sentences, []) == sentences


def test_no_author_is_found_in_nothing() -> None:
    """An empty page names nobody."""
    root = tree.parse("<html><body></body></html>")
    assert root is not None
    assert authors.read(read_page(root), None) is None
