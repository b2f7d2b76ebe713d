"""The bytes of a page or feed and its content type go in; text comes out, and its encoding.

The only place where bytes become text. Declarations are often wrong, so the bytes are asked first:
a byte order mark, then whether they are valid UTF-8, and only then what was declared.
"""

import codecs
import re
from dataclasses import dataclass

from resiliparse.parse.encoding import detect_encoding, map_encoding_to_html5


@dataclass(frozen=True, slots=True)
class Decoded:
    """Text without byte order mark and NUL, and the Python name of the encoding it was in."""

    text: str
    encoding: str


_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARED = re.compile(r"charset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
_META_CHARSET = re.compile(
    rb"<meta\b[^>]{0,300}?\bcharset\s*=\s*[\"']?\s*([\w.:-]+)|<\?xml[^>]{0,100}?\bencoding\s*=\s*"
    rb"[\"']([\w.:-]+)",
    re.IGNORECASE,
)
_META_WINDOW = 64 * 1024
#: The encodings that browsers really use where the label names a smaller one.
_SUPERSETS = {
    "gbk": "gb18030",
    "gb2312": "gb18030",
    "euc_kr": "cp949",
    "shift_jis": "cp932",
    "big5": "big5hkscs",
    "iso8859-11": "cp874",
}
_UNICODE = frozenset({"utf-8", "utf-16-le", "utf-16-be"})
_LATIN = frozenset({"cp1252", "iso8859-15", "ascii", "mac-roman"})

_MOST = 0.6
_ARABIC_ENCODINGS = ("cp1256", "iso8859-6")
_HIGH_WORD = re.compile(rb"[A-Za-z]{0,20}[\x80-\xff][A-Za-z\x80-\xff]{0,60}")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
_WORD = re.compile(r"[^\W\d_]+")
_ARABIC_WORD = re.compile("[\u0621-\u064a\u067e\u0686\u0688\u0691\u0698\u06a9\u06af\u06cc]{2,}$")
_ARABIC_USUAL = re.compile(
    "(?:[وبفك]?ال|لل)..|(?:في|من|على|عن|إلى|أن|إن|ان|لا|ما|هذا|هذه|كان|قال|مع|بعد|قبل|بين|كما)$"
    "|(?:از|به|با|را|که|این|آن|است|برای|کے|میں|کی|کا|ہے)$"
)


def decode(body: bytes, content_type: str | None = None) -> Decoded:
    """Return the text of `body`, whatever it holds.

    `content_type` is the header of that name. Bytes that the encoding does not know become U+FFFD.
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if body.startswith(mark):
            return _decoded(body[len(mark) :], encoding)
    if wide := wide_encoding(body):
        return _decoded(body, wide)
    if b"\x1b$" in body[:_META_WINDOW] and "iso2022_jp" in declared(body, content_type):
        return _decoded(body, "iso2022_jp")
    try:
        return Decoded(_without_nul(body.decode()), "utf-8")
    except UnicodeDecodeError:
        return _decoded(body, _legacy_encoding(body, content_type))


def has_mark(body: bytes) -> bool:
    """Return whether the bytes begin with a byte order mark."""
    return body.startswith(tuple(mark for mark, _ in _BYTE_ORDER_MARKS))


def _decoded(body: bytes, encoding: str) -> Decoded:
    return Decoded(_without_nul(body.decode(encoding, "replace")), encoding)


def _without_nul(text: str) -> str:
    return text.replace("\0", "") if "\0" in text else text


def wide_encoding(body: bytes) -> str | None:
    """Tell UTF-16 without a mark by its NULs: beside each byte of the markup, and only there."""
    sample = body[:4096]
    half = len(sample) // 2
    if not half:
        return None
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if odd * 10 > half and even * 100 < half and b"<\0" in sample:
        return "utf-16-le"
    if even * 10 > half and odd * 100 < half and b"\0<" in sample:
        return "utf-16-be"
    return None


def declared(body: bytes, content_type: str | None) -> list[str]:
    """Return the Python names of the encodings that header and page declare, header first."""
    labels = _DECLARED.findall(content_type or "")[:1]
    match = _META_CHARSET.search(body, 0, _META_WINDOW)
    if match:
        labels.append((match[1] or match[2]).decode("ascii", "replace"))
    names = (map_encoding_to_html5(label, fallback_utf8=False) for label in labels)
    return [_SUPERSETS.get(name, name) for name in names if name]


def _legacy_encoding(body: bytes, content_type: str | None) -> str:
    """Return the encoding of bytes that are not valid UTF-8."""
    windows = _windows(body)
    sample = b" ".join(word for window in windows for word in _HIGH_WORD.findall(window))
    if _mostly_utf8(sample):
        return "utf-8"
    arabic = max(_ARABIC_ENCODINGS, key=lambda encoding: _arabic_share(sample, encoding))
    if _arabic_share(sample, arabic) > _MOST:
        return arabic
    # "utf-8" is known to be wrong here, and "latin-1" is what servers say of everything.
    said = [name for name in declared(body, content_type) if name not in _UNICODE]
    around = b" ".join(windows)
    for name in said:
        if name not in _LATIN and _fits(around, name):
            return name
    detected = detect_encoding(around) or "cp1252"
    detected = _SUPERSETS.get(detected, detected)
    if detected not in _UNICODE | _LATIN and _fits(around, detected):
        return detected
    return said[0] if said else "cp1252"


def _windows(body: bytes) -> list[bytes]:
    """Return up to eight pieces of the page from its first byte above 127 on: bounded work."""
    match = re.search(rb"[\x80-\xff]", body)
    start = max(0, match.start() - 20) if match else 0
    size = 16 * 1024
    step = max(size, (len(body) - start) // 7)
    return [body[place : place + size] for place in range(start, len(body), step)]


def _mostly_utf8(sample: bytes) -> bool:
    """Tell UTF-8 with some broken places, such as a cut in the middle of a letter."""
    words = sample.decode("utf-8", "replace").split(" ")
    return sum("\ufffd" in word for word in words) * 10 < len(words) + 9


def _arabic_share(sample: bytes, encoding: str) -> float:
    """Return the share of words that are purely Arabic, or 0 where they do not read as Arabic."""
    words = [
        word for word in _WORD.findall(sample.decode(encoding, "replace")) if not word.isascii()
    ]
    arabic = [word for word in words if _ARABIC_WORD.match(word)]
    usual = sum(1 for word in arabic if _ARABIC_USUAL.match(word))
    return len(arabic) / len(words) if usual * 12 > len(words) else 0.0


def _fits(sample: bytes, encoding: str) -> bool:
    text = sample.decode(encoding, "replace")
    return text.count("\ufffd") * 20 <= sum(map(len, _NOT_ASCII.findall(text)))
