"""Promises of worker.normalize."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.shared.contracts import Comment, Extraction, RawPage
from worker.normalize import normalize

PAGE = "https://www.example.com/news/1?utm_source=rss"


def address(stated: str | None, final: str | None = PAGE, requested: str | None = None) -> str:
    """Return the address of an article that states `stated` and came from `final`."""
    page = RawPage(body=b"x", origin="test", final_url=final, requested_url=requested)
    return normalize(Extraction(title="t", text="x", canonical_url=stated), page).url


@pytest.mark.parametrize(
    ("stated", "url"),
    [
        (None, "https://www.example.com/news/1"),
        ("https://example.com/news/1-slug", "https://example.com/news/1-slug"),
        ("https://m.example.com/news/1", "https://m.example.com/news/1"),
        ("https://www.example.com/", "https://www.example.com/news/1"),
        ("https://www.example.com/index.html", "https://www.example.com/news/1"),
        ("https://partner.org/news/1", "https://www.example.com/news/1"),
        ("javascript:void(0)", "https://www.example.com/news/1"),
        ("https://www.example.com/?p=7", "https://www.example.com/?p=7"),
    ],
)
def test_the_stated_address_is_believed_only_of_an_article_on_the_same_site(
    stated: str | None, url: str
) -> None:
    """Neither a home page nor another site can be the address of this article."""
    assert address(stated) == url


def test_an_address_is_found_where_there_is_one() -> None:
    """The final address, else the requested, else the stated one, else the hash of the bytes."""
    assert address(None, final=None, requested="https://ex.com/r") == "https://ex.com/r"
    assert address("https://ex.com/s", final=None) == "https://ex.com/s"
    assert address(None, final=None) == f"urn:sha256:{hashlib.sha256(b'x').hexdigest()}"
    assert address(None, final="not an address") == address(None, final=None)


def test_one_article_has_one_key_under_both_addresses() -> None:
    """The key does not depend on tracking, scheme or www."""
    pages = [
        RawPage(body=b"x", origin="t", final_url=url)
        for url in (PAGE, "http://example.com/news/1/")
    ]
    keys = {normalize(Extraction(title=None, text="x"), page).normalized_url for page in pages}
    assert keys == {"example.com/news/1"}


def test_letters_stay_and_invisible_marks_go() -> None:
    """ZWNJ, tatweel and long titles are kept; NUL, lone surrogates and direction marks are not."""
    title = "می‌رود محـمد\u200f\u202b \ud800\0" + "ط" * 5000
    extraction = Extraction(
        title=title,
        text="a\u0301\0b\n\n\u2067c\u2069",
        authors=("\u200eA", "\u200b"),
        comments=(Comment(text="x\ud800", author="\0"),),
    )
    article = normalize(extraction, RawPage(body=b"x", origin="t")).extraction
    assert article.title == "می‌رود محـمد " + "ط" * 5000
    assert article.text == "áb\n\nc"
    assert article.authors == ("A",)
    assert article.comments == (Comment(text="x", author=None),)


@given(st.text(), st.text() | st.none(), st.text() | st.none())
def test_anything_becomes_storable(text: str, title: str | None, url: str | None) -> None:
    """Every string of an article is UTF-8 without NUL, whatever the page held."""
    page = RawPage(body=b"x", origin="t", final_url=url)
    article = normalize(Extraction(title=title, text=text, canonical_url=url), page)
    for value in (article.url, article.normalized_url, article.extraction.text):
        assert "\0" not in value
        value.encode()
    (article.extraction.title or "").encode()
