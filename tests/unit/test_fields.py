"""Promises of the field readers: titles, authors, dates and JSON-LD of a page."""

import json
from typing import Any

import pytest

from worker import authors, clean, fields, jsonld, language, tree

TITLE = "Old stone bridge reopens after three years"


def page(head: str = "", body: str = "", title: str = f"{TITLE} | The Quay") -> fields.Fields:
    """Return the fields of a page with this head and body."""
    root = tree.parse(
        f"<html lang=en><head><title>{title}</title>{head}</head><body>{body}</body></html>"
    )
    assert root is not None
    return fields.read(root, "https://www.quay.example/a")


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
        ("", "<p>It was closed on January 12, 2019, after cracks were found.</p>", None, None),
        ("", "<div class=related-posts><time datetime=2019-01-01>x</time></div>", None, None),
        ("", "<footer><span class=date>January 1, 2019</span></footer>", None, None),
    ],
)
def test_the_date_comes_from_a_witness_and_never_from_running_text(
    head: str, body: str, day: str | None, witness: str | None
) -> None:
    """A date beside the headline counts; one in the text, a list or an update does not."""
    found = page(head, f"<h1>{TITLE}</h1>{body}")
    assert (found.published.at.date().isoformat() if found.published else None) == day
    assert found.witnesses.get("published_at") == witness


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
    assert authors.read(root, [], {}, None) is None
