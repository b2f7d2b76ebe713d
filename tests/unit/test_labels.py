"""Promises of what a page says about its article: labels, comments, section, tags, addresses."""

import json
from typing import Any

import pytest

from worker import fields, tree
from worker.fields.page import read as read_page

TITLE = "Old stone bridge reopens after three years"


def page(head: str = "", body: str = "", url: str | None = "https://quay.example/a") -> Any:
    """Return the fields of a page with this head, and this body around its headline."""
    before, _, after = body.rpartition("@")
    root = tree.parse(
        f"<html><head><title>{TITLE}</title>{head}</head>"
        f"<body>{before}<h1>{TITLE}</h1>{after}</body></html>"
    )
    assert root is not None
    return fields.read(read_page(root, url))


def script(**node: Any) -> str:
    """Return a JSON-LD script of an article with these fields."""
    article = {"@type": "NewsArticle", "headline": TITLE, **node}
    return f"<script type='application/ld+json'>{json.dumps(article)}</script>"


@pytest.mark.parametrize(
    ("head", "body", "label", "witness"),
    [
        (script(isAccessibleForFree=False), "", "paywall", "json_ld"),
        (script(isAccessibleForFree="False"), "", "paywall", "json_ld"),
        ("<meta property=article:content_tier content=locked>", "", "paywall", "meta"),
        ("<meta itemprop=isAccessibleForFree content=false>", "", "paywall", "meta"),
        (script(**{"@type": ["NewsArticle", "OpinionNewsArticle"]}), "", "opinion", "json_ld"),
        (script(articleSection=["Opinion", "Bridges"]), "", "opinion", "json_ld"),
        ("<meta property=article:section content='مقالات رأي'>", "", "opinion", "meta"),
        (
            "",
            "<ol class=breadcrumb><a href=/>x</a><a href=/k>Kommentar</a></ol>@",
            "opinion",
            "visible",
        ),
        (script(**{"@type": "LiveBlogPosting"}), "", "live_blog", "json_ld"),
        ("", "<div itemtype=https://schema.org/LiveBlogPosting>x</div>", "live_blog", "microdata"),
        ("", "<b>تغطية مباشرة</b>@", "live_blog", "visible"),
        (script(**{"@type": "AdvertiserContentArticle"}), "", "sponsored", "json_ld"),
        ("", "<p>Sponsored content</p>@<p>x</p>", "sponsored", "visible"),
        ("", "<span>محتوى برعاية</span>@", "sponsored", "visible"),
    ],
)
def test_a_page_that_labels_itself_is_labelled(
    head: str, body: str, label: str, witness: str
) -> None:
    """Machines' words and a short line beside the headline give a label, with the witness."""
    found = page(head, body)
    assert found.labels == (label,)
    assert found.witnesses[f"labels.{label}"] == witness


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (script(isAccessibleForFree=True), ""),
        ("<meta property=article:content_tier content=free>", ""),
        ("<meta property=article:opinion content=false>", ""),
        ("", "<nav><a>Opinion</a><a>Sponsored content</a></nav>@"),
        ("", "<p>Advertisement</p>@<p>Anzeige</p>"),
        ("", "@" + "<p>Words of the article.</p>" * 9 + "<p>Sponsored content</p>"),
        ("", "@<p>In his opinion, the sponsored content was a live blog.</p>"),
    ],
)
def test_nothing_else_gives_a_label(head: str, body: str) -> None:
    """Menus, advertisements, the text and what a page denies label nothing."""
    assert page(head, body).labels == ()


def test_an_opinion_says_so_before_its_headline() -> None:
    """The word before a colon or a bar counts where it is one of those for opinion."""
    root = tree.parse("<title>Opinion | Mend it</title><h1>Opinion | Mend the bridge</h1>")
    assert root is not None
    assert fields.read(read_page(root)).labels == ("opinion",)


@pytest.mark.parametrize(
    ("head", "body", "count", "witness"),
    [
        (script(commentCount=12), "", 12, "json_ld"),
        (script(commentCount="0"), "", 0, "json_ld"),
        (
            script(
                interactionStatistic=[
                    {"interactionType": "https://schema.org/LikeAction", "userInteractionCount": 5},
                    {
                        "interactionType": {"@type": "CommentAction"},
                        "userInteractionCount": 7,
                    },
                ]
            ),
            "",
            7,
            "json_ld",
        ),
        ("<meta name=comment_count content=3>", "", 3, "meta"),
        ("", "@<span itemprop=commentCount>4</span>", 4, "microdata"),
        ("", "@<a href=#comments>12 Comments</a>", 12, "visible"),
        ("", "@<a href=#comments>٣ تعليقات</a><a href=#comments>3</a>", 3, "visible"),
        ("", "@<a href=#comments>0</a>", None, None),
        ("", "@<a href=/b#comments>5 comments</a><a href=/c#comments>6</a>", None, None),
        ("", "@<a href=#comments>Top 10 stories</a>", None, None),
        (script(commentCount=-1), "", None, None),
        ("", "", None, None),
    ],
)
def test_comments_are_counted_as_the_page_counts(
    head: str, body: str, count: int | None, witness: str | None
) -> None:
    """A number is stated or None; links that disagree are of other articles, 0 a placeholder."""
    found = page(head, body)
    assert (found.comments_count, found.witnesses.get("comments_count")) == (count, witness)


