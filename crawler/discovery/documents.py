"""Bytes go in; what they are and their text come out: the half that all readers share."""

import re
import zlib
from collections import Counter
from dataclasses import dataclass
from typing import Literal

from services.shared import charsets
from services.shared.frontier import Problem

Format = Literal["empty", "html", "feed", "sitemap", "json", "text", "unknown"]

MOST_BYTES = 64 * 1024 * 1024
#: So much of a document tells what it is.
HEAD = 64 * 1024

_ROOTS: dict[str, Format] = {
    "rss": "feed",
    "feed": "feed",
    "rdf": "feed",
    "urlset": "sitemap",
    "sitemapindex": "sitemap",
    **dict.fromkeys(
        (
            *("html", "head", "body", "title", "meta", "link", "script", "style", "base"),
            *("div", "main", "section", "article", "header", "nav", "table", "center", "form"),
            *("p", "h1", "h2", "a", "ul", "span", "b", "br"),
        ),
        "html",
    ),
}
_PROLOG = re.compile(
    r"(?:\s+|<\?.*?\?>|<!--.*?-->|<!doctype\b(?!\s+html\b)[^>\[]*(?:\[.*?\]\s*)?>)*",
    re.DOTALL | re.IGNORECASE,
)
_ROOT = re.compile(r"<(?:[A-Za-z][\w-]*:)?([A-Za-z][\w-]*)")
_HTML = re.compile(r"<!doctype\s+html|<html\b|<body\b", re.IGNORECASE)
_LIST = re.compile(
    r"<(?:[a-z][\w-]*:)?(?:rss|feed|rdf|urlset|sitemapindex)(?![\w-])", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Document:
    """The text from its first element on, and what it is."""

    text: str
    format: Format


def look(body: bytes, content_type: str | None, problems: Counter[Problem]) -> Document:
    """Return the unpacked text and its format; count what is wrong with either."""
    body = _unpacked(body, problems)
    decoded = charsets.decode(body, content_type)
    text = decoded.text.lstrip("\ufeff").lstrip()
    if not text:
        return Document("", "empty")
    if text[0] in "{[":
        return Document(text, "json")
    if text[0] != "<" and not _LIST.search(text[:HEAD]) and not _HTML.search(text[:HEAD]):
        return Document(text, "text")
    document = _markup(text, problems)
    declared = charsets.declared(body, content_type)
    if (
        document.format in ("feed", "sitemap")
        and declared
        and decoded.encoding not in declared
        and decoded.encoding[:6] != "utf-16"
        and not body.isascii()
    ):
        problems["wrong_charset"] += 1
    return document


def _unpacked(body: bytes, problems: Counter[Problem]) -> bytes:
    """Return the body without gzip, if it has it: sitemaps often are .gz files."""
    if not body.startswith(b"\x1f\x8b"):
        return body
    unpacker = zlib.decompressobj(wbits=31)
    try:
        unpacked = unpacker.decompress(body, MOST_BYTES)
    except zlib.error:
        problems["malformed"] += 1
        return b""
    if unpacker.unconsumed_tail:
        problems["too_large"] += 1
    elif not unpacker.eof:
        problems["malformed"] += 1
    return unpacked


def _markup(text: str, problems: Counter[Problem]) -> Document:
    head = text[:HEAD]
    prolog = _PROLOG.match(head)
    start = prolog.end() if prolog else 0
    root = _ROOT.match(head, start)
    found = _ROOTS.get(root[1].lower()) if root else None
    if found in ("feed", "sitemap"):
        return Document(text[start:], found)
    page, list_ = _HTML.search(head, start), _LIST.search(head, start)
    if list_ and not (page and page.start() < list_.start()):
        # Something stands before it: the warnings of a broken server, as a rule.
        problems["malformed"] += 1
        name = _ROOT.match(list_[0])
        return Document(text[list_.start() :], _ROOTS[name[1].lower()] if name else "unknown")
    return Document(text[start:], "html" if page or found == "html" else "unknown")
