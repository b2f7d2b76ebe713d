"""An HTTP body as it went over the wire in; the document's own bytes out."""

import io
import re
import zlib

from fastwarc.stream_io import BrotliReader, ZstdReader

from services.importer.records import Refused, too_large

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
#: Of one compressed body; each costs a copy of the rest.
MAX_MEMBERS = 100
CHUNK_HEAD = re.compile(rb"[ \t]*([0-9a-fA-F]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n")
LINE_END = re.compile(rb"\r?\n")


def decoded(body: bytes, *, transfer: str, content: str, limit: int) -> bytes:
    """Return the body without its transfer and content codings, as the two headers name them.

    Many archives hold the decoded body but the server's own headers: a coding whose marks the
    body does not show has been undone already.

    Raises:
        Refused: the document has more than `limit` bytes, is cut short, damaged, or in an
            unknown coding.
    """
    if "chunked" in transfer.lower():
        body = unchunked(body)
    for coding in reversed(content.lower().split(",")):
        body = _decode(body, coding.strip(), limit)
    if len(body) > limit:
        raise too_large(limit)
    return body


def unchunked(body: bytes) -> bytes:
    """Return the body of its chunks; a body that does not begin with one stays as it is."""
    parts: list[bytes] = []
    at = 0
    while head := CHUNK_HEAD.match(body, at):
        size = int(head[1], 16)
        if size == 0:
            return b"".join(parts)
        part = body[head.end() : head.end() + size]
        end = LINE_END.match(body, head.end() + size)
        if len(part) < size or not end:
            break
        parts.append(part)
        at = end.end()
    if at == 0 and not head:
        return body
    raise Refused("broken_record", "its body ends within a chunk")


def _decode(body: bytes, coding: str, limit: int) -> bytes:
    if coding in ("", "identity", "none") or not body:
        return body
    if coding in ("gzip", "x-gzip"):
        return _inflate(body, 31, limit) if body.startswith(GZIP_MAGIC) else body
    if coding == "deflate":
        return _undeflate(body, limit)
    if coding == "br":
        return body if _is_markup(body) else _read(BrotliReader(io.BytesIO(body)), limit)
    if coding == "zstd":
        zstd = body.startswith(ZSTD_MAGIC)
        return _read(ZstdReader(io.BytesIO(body)), limit) if zstd else body
    raise Refused("broken_record", f"unknown Content-Encoding {coding[:40]!r}")


def _is_markup(body: bytes) -> bool:
    return body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


def _undeflate(body: bytes, limit: int) -> bytes:
    """Return the body of zlib or bare deflate data: servers send either under this name."""
    if _is_markup(body):
        return body
    try:
        return _inflate(body, 15, limit)
    except Refused:
        return _inflate(body, -15, limit)


def _inflate(body: bytes, window_bits: int, limit: int) -> bytes:
    """Return what all members of the compressed body hold."""
    document = b""
    for _ in range(MAX_MEMBERS):
        inflater = zlib.decompressobj(wbits=window_bits)
        try:
            document += inflater.decompress(body, limit + 1 - len(document))
        except zlib.error as error:
            raise Refused("broken_record", f"its compressed body is damaged: {error}") from error
        if len(document) > limit:
            raise too_large(limit)
        if not inflater.eof:
            raise Refused("broken_record", "its compressed body ends too early")
        body = inflater.unused_data
        if not body.startswith(GZIP_MAGIC):
            return document
    raise Refused("broken_record", f"its compressed body has more than {MAX_MEMBERS} parts")


def _read(reader: BrotliReader | ZstdReader, limit: int) -> bytes:
    try:
        document = reader.read(limit + 1)
    except OSError as error:
        raise Refused("broken_record", f"its compressed body is damaged: {error}") from error
    if len(document) > limit:
        raise too_large(limit)
    return document
