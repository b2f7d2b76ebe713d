"""What is packed: bodies off the wire and files to import; nothing unpacks beyond its limit."""

import base64
import gzip
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import brotli

from crawler.bodies import BrokenBody, TooLarge, unpacked
from services.importer import files, http_bodies
from services.importer.read import read
from services.importer.records import OMISSIONS, REFUSAL_REASONS, Omitted, Refusal, Refused
from services.shared import compression, page_header
from services.shared.contracts import RawPage
from tests import archives
from tests.fuzz.promises import is_text, is_time
from tests.fuzz.target import Target

LIMIT = 256 * 1024
TEXT = b"<html><body>" + b"The bridge opens again. " * 40
NAMES = ("a.txt", "a.html", "a.jsonl", "a.warc", "a.txt.gz", "a.html.gz", "a.jsonl.gz", "a.warc.gz")


def body(data: bytes) -> None:
    """First line: Content-Encoding; the rest: the body, which is unpacked in both places."""
    codings, _, packed = data.partition(b"\n")
    named = codings.decode("latin-1")
    try:
        assert len(unpacked(packed, named, LIMIT)) <= max(LIMIT, len(packed))
    except (TooLarge, BrokenBody) as error:
        is_text(str(error), 1000)
    transfer = "chunked" if named.startswith("c") else ""
    try:
        content = named.removeprefix("chunked,")
        found = http_bodies.decoded(packed, transfer=transfer, content=content, limit=LIMIT)
        assert len(found) <= LIMIT
    except Refused as refused:
        is_text(refused.detail, 1000)


def imported(data: bytes) -> None:
    """First byte: which kind of file; the rest: its bytes."""
    name = NAMES[data[0] % len(NAMES)] if data else NAMES[0]
    with tempfile.TemporaryDirectory(dir=_fast()) as folder:
        path = Path(folder) / name
        path.write_bytes(data[1:])
        (file,) = files.find([path])
        assert isinstance(file, files.File)
        numbers = [
            _is_found(found.number, found.outcome) for found in read(file, max_body_bytes=LIMIT)
        ]
        assert numbers == sorted(numbers)
        if numbers and file.kind in files.CONTAINERS:
            half = numbers[len(numbers) // 2]
            again = [found.number for found in read(file, max_body_bytes=LIMIT, after=half)]
            assert again == [number for number in numbers if number > half]


def _is_found(number: int, outcome: RawPage | Refusal | Omitted) -> int:
    if isinstance(outcome, Omitted):
        assert outcome.reason in OMISSIONS
    elif isinstance(outcome, Refusal):
        assert outcome.reason in REFUSAL_REASONS
        is_text(outcome.detail, 1000)
    else:
        assert len(outcome.body) <= LIMIT
        is_time(outcome.fetched_at)
        assert outcome.status is None or 0 <= outcome.status < 2**31
        assert page_header.decode(page_header.encode(outcome), outcome.body) == outcome
    return number


def _fast() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def _bodies() -> Iterator[bytes]:
    yield b"gzip\n" + gzip.compress(TEXT, mtime=0)
    yield b"deflate\n" + zlib.compress(TEXT)
    yield b"deflate\n" + zlib.compress(TEXT)[2:-4]
    yield b"br\n" + brotli.compress(TEXT)
    yield b"zstd\n" + compression.compress(TEXT)
    yield b"gzip, br\n" + brotli.compress(gzip.compress(TEXT, mtime=0))
    yield b"chunked,gzip\n" + b"5\r\nhello\r\n0\r\n\r\n"
    yield b"gzip\n" + gzip.compress(bytes(4 * LIMIT), mtime=0)


def _files() -> Iterator[bytes]:
    records = [archives.response(number) for number in range(3)]
    lines = [archives.line(number) for number in range(3)]
    packed = gzip.compress(archives.html(1), mtime=0)
    gzipped = ("Content-Type: text/html", "Content-Encoding: gzip")
    yield b"\0" + "خبر اليوم\nقالت الوزارة إن الجسر سيفتح.\n".encode()
    yield b"\0" + "خبر اليوم\nقالت الوزارة\n".encode("cp1256")
    yield b"\1" + archives.html(1)
    yield b"\2" + b"".join(lines)
    encoded = base64.b64encode(archives.html(1)).decode()
    yield b"\2" + archives.line(
        1, html_base64=encoded, fetched_at=1714731300, status=200, headers={}
    )
    yield b"\3" + b"".join(records)
    yield b"\3" + archives.response(1, packed, headers=gzipped)
    yield b"\7" + archives.members(records)
    yield b"\6" + archives.one_member(lines)
    yield b"\4" + gzip.compress(TEXT, mtime=0)


TARGETS = (
    Target(
        name="body",
        run=body,
        seeds=_bodies,
        pieces=(
            *(
                b"gzip",
                b"deflate",
                b"br",
                b"zstd",
                b"identity",
                b", ",
                b"\n",
                b"x-gzip",
                b"chunked",
            ),
            *(gzip.compress(b"a", mtime=0), gzip.compress(b"", mtime=0), b"\x1f\x8b\x08", b"x\x9c"),
            *(
                compression.compress(b"a"),
                b"\x28\xb5\x2f\xfd",
                brotli.compress(b"a"),
                b"\x50\x2a\x4d",
            ),
            *(b"5\r\nhello\r\n", b"0\r\n\r\n", b"ffffffffffffff\r\n"),
        ),
    ),
    Target(
        name="file",
        run=imported,
        seeds=_files,
        pieces=(
            *(
                archives.response(7),
                archives.line(7),
                b"WARC/1.0\r\n",
                b"Content-Length: ",
                b"\r\n\r\n",
            ),
            *(
                b"WARC-Type: response\r\n",
                b"WARC-Date: 2024-05-03T10:15:00Z\r\n",
                b"HTTP/1.1 200 OK\r\n",
            ),
            *(
                b"Content-Type: text/html\r\n",
                b"Transfer-Encoding: chunked\r\n",
                b"gzip",
                b"br",
                b"zstd",
            ),
            *(b"Content-Encoding: ", b"WARC-Target-URI: <https://news.example/a>\r\n", b"99999999"),
            *(
                b'{"html":"',
                b'"html_base64":"',
                b'","url":"',
                b'"fetched_at":',
                b'"}\n',
                b"\\ud800",
                b"[" * 3000,
            ),
            *(gzip.compress(b"WARC/1.0\r\n", mtime=0), b"\x1f\x8b\x08\0\0\0\0\0\0\3", b"\0\0\0\0"),
        ),
    ),
)
