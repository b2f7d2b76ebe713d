"""Small or plain inputs that once asked, or could ask, for hours or for all memory; made here."""

import gzip
import json
import zlib
from collections.abc import Callable
from functools import cache

import brotli

from services.shared import compression, page_header
from services.shared.contracts import RawPage
from tests import archives

SAID = "The council voted on Tuesday to open the bridge to traffic again, officials said. "
MIB = 1 << 20
#: So much of nothing packs to a few kilobytes.
GIB = 1 << 30


def page(inner: str = "", head: str = "<title>Bridge opens</title>") -> bytes:
    """Return an article with something added."""
    said = f"<p>{SAID * 3}</p>" * 4
    body = f"<article><h1>Bridge opens</h1>{said}{inner}</article>"
    return f"text/html\n<html><head>{head}</head><body>{body}</body></html>".encode()


def feed(items: str, before: str = "") -> bytes:
    """Return a feed with these items."""
    return f"application/rss+xml\n{before}<rss><channel>{items}</channel></rss>".encode()


def packed(step: Callable[[bytes], bytes], end: Callable[[], bytes], size: int = GIB) -> bytes:
    """Return so many zeros, packed."""
    zeros = bytes(MIB)
    return b"".join([*(step(zeros) for _ in range(size // MIB)), end()])


@cache
def gzip_bomb(size: int = GIB) -> bytes:
    """Return a gzip file of zeros."""
    packer = zlib.compressobj(1, wbits=31)
    return packed(packer.compress, packer.flush, size)


def brotli_bomb() -> bytes:
    """Return zeros as `br`."""
    packer = brotli.Compressor(quality=1)
    return packed(packer.process, packer.finish)


@cache
def zstd_bomb() -> bytes:
    """Return zeros as one zstd frame."""
    packer = compression.compressor()
    return packed(packer.compress, packer.flush)


def warc_header() -> bytes:
    """Return a WARC record with a field of white space."""
    field = b"WARC-Type:" + b" " * 60_000 + b"x\r\n"
    return b"\3" + archives.response(1).replace(b"\r\n", b"\r\n" + field, 1)


MARKS = "\u0301\u0323\u05b0\u0345" * 25_000
ORDERED = "\u0345" * 50_000 + "\u0301" * 50_000 + "\u0323" * 50_000
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
ALIASES = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))

BOMBS: dict[str, tuple[str, Callable[[], bytes]]] = {
    # Pages.
    "marks": ("page", lambda: page(f"<p>a{MARKS}</p>")),
    "marks in falling order": ("page", lambda: page(f"<p>a{ORDERED}</p>")),
    "marks in the title": ("page", lambda: page(head=f"<title>a{MARKS}</title>")),
    "marks in an address": (
        "page",
        lambda: page(head=f"<link rel=canonical href='https://news.example/a{MARKS[:8000]}'>"),
    ),
    "letters that stand for 18": ("page", lambda: page(f"<p>{'ﷺ' * 400_000}</p>")),
    "direction marks": ("page", lambda: page(f"<p>{chr(0x202E) * MIB}x</p>")),
    "one line of 20 MB": ("page", lambda: page(f"<p>{'word ' * 4_000_000}</p>")),
    "one word of 19 MB": ("page", lambda: page(f"<p>{'w' * 19_000_000}</p>")),
    "digits": ("page", lambda: page(f"<p>{'1' * 1_900_000}</p>")),
    "line breaks": ("page", lambda: page("<br>" * 3_000_000)),
    "white space": ("page", lambda: page(f"<p>{' ' * 10_000_000}x</p>")),
    "tags in tags": ("page", lambda: page("<div>" * 100_000)),
    "tables in tables": ("page", lambda: page("<table><tr><td>" * 250)),
    "each word in a tag": ("page", lambda: page(f"<p>{'<span>word </span>' * 35_000}</p>")),
    "an attribute of 16 MB": ("page", lambda: page(f"<p class='{'a b ' * 4_000_000}'>x</p>")),
    "a title of 15 MB": ("page", lambda: page(head=f"<title>{'word ' * 3_000_000}</title>")),
    "an address of 5 MB": (
        "page",
        lambda: page(head=f"<link rel=canonical href='https://news.example/{'a' * 5 * MIB}'>"),
    ),
    "addresses in addresses": (
        "page",
        lambda: page(
            head=f"<link rel=canonical href='{'https://www.google.com/url?q=' * 20_000}'>"
        ),
    ),
    "white space in a text": ("page", lambda: b"text/plain\nby" + b" " * MIB + b"x\n" + b"a " * 99),
    "a text of 20 MB": ("page", lambda: b"text/plain\n" + b"word " * 4_000_000),
    # JSON-LD.
    "authors without end": ("json_ld", lambda: b'{"author":[' + b"{}," * 600_000),
    "objects in objects": ("json_ld", lambda: b'{"a":' * 300_000),
    "a number of a million digits": (
        "json_ld",
        lambda: b'{"@type":"NewsArticle","commentCount":' + b"9" * 1_000_000 + b"}",
    ),
    "a type of a million letters": (
        "json_ld",
        lambda: json.dumps({"@type": "Opinion" * 150_000 + "-", "headline": "x"}).encode(),
    ),
    "commas": ("json_ld", lambda: b"{" + b"," * 1_900_000),
    # Lists.
    "a billion laughs": (
        "feed",
        lambda: feed(
            "<item><title>&l9;</title></item>", f'<!DOCTYPE rss [<!ENTITY l0 "ha">{LAUGHS}]>'
        ),
    ),
    "one long entity, often": (
        "feed",
        lambda: feed("&a;" * 50_000, f'<!DOCTYPE rss [<!ENTITY a "{"a" * 50_000}">]>'),
    ),
    "an entity that is a file": (
        "feed",
        lambda: feed(
            "<item><title>&a;</title></item>", '<!DOCTYPE a [<!ENTITY a SYSTEM "/dev/zero">]>'
        ),
    ),
    "elements in elements": ("feed", lambda: feed("<item>" * 100_000)),
    "marks in a feed's address": (
        "feed",
        lambda: feed(f"<item><link>https://news.example/a{MARKS[:8000]}</link></item>" * 20),
    ),
    "parameters without a value": (
        "section",
        lambda: b"\n<a href='/x?%b'>a</a>" % (b"x" * 3900) * 300,
    ),
    "a packed sitemap": ("sitemap", lambda: b"\n" + gzip_bomb()),
    # Packed.
    "gzip": ("body", lambda: b"gzip\n" + gzip_bomb()),
    "gzip in gzip": ("body", lambda: b"gzip, gzip\n" + gzip.compress(gzip_bomb(), mtime=0)),
    "br": ("body", lambda: b"br\n" + brotli_bomb()),
    "zstd": ("body", lambda: b"zstd\n" + zstd_bomb()),
    "a packed line of JSON": ("file", lambda: b"\6" + gzip_bomb()),
    "a packed page": ("file", lambda: b"\5" + gzip_bomb()),
    "white space in a WARC header": ("file", warc_header),
    "a packed raw page": (
        "message",
        lambda: b"\xff" + page_header.encode(RawPage(body=b"", origin="x")) + b"\n" + zstd_bomb(),
    ),
    # What people hand over.
    "aliases of aliases": ("sources", lambda: b"\0a0: &a0 [x]\n" + ALIASES.encode()),
    "entities in OPML": (
        "sources",
        f'\1<!DOCTYPE a [<!ENTITY l0 "ha">{LAUGHS}]><opml>&l9;</opml>'.encode,
    ),
}