def trail(*names: str) -> dict[str, Any]:
    """Return a trail of pages as JSON-LD has it."""
    items = [{"position": place, "item": {"name": name}} for place, name in enumerate(names)]
    return {"@type": "BreadcrumbList", "itemListElement": items}


@pytest.mark.parametrize(
    ("head", "body", "section", "witness"),
    [
        (script(articleSection="Bridges"), "", "Bridges", "json_ld"),
        (
            "<meta property=article:section content='Roads &amp;amp; bridges'>",
            "",
            "Roads & bridges",
            "meta",
        ),
        ("", "<i itemprop=articleSection>Bridges</i>@", "Bridges", "microdata"),
        (script(breadcrumb=trail("Home", "World", "Asia", TITLE)), "", "Asia", "json_ld"),
        (script(breadcrumb=trail("الرئيسية", "اقتصاد")), "", "اقتصاد", "json_ld"),
        ("", "<ul class=Breadcrumbs><a href=/>x</a><a href=/w>World</a></ul>@", "World", "visible"),
        ("", "<ul class=Breadcrumbs><a href='mailto:a'>EMAIL ME</a></ul>@", None, None),
        (script(breadcrumb=trail("Home", TITLE[:20] + "...")), "", None, None),
    ],
)
def test_the_section_is_stated_or_the_last_step_of_the_trail(
    head: str, body: str, section: str | None, witness: str | None
) -> None:
    """The home page and the article itself are no sections."""
    found = page(head, body)
    assert (found.section, found.witnesses.get("section")) == (section, witness)


@pytest.mark.parametrize(
    ("head", "body", "tags"),
    [
        (script(keywords="a, b,a"), "", ("a", "b")),
        (script(keywords=["a", {"@type": "DefinedTerm", "name": "b"}]), "", ("a", "b")),
        (
            "<meta property=article:tag content=a><meta property=article:tag content=b>",
            "",
            ("a", "b"),
        ),
        ("<meta name=keywords content='جسر، نهر'>", "", ("جسر", "نهر")),
        ("", "@<a rel=tag>a</a><div class=related><a rel=tag>b</a></div>", ("a",)),
        (f"<meta name=keywords content='{'x' * 90}'>", "", ()),
    ],
)
def test_tags_are_read_once_each(head: str, body: str, tags: tuple[str, ...]) -> None:
    """Lists, text with commas of any script and links to tags; a sentence is no tag."""
    assert page(head, body).tags == tags


@pytest.mark.parametrize(
    ("head", "image", "canonical"),
    [
        ("<meta property=og:image content=/p.jpg>", "https://quay.example/p.jpg", None),
        (
            script(image=[{"@type": "ImageObject", "url": "/p.jpg"}]),
            "https://quay.example/p.jpg",
            None,
        ),
        ("<link rel='canonical' href=/b>", None, "https://quay.example/b"),
        ("<meta property=og:url content=//quay.example/b>", None, "https://quay.example/b"),
        (
            script(mainEntityOfPage={"@id": "https://quay.example/b"}),
            None,
            "https://quay.example/b",
        ),
        ("<meta property=og:image content='data:image/png;base64,xx'>", None, None),
        ("<link rel=canonical href='http://[bad'>", None, None),
    ],
)
def test_addresses_are_absolute(head: str, image: str | None, canonical: str | None) -> None:
    """Addresses are joined to the page's; what is no web address is None."""
    found = page(head)
    assert (found.image_url, found.canonical_url) == (image, canonical)


@pytest.mark.parametrize(
    ("head", "name", "witness"),
    [
        ("<meta property=og:site_name content='The Quay'>", "The Quay", "meta"),
        (script(publisher={"@type": "Organization", "name": "The Quay"}), "The Quay", "json_ld"),
        (script(publisher={"@id": "#quay"}), None, None),
        (
            '<script type="application/ld+json">{"@type": "WebSite", "name": "The Quay"}</script>',
            "The Quay",
            "json_ld",
        ),
    ],
)
def test_the_outlet_is_named(head: str, name: str | None, witness: str | None) -> None:
    """The outlet's name comes from the page's head, never from its address."""
    found = page(head)
    assert (found.site_name, found.witnesses.get("site_name")) == (name, witness)
