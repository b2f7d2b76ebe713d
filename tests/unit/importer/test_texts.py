"""Text files become pages without losing a line, in whatever charset they are."""

import re
from html import unescape
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.importer import texts

ARABIC = (
    "قالت وزارة الخارجية الأمريكية إنه لا يوجد أي تغيير في موقف واشنطن\n"
    "بما يتعلق بوجود القوات الأمريكية شمال شرق سوريا، مشيرة إلى أنها لا تخطط.\n"
)
RUSSIAN = "Он сказал, что это не так, и что мы поедем домой завтра утром.\nВот и всё.\n"
FRENCH = "L’été dernier, à Genève, nous avons mangé des pâtes près du lac.\nC’était très bon.\n"

visible_lines = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp", "Cn"]), min_size=1
).filter(str.strip)


class Paragraphs(HTMLParser):
    """Collects the text of every paragraph, as an HTML reader sees it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, _attrs: list[tuple[str, str | None]]) -> None:
        """Begin a paragraph."""
        if tag == "p":
            self.found.append("")

    def handle_data(self, data: str) -> None:
        """Add to the paragraph, but for the line end between two."""
        if self.found and data != "\n":
            self.found[-1] += data


def paragraphs(page: str) -> list[str]:
    """Return the text of each paragraph of the page."""
    parser = Paragraphs()
    parser.feed(page)
    parser.close()
    return parser.found


def test_page_is_exactly_this() -> None:
    """The HTML is minimal, says its charset, and marks that it was made from text."""
    expected = (
        '<!doctype html><html><head><meta charset="utf-8">'
        '<meta name="generator" content="rasid-text"></head><body>'
        '<p>a &lt;b&gt; &amp; "c"</p>\n<p>د</p>\n</body></html>'
    )

    assert expected == texts.to_html('a <b> & "c"\r\n\r\n \nد')


@given(st.lists(visible_lines))
def test_every_line_survives(lines: list[str]) -> None:
    """Whatever the lines are, reading the page gives them all back, in order."""
    assert lines == paragraphs(texts.to_html("\n".join(lines)))


@given(st.lists(visible_lines), st.sampled_from(["\n", "\r\n", "\r", "\n\n", "\u2028", "\f"]))
def test_every_kind_of_line_end_counts(lines: list[str], end: str) -> None:
    """Lines end as Unix, Windows, old Macs or Unicode end them."""
    assert lines == paragraphs(texts.to_html(end.join(lines)))


@given(st.text())
def test_no_text_breaks_the_page(text: str) -> None:
    """Any text at all makes UTF-8 without control characters."""
    body = texts.page(text).decode("utf-8")

    assert not re.search("[\0-\x08\x0b-\x1f\x7f-\x9f]", unescape(body))


def test_blank_text_is_an_empty_page() -> None:
    """A text of nothing but white space becomes no bytes: the worker says it is empty."""
    assert texts.page(" \n\t\r\n") == b""


def test_control_characters_are_dropped() -> None:
    """NUL and its like go, the words around them stay."""
    assert paragraphs(texts.to_html("a\0b\tc\x1b")) == ["ab\tc"]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (ARABIC, "utf-8"),
        (ARABIC, "utf-8-sig"),
        (ARABIC, "utf-16"),
        (ARABIC, "utf-16-le"),
        (ARABIC, "utf-16-be"),
        (ARABIC, "utf-32"),
        (ARABIC, "cp1256"),
        (ARABIC, "iso8859_6"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "utf-16-le"),
        ("plain ASCII\n", "ascii"),
        ("plain ASCII\n", "utf-16-le"),
        ("", "utf-8"),
    ],
)
def test_charset_is_found(text: str, encoding: str) -> None:
    """A text file is read rightly in each charset Arabic and other news come in."""
    stripped = text.replace("،", ",") if encoding == "iso8859_6" else text

    assert stripped == texts.decode(stripped.encode(encoding))


def test_french_in_a_windows_charset_keeps_its_lines() -> None:
    """Where the charset is a guess among near ones, the plain letters and all lines are kept."""
    decoded = texts.decode(FRENCH.encode("cp1252"))

    assert "dernier" in decoded
    assert len(FRENCH.splitlines()) == len(decoded.splitlines())


def test_one_broken_byte_does_not_change_the_charset() -> None:
    """UTF-8 with a damaged byte is read as UTF-8, with a mark where the byte was."""
    data = ARABIC.encode()
    damaged = data[:20] + b"\xff" + data[20:]

    assert texts.decode(damaged).replace("\ufffd", "") == ARABIC


@given(st.binary())
def test_any_bytes_decode(data: bytes) -> None:
    """No bytes whatever stop the reader."""
    assert isinstance(texts.decode(data), str)


@pytest.mark.parametrize("text", [ARABIC, RUSSIAN, FRENCH, "short", "a\0b" * 2 + ARABIC])
def test_text_is_not_taken_for_binary(text: str) -> None:
    """Text with a stray control character is text."""
    assert not texts.looks_binary(text)


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x10\0\0\0\x10\x08\x06\0\0\0\x1f\xf3\xffa",
        b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\0>\0\x01\0\0\0",
        bytes(range(256)) * 8,
        bytes(100),
    ],
)
def test_binary_is_recognised(data: bytes) -> None:
    """Images and programs named .txt are not text."""
    assert texts.looks_binary(texts.decode(data))
