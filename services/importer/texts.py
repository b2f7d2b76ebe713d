"""The bytes of a text file in; a minimal HTML page with all its lines out."""

import codecs
import html
import re

import charset_normalizer

HEAD = (
    '<!doctype html><html><head><meta charset="utf-8">'
    '<meta name="generator" content="rasid-text"></head><body>'
)
TAIL = "</body></html>"

#: Controls HTML does not allow, lone surrogates and non-characters. Tab stays; line ends are gone
#: by the time this is used.
UNWANTED = re.compile("[\0-\x08\x0a-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
#: What decoded text hardly has: controls other than those that end lines, and undecoded bytes.
BINARY = re.compile("[\0-\x08\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9f\ufffd\ufffe\uffff]")
#: Above this share of such characters a file is not text.
BINARY_SHARE = 0.05
SAMPLE = 64 * 1024

#: The longer marks first: UTF-32's begins with UTF-16's.
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
#: First bytes of the alphabets from Latin to Arabic in UTF-16; no other text has such bytes.
BLOCKS = bytes(range(9))
ARABIC_WORD = re.compile(r"[\u0621-\u0652\u067e\u0686\u0698\u06a9\u06af\u06ba\u06be\u06c1\u06d2]+")
#: Letters of two scripts in one word: what a wrong charset makes of most words.
MIXED_WORD = re.compile(
    r"[\u0621-\u06d2][\xaa-\u024f\u0250-\u03ff]|[\xaa-\u024f\u0250-\u03ff][\u0621-\u06d2]"
)


def to_html(text: str) -> str:
    """Return a page with one paragraph for each line that is not blank."""
    lines = (UNWANTED.sub("", line) for line in text.splitlines())
    paragraphs = (f"<p>{html.escape(line, quote=False)}</p>\n" for line in lines if line.strip())
    return f"{HEAD}{''.join(paragraphs)}{TAIL}"


def page(text: str) -> bytes:
    """Return the page's UTF-8 bytes; none for a text of nothing but white space."""
    return to_html(text).encode("utf-8") if text.strip() else b""


def decode(data: bytes) -> str:
    """Return the text in the charset its bytes show; what no charset explains becomes U+FFFD."""
    return data.decode(charset(data), "replace")


def looks_binary(text: str) -> bool:
    """Tell whether a decoded text was no text in any charset."""
    sample = text[:SAMPLE]
    return len(BINARY.findall(sample)) > len(sample) * BINARY_SHARE


def charset(data: bytes) -> str:
    """Return the name of the charset: by its mark, by being valid, then by the words it makes."""
    for mark, name in MARKS:
        if data.startswith(mark):
            return name
    if name := _utf16(data[:SAMPLE]):
        return name
    if _is_utf8(data):
        return "utf-8"
    if _is_arabic(data[:SAMPLE]):
        return "cp1256"
    best = charset_normalizer.from_bytes(data[:SAMPLE]).best()
    return best.encoding if best else "cp1252"


def _utf16(data: bytes) -> str:
    """Return the byte order of UTF-16 without a mark: every other byte names a block."""
    pairs = len(data) // 2
    even = _count(BLOCKS, data[0 : 2 * pairs : 2])
    odd = _count(BLOCKS, data[1 : 2 * pairs : 2])
    if pairs and odd > 0.7 * pairs and even < 0.3 * pairs:
        return "utf-16-le"
    if pairs and even > 0.7 * pairs and odd < 0.3 * pairs:
        return "utf-16-be"
    return ""


def _count(wanted: bytes, data: bytes) -> int:
    return len(data) - len(data.translate(None, wanted))


def _is_utf8(data: bytes) -> bool:
    """Tell whether it is UTF-8, be it with a few broken bytes."""
    text = data.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    return broken == 0 or sum(c > "\x7f" for c in text) - broken > 10 * broken


def _is_arabic(data: bytes) -> bool:
    """Tell whether windows-1256 makes words of it: in another charset most mix two scripts."""
    text = data.decode("cp1256")
    return len(ARABIC_WORD.findall(text)) > 4 * len(MIXED_WORD.findall(text))
