"""Per-source rules: what they select stands, and what they miss is told."""

from datetime import UTC, datetime

import pytest

from services.shared import page_header
from services.shared.contracts import Article, Extraction, RawPage, Rejection
from worker import pipeline
from worker.extract import extract

SENTENCE = "The council met on Monday and spoke about the bridge across the river for two hours."
PAGE = f"""<html><head><title>Council meets</title></head><body>
<div class="big">Council speaks of the bridge</div><i class="who">Rana Haddad</i>
<span class="when" datetime="2026-03-04T10:00:00Z">some time ago</span>
<div class="story"><h2>First</h2><p>{SENTENCE}</p><p>{SENTENCE.replace("Monday", "Tuesday")}
  It ended
  late.</p><div class="advert"><p>{SENTENCE.replace("met", "advertised")}</p></div></div>
<div class="other"><p>{SENTENCE.replace("council", "club")}</p></div></body></html>"""
RULES = {
    "body": ".story",
    "title": ".big",
    "author": ".who",
    "date": ".when",
    "remove": ".advert",
}


def read(rules: dict[str, str], page: str = PAGE) -> Extraction:
    """Return what is read from the page under these rules."""
    extraction = extract(RawPage(body=page.encode(), origin="test", rules=rules))
    assert isinstance(extraction, Extraction)
    return extraction


def test_what_is_selected_stands() -> None:
    """Body, title, author and date are those that the rules select, each with its witness."""
    found = read(RULES)
    assert found.text.split("\n\n") == [
        "## First",
        SENTENCE,
        f"{SENTENCE.replace('Monday', 'Tuesday')} It ended late.",
    ]
    assert found.title == "Council speaks of the bridge"
    assert found.authors == ("Rana Haddad",)
    assert found.published_at == datetime(2026, 3, 4, 10, tzinfo=UTC)
    assert {found.witnesses[name] for name in ("title", "authors", "published_at")} == {"rule"}
    assert found.rules_missed == ()


@pytest.mark.parametrize("name", ["body", "title", "author", "date"])
def test_a_rule_that_selects_nothing_is_missed(name: str) -> None:
    """The general way answers in its place, and the miss is told by the rule's name."""
    found = read({name: ".gone"})
    assert found.rules_missed == (name,)
    assert SENTENCE in found.text


def test_nothing_to_remove_is_no_miss() -> None:
    """A page without what would be removed is as it should be."""
    assert read({"remove": ".gone"}).rules_missed == ()


def test_a_date_that_cannot_be_read_is_missed() -> None:
    """A rule for the date that selects other words invents none."""
    found = read({"date": ".who"})
    assert (found.published_at, found.rules_missed) == (None, ("date",))


def test_a_date_in_the_future_is_missed() -> None:
    """A rule cannot make a page later than its fetch."""
    page = RawPage(
        body=PAGE.encode(), origin="test", rules=RULES, fetched_at=datetime(2025, 1, 1, tzinfo=UTC)
    )
    found = extract(page)
    assert isinstance(found, Extraction)
    assert (found.published_at, found.rules_missed) == (None, ("date",))


def test_a_selector_that_cannot_be_read_is_missed() -> None:
    """A message with a broken selector costs no page."""
    assert read({"title": "..", "body": ":hover(("}).rules_missed == ("body", "title")


def test_without_rules_nothing_can_be_missed() -> None:
    """Sources without rules are told from sources whose rules all fit."""
    assert read({}).rules_missed is None


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        ("<h1>Short</h1><p>Too short.</p>", "too_short"),
        ("<title>404 Not Found</title><h1>Page not found</h1><p>Try the search.</p>", "soft_404"),
    ],
)
def test_a_refused_page_tells_what_was_missed(page: str, reason: str) -> None:
    """The alarm is also heard where the page without its body is no article any more."""
    refused = extract(RawPage(body=page.encode(), origin="test", rules={"body": ".gone"}))
    assert isinstance(refused, Rejection)
    assert (refused.reason, refused.rules_missed) == (reason, ("body",))


def test_rules_travel_with_the_page() -> None:
    """What the crawler sends is what the worker applies."""
    page = RawPage(body=b"x", origin="test", rules=RULES)
    assert page_header.decode(page_header.encode(page), b"x") == page


def test_what_was_missed_reaches_the_store() -> None:
    """The article that is stored still tells it: the alarm is counted there."""
    page = RawPage(body=PAGE.encode(), origin="test", rules={"date": ".gone"})
    article = pipeline.read(page, max_body_bytes=1_000_000)
    assert isinstance(article, Article)
    assert article.extraction.rules_missed == ("date",)
