"""A body as it came over the wire goes in; the document's own bytes come out, no more than allowed.

It is unpacked piece by piece, and no further than the limit: what a small body unpacks to may be
larger than all memory. One that ends early is no document, though its beginning could be read.
"""

import sys
import zlib
from collections.abc import Callable
from typing import Protocol, Self

import brotli
from scrapy.crawler import Crawler
from scrapy.exceptions import IgnoreRequest, NotConfigured
from scrapy.http import Request, Response
from scrapy.responsetypes import responsetypes

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ACCEPTED = b"gzip, deflate, br, zstd"
PIECE = 64 * 1024
#: Of one body; who packs it more often means harm.
MOST_CODINGS = 3
#: Of one gzip body, one after the other; each costs a copy of the rest.
MOST_MEMBERS = 100
#: zstd asks for a window of memory before anything is unpacked: 8 MB is what browsers allow.
WINDOW_LOG = 23


class TooLarge(IgnoreRequest):
    """The body unpacks to more than is allowed."""


class BrokenBody(IgnoreRequest):
    """The body cannot be unpacked; `is_cut`: because its end is missing."""

    def __init__(self, told: str, *, is_cut: bool = False) -> None:
        """Say what is wrong."""
        super().__init__(told)
        self.is_cut = is_cut


class _Unpacker(Protocol):
    """Unpacks piece by piece. `step` takes bytes, or none to go on with those it has."""

    def step(self, data: bytes) -> bytes: ...

    @property
    def at_end(self) -> bool: ...


class _Zlib:
    def __init__(self, window_bits: int) -> None:
        self._inflater = zlib.decompressobj(wbits=window_bits)

    def step(self, data: bytes) -> bytes:
        return self._inflater.decompress(data or self._inflater.unconsumed_tail, PIECE)

    @property
    def at_end(self) -> bool:
        return self._inflater.eof

    @property
    def rest(self) -> bytes:
        return self._inflater.unused_data


class _Brotli:
    def __init__(self) -> None:
        self._unpacker = brotli.Decompressor()

    def step(self, data: bytes) -> bytes:
        return bytes(self._unpacker.process(data, output_buffer_limit=PIECE))

    @property
    def at_end(self) -> bool:
        return bool(self._unpacker.is_finished())


class _Zstd:
    def __init__(self) -> None:
        options = {int(zstd.DecompressionParameter.window_log_max): WINDOW_LOG}
        self._unpacker = zstd.ZstdDecompressor(options=options)

    def step(self, data: bytes) -> bytes:
        return self._unpacker.decompress(data, PIECE)

    @property
    def at_end(self) -> bool:
        return self._unpacker.eof

    @property
    def rest(self) -> bytes:
        return self._unpacker.unused_data


def unpacked(body: bytes, codings: str, limit: int) -> bytes:
    """Return the body without its codings, as a Content-Encoding header names them.

    Raises:
        TooLarge: it has more than `limit` bytes.
        BrokenBody: it is cut, damaged, or in a coding that we did not ask for.
    """
    named = [coding.strip().lower() for coding in codings.split(",")]
    named = [coding for coding in named if coding not in ("", "identity")]
    if len(named) > MOST_CODINGS:
        raise BrokenBody(f"packed {len(named)} times")
    for coding in reversed(named):
        body = _without(body, coding, limit) if body else body
    return body


def _without(body: bytes, coding: str, limit: int) -> bytes:
    try:
        if coding in ("gzip", "x-gzip"):
            return _members(body, lambda: _Zlib(31), b"\x1f\x8b", limit)
        if coding == "deflate":
            # Servers send either under this name: with zlib's header, or bare.
            is_zlib = body[0] & 15 == 8 and int.from_bytes(body[:2], "big") % 31 == 0  # noqa: PLR2004
            return _all_of(_Zlib(15 if is_zlib else -15), body, limit)
        if coding == "br":
            return _all_of(_Brotli(), body, limit)
        if coding == "zstd":
            return _members(body, _Zstd, b"\x28\xb5\x2f\xfd", limit)
    except (zlib.error, brotli.error, zstd.ZstdError) as error:
        raise BrokenBody(f"{coding}: {error}") from error
    raise BrokenBody(f"unknown Content-Encoding {coding[:40]!r}")


def _members(body: bytes, make: Callable[[], "_Zlib | _Zstd"], magic: bytes, limit: int) -> bytes:
    """Return what the members of a body hold; what follows them is none of it."""
    document = b""
    for _ in range(MOST_MEMBERS):
        member = make()
        document += _all_of(member, body, limit - len(document))
        body = member.rest
        if not body.startswith(magic):
            return document
    raise BrokenBody(f"more than {MOST_MEMBERS} members")


def _all_of(unpacker: _Unpacker, body: bytes, limit: int) -> bytes:
    pieces = []
    size = 0
    piece = unpacker.step(body)
    while True:
        size += len(piece)
        if size > limit:
            raise TooLarge("unpacks to more than is allowed")
        pieces.append(piece)
        if unpacker.at_end:
            return b"".join(pieces)
        if not piece:
            raise BrokenBody("ends early", is_cut=True)
        piece = unpacker.step(b"")


class Unpacking:
    """Scrapy middleware in place of its own, which takes a cut body for a whole one."""

    def __init__(self, limit: int) -> None:
        """Unpack to so many bytes."""
        self._limit = limit

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Return the middleware with the crawl's limit."""
        if not crawler.settings.getbool("COMPRESSION_ENABLED"):
            raise NotConfigured
        return cls(crawler.settings.getint("DOWNLOAD_MAXSIZE"))

    def process_request(self, request: Request) -> None:
        """Say what we can unpack."""
        request.headers.setdefault("Accept-Encoding", ACCEPTED)

    def process_response(self, request: Request, response: Response) -> Response:
        """Return the response with its body unpacked.

        Raises:
            TooLarge: it has more bytes than are allowed.
            BrokenBody: it cannot be unpacked.
        """
        codings = b",".join(response.headers.getlist("Content-Encoding")).decode("latin-1")
        if not codings or request.method == "HEAD":
            return response
        limit = request.meta.get("download_maxsize", self._limit)
        body = unpacked(response.body, codings, limit)
        del response.headers["Content-Encoding"]
        kind = responsetypes.from_args(headers=response.headers, url=response.url, body=body)
        return response.replace(cls=kind, body=body)
