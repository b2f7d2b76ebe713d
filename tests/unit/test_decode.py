"""Promises of worker.decode."""

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.shared.charsets import Decoded
from services.shared.contracts import Rejection
from worker.decode import decode

SEED = next((Path(__file__).parents[2] / "seeds").glob("000_*.txt")).read_text("utf-8")
ARABIC = SEED.replace("\u06be", "\u0647")
PERSIAN = "او گفت که این کار برای آن است و از ایران به تهران آمد با دوستان خود را در شهر پیدا کرد"
RUSSIAN = "Президент сообщил журналистам, что переговоры продолжатся на следующей неделе. " * 3
JAPANESE = "これは新聞社の記事です。東京で会議が開かれました。" * 5
FRENCH = "Le président a déclaré à l'Assemblée que l'été dernier « fut très agité ». "
GERMAN = "Die Übergabe der Schlüssel verzögert sich um fünf Tage, heißt es. " * 3
TURKISH = (
    "Cumhurbaşkanı görüşmelerin önümüzdeki hafta süreceğini söyledi. İşçiler ağır şartlarda. " * 3
)


def page(text: str, charset: str = "") -> str:
    """Return a page that declares `charset`, or nothing."""
    meta = f'<meta charset="{charset}">' if charset else ""
    return (
        f"<!doctype html><html><head>{meta}<title>t</title></head><body><p>{text}</p></body></html>"
    )


def text_of(body: bytes, content_type: str | None = None) -> str:
    """Return what `decode` reads, which must be text."""
    decoded = decode(body, content_type)
    assert isinstance(decoded, Decoded), decoded
    return decoded.text


@pytest.mark.parametrize(
    ("text", "encoding", "declared", "header"),
    [
        (ARABIC, "utf-8", "", None),
        (ARABIC, "utf-8", "windows-1256", "text/html; charset=iso-8859-1"),
        (ARABIC, "utf-8-sig", "iso-8859-6", None),
        (ARABIC, "cp1256", "", None),
        (ARABIC, "cp1256", "utf-8", "text/html; charset=UTF-8"),
        (ARABIC, "cp1256", "iso-8859-1", "text/html; charset=ISO-8859-1"),
        (ARABIC, "cp1256", "windows-1256", "text/html"),
        (ARABIC, "cp1256", "iso-8859-6", None),
        (ARABIC, "iso-8859-6", "", None),
        (ARABIC, "iso-8859-6", "windows-1256", None),
        (ARABIC, "utf-16", "", None),
        (ARABIC, "utf-16-le", "", None),
        (ARABIC, "utf-16-be", "utf-8", "text/html; charset=utf-8"),
        (ARABIC, "utf-32", "", None),
        (PERSIAN.replace("ی", "ي"), "cp1256", "", None),
        (RUSSIAN, "cp1251", "", None),
        (RUSSIAN, "cp1251", "utf-8", None),
        (RUSSIAN, "koi8-r", "koi8-r", None),
        (RUSSIAN, "cp1251", "", 'text/html; charset="windows-1251"'),
        (JAPANESE, "shift_jis", "x-sjis", None),
        (JAPANESE, "euc-jp", "", None),
        (JAPANESE, "iso2022_jp", "iso-2022-jp", None),
        ("新闻网站发表文章说，会议将于下周继续举行。" * 4, "gb18030", "gb2312", None),
        ("新聞網站發表文章說，會議將於下週繼續舉行。" * 4, "big5", "", None),
        ("대통령은 다음 주에 회담이 계속된다고 밝혔다. " * 4, "cp949", "euc-kr", None),
        (FRENCH, "cp1252", "", None),
        (FRENCH, "cp1252", "utf-8", "text/html; charset=utf-8"),
        (GERMAN, "cp1252", "iso-8859-1", None),
        (TURKISH, "cp1254", "windows-1254", None),
        ("ראש הממשלה אמר היום כי השיחות יימשכו בשבוע הבא. " * 3, "cp1255", "", None),
    ],
)
def test_text_is_read_right(text: str, encoding: str, declared: str, header: str | None) -> None:
    """Letters survive whatever the page or its server says about them."""
    body = page(text, declared).encode(encoding, "ignore")
    assert text_of(body, header) == page(text, declared).encode(encoding, "ignore").decode(encoding)


def test_a_cut_in_the_middle_of_a_letter_costs_one_letter() -> None:
    """A truncated UTF-8 page is still UTF-8, and so is one with a few broken bytes."""
    body = page(ARABIC).encode()
    cut = body.index("أمريكا".encode()) + 1
    assert text_of(body[:cut]).endswith("\ufffd")
    broken = body.replace("وأضاف".encode(), "وأضاف".encode()[:-1] + b"\xff", 1)
    assert text_of(broken).count("\ufffd") <= 2
    assert "موقف واشنطن" in text_of(broken)


def test_nul_and_unknown_bytes_do_not_end_the_text() -> None:
    """NULs are left out, bytes without meaning are marked, and the rest is read."""
    assert text_of(b"<p>a\0b</p>" + b" text" * 10) == "<p>ab</p>" + " text" * 10
    assert "\ufffd" in text_of(page(FRENCH).encode("cp1252") + b"\x81\x8d")


@pytest.mark.parametrize(
    "body",
    [
        b"\x89PNG\r\n\x1a\n" + bytes(200),
        b"%PDF-1.7\n" + b"text " * 50,
        b"\x7fELF" + bytes(range(256)),
        *(b"PK\3\4" + b"x" * 100, b"\xff\xd8\xff\xe0" + b"y" * 99, bytes(range(256)) * 40),
        *(b"\x1f\x8b\x08" + b"z" * 99, b"RIFF1234WEBP", b"1234ftypmp42", b"\0" * 500),
        *(b'<?xml version="1.0"?>\n<rss version="2.0"><channel/></rss>', b"<urlset></urlset>"),
    ],
)
def test_what_is_no_page_is_an_unsupported_type(body: bytes) -> None:
    """Images, archives, programs and feeds are told by their bytes, not by their names."""
    rejection = decode(body, "text/html")
    assert isinstance(rejection, Rejection)
    assert rejection.reason == "unsupported_type"
    assert rejection.detail


def test_a_wrong_media_type_does_not_hide_a_page() -> None:
    """JSON by its header and by its content is refused; HTML with a wrong header is not."""
    assert isinstance(decode(b'{"a": 1}', "application/json"), Rejection)
    assert isinstance(decode(page("x").encode(), "application/json"), Decoded)
    assert isinstance(decode(page("x").encode(), "application/octet-stream"), Decoded)


@given(st.binary(max_size=300), st.none() | st.text(max_size=30))
def test_decode_is_total(body: bytes, content_type: str | None) -> None:
    """Any bytes become text without NUL and lone surrogates, or a rejection."""
    decoded = decode(body, content_type)
    if isinstance(decoded, Decoded):
        assert "\0" not in decoded.text
        decoded.text.encode()


@pytest.mark.parametrize(
    "unit", [b"<", b"a", b"\xff", b"\xc7\xe1", b"<meta charset", b"\xd8", b"&#1;", b"charset= "]
)
def test_twenty_megabytes_of_anything_take_bounded_time(unit: bytes) -> None:
    """No pattern makes the work grow faster than the input."""
    body = b"\xe9" + unit * (20 * 1024 * 1024 // len(unit))
    start = time.process_time()
    decode(body, "text/html")
    assert time.process_time() - start < 3
