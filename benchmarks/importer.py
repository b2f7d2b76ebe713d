"""Measure the importer's reading: a WARC file in, pages and megabytes a second out.

A bare fastwarc loop over the same file, in the same run, is what it is held against.

    PYTHONPATH=. python benchmarks/importer.py [FILE.warc.gz]
"""

import gzip
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from fastwarc.warc import ArchiveIterator, WarcRecordType

from services.importer import files
from services.importer.files import File
from services.importer.read import read
from services.shared.contracts import RawPage
from services.shared.settings import MIB

PAGES = 3000
ROUNDS = 3
#: About what a news page weighs, and how well it compresses.
PARAGRAPH = "<p class='body-{0}'>{1:032x} السطر رقم {0} من الخبر الذي نشر اليوم في {1}</p>\n"


def made_up_warc(path: Path) -> None:
    """Write a file of pages of about 100 KB, a gzip member each."""
    with path.open("wb") as file:
        for number in range(PAGES):
            body = "".join(PARAGRAPH.format(i, number * i * 2**80) for i in range(700)).encode()
            http = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + body
            head = (
                "WARC/1.0\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:uuid:0>\r\n"
                f"WARC-Target-URI: https://news.example/{number}\r\n"
                "WARC-Date: 2024-03-01T10:00:00Z\r\n"
                "Content-Type: application/http; msgtype=response\r\n"
                f"Content-Length: {len(http)}\r\n\r\n"
            )
            file.write(gzip.compress(head.encode() + http + b"\r\n\r\n", 6))


def bare(path: Path) -> tuple[int, int]:
    """Return pages and bytes of a loop over fastwarc alone."""
    pages = size = 0
    for record in ArchiveIterator(str(path), record_types=WarcRecordType.response):
        pages += 1
        size += len(record.reader.read())
    return pages, size


def ours(path: Path) -> tuple[int, int]:
    """Return pages and bytes of our reader."""
    (file,) = (item for item in files.find([path]) if isinstance(item, File))
    pages = size = 0
    for found in read(file, max_body_bytes=20 * MIB):
        if isinstance(found.outcome, RawPage):
            pages += 1
            size += len(found.outcome.body)
    return pages, size


def cpu_seconds(action: Callable[[Path], tuple[int, int]], path: Path) -> float:
    """Print pages and megabytes a CPU second, and return the pages."""
    started = time.process_time()
    pages, size = action(path)
    seconds = time.process_time() - started
    print(f"{action.__name__:5} {pages / seconds:8,.0f} pages/s {size / MIB / seconds:8,.0f} MiB/s")
    return pages / seconds


def main() -> None:
    """Run both in turn and print the best rounds' ratio."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(sys.argv[1]) if sys.argv[1:] else Path(folder) / "made_up.warc.gz"
        if not sys.argv[1:]:
            made_up_warc(path)
        print(f"{path.name}: {path.stat().st_size / MIB:,.0f} MiB; rates are for a CPU second")
        rounds = [(cpu_seconds(bare, path), cpu_seconds(ours, path)) for _ in range(ROUNDS)]
        theirs, mine = (max(rates) for rates in zip(*rounds, strict=True))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"ratio {mine / theirs:.2f}, peak memory {peak} MiB")


if __name__ == "__main__":
    main()
