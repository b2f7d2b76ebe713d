"""The bytes of a page and its content type go in; its text comes out, or that it is no page."""

import re

from services.shared import charsets
from services.shared.charsets import Decoded
from services.shared.contracts import Rejection

_MAGIC = (
    (b"%PDF-", "PDF"),
    (b"\x89PNG", "PNG image"),
    (b"GIF8", "GIF image"),
    (b"\xff\xd8\xff", "JPEG image"),
    (b"II*\0", "TIFF image"),
    (b"MM\0*", "TIFF image"),
    (b"\0\0\1\0", "icon"),
    (b"PK\3\4", "ZIP archive or office document"),
    (b"\x1f\x8b", "gzip archive"),
    (b"BZh", "bzip2 archive"),
    (b"\xfd7zXZ", "xz archive"),
    (b"7z\xbc\xaf", "7-Zip archive"),
    (b"Rar!", "RAR archive"),
    (b"\x28\xb5\x2f\xfd", "zstd archive"),
    (b"\x7fELF", "program"),
    (b"MZ\x90", "program"),
    (b"\0asm", "program"),
    (b"\xca\xfe\xba\xbe", "program"),
    (b"\xd0\xcf\x11\xe0", "office document"),
    (b"{\\rtf", "RTF document"),
    (b"%!PS", "PostScript document"),
    (b"RIFF", "sound, film or WebP image"),
    (b"OggS", "sound"),
    (b"ID3", "sound"),
    (b"fLaC", "sound"),
    (b"wOF", "font"),
    (b"SQLite format 3", "database"),
)
_CONTROLS = bytes({*range(0x20), 0x7F} - {*b"\t\n\f\r\x1b"})
_NOT_A_PAGE = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--[^>]*-->\s*)*"
    rb"<(?:rss|feed|rdf:RDF|urlset|sitemapindex|svg)\b",
    re.IGNORECASE,
)
_MEDIA_TYPE = re.compile(
    r"\s*(?:image|audio|video|font)/"
    r"|\s*(?:application|text)/(?:json|ld\+json|javascript|css|csv|pdf|zip|calendar|vcard)\b",
    re.IGNORECASE,
)
_HTML_TAG = re.compile(
    rb"<(?:!doctype|html|head|body|div|p|article|section|title|meta)\b", re.IGNORECASE
)


def decode(body: bytes, content_type: str | None = None) -> Decoded | Rejection:
    """Return the text of `body`, whatever it holds, or `unsupported_type` for what is no page.

    `content_type` is the header of that name. Bytes that the encoding does not know become U+FFFD.
    """
    if not charsets.has_mark(body):
        no_page = _what_it_is_instead(body, content_type or "")
        if no_page and not charsets.wide_encoding(body):
            return Rejection(reason="unsupported_type", detail=no_page)
    return charsets.decode(body, content_type)


def _what_it_is_instead(body: bytes, content_type: str) -> str:
    """Return a word for what these bytes are, or nothing where they can be a page."""
    for magic, name in _MAGIC:
        if body.startswith(magic):
            return name
    if body[4:8] == b"ftyp":
        return "film or HEIF image"
    sample = body[: 64 * 1024]
    controls = len(sample) - len(sample.translate(None, _CONTROLS))
    if controls * 20 > len(sample):
        return "binary data"
    if _NOT_A_PAGE.match(sample):
        return "feed, sitemap or drawing"
    if _MEDIA_TYPE.match(content_type) and not _HTML_TAG.search(sample):
        return content_type.partition(";")[0].strip()
    return ""
