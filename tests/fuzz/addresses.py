"""Addresses: any text is cleaned to a last form or refused; only public hosts are called public."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import IPv4Address, ip_address
from urllib.parse import urljoin

from crawler.addresses import is_public
from services.shared import urls
from services.shared.errors import InvalidUrl
from tests.fuzz.promises import is_clean
from tests.fuzz.target import Target

PIECES = (
    *(
        b"http://",
        b"https://",
        b"//",
        b"/",
        b"?",
        b"#",
        b"#!",
        b"@",
        b":",
        b"..",
        b"/./",
        b"%2e%2e",
    ),
    *(b"www.google.com/url?q=", b"www.google.com/amp/s/", b"web.archive.org/web/2024/https://"),
    *(b"news-example.cdn.ampproject.org/c/s/", b"l.facebook.com/l.php?u=", b"www.bing.com/?url="),
    *(b"www.", b"m.", b"amp.", b".example", b"/amp", b".amp.html", b"/index.php", b"utm_source=x"),
    *(b"&amp;", b"&", b"=", b";jsessionid=1", b"%D9%82", b"%", b"%zz", b"%00", b"%0a", b":80"),
    *(b"xn--", "خبر".encode(), "é".encode(), "e\u0301".encode(), "％".encode(), "。".encode()),
    *(b"\\", b"\t", b"[::1]", b"0x7f.1", b"2130706433", b"user:pass@", b"ref=twitter", b"+"),
)
PARTS = (
    *(
        b"127.0.0.1",
        b"10.",
        b"::ffff:",
        b"::",
        b"64:ff9b::",
        b"2002:",
        b"2001:0:",
        b"fe80::",
        b"%1",
    ),
    *(b"169.254.169.254", b"0x7f", b".", b":", b"fd00:ec2::254", b"100.100.100.200", b"224.0.0.1"),
    *(b"8.8.8.8", b"2606:4700::1111", b"0", b"255", b"ffff", b"[", b"]", b"/24", b"100.64.0.1"),
)


def url(data: bytes) -> None:
    """An address, and one relative to it on the second line."""
    text = data.decode("utf-8", "surrogatepass" if data.isascii() else "replace")
    address, _, relative = text.partition("\n")
    for written in (text, address, _joined(address, relative)):
        try:
            clean = urls.clean(written)
        except InvalidUrl:
            for refuse in (urls.key,):
                with suppress(InvalidUrl):
                    refuse(written)
            continue
        if len(clean) <= 16_000:
            is_clean(clean)
        assert urls.key(written) == urls.key(clean)


def _joined(base: str, address: str) -> str:
    try:
        return urljoin(base, address)
    except ValueError:
        return base


def public(data: bytes) -> None:
    """An IP address as anybody writes it: what is called public is, whichever way it is read."""
    text = data.decode("latin-1")
    if not is_public(text):
        return
    address = ip_address(text.partition("%")[0])
    private = address.is_private or address.is_loopback or address.is_link_local
    assert not private
    assert not address.is_multicast
    assert not address.is_unspecified
    if isinstance(address, IPv4Address):
        # Read as the system reads it, where 010.0.0.1 is octal, it is the same address.
        assert socket.inet_aton(text.partition("%")[0]) == address.packed


def _urls() -> Iterator[bytes]:
    yield b"https://www.news.example/2024/05/03/bridge.amp.html?utm_source=x&id=7#top\n../x?y=1"
    yield "http://news.example:80/خبر/جديد;jsessionid=12?b=2&a=1\n//m.news.example/a".encode()
    yield b"https://www.google.com/url?q=https%3A%2F%2Fnews.example%2Fa&sa=D\n?a"
    yield b"https://news-example.cdn.ampproject.org/c/s/news.example/a/amp\n#!b"


def _addresses() -> Iterator[bytes]:
    yield from PARTS


TARGETS = (
    Target(name="url", run=url, seeds=_urls, pieces=PIECES, most_bytes=4096),
    Target(name="public", run=public, seeds=_addresses, pieces=PARTS, most_bytes=64),
)
