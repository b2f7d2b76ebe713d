"""Real or made pages for the benchmarks: a folder of labelled pages where there is one."""

import gzip
import os
from collections.abc import Iterator
from pathlib import Path

from services.shared.contracts import RawPage

ROOT = Path(__file__).resolve().parents[1]


def corpora() -> Path | None:
    """Return the folder of labelled real pages (RASID_CORPORA), or None where there is none."""
    folder = Path(os.environ.get("RASID_CORPORA", ROOT.parent / "shared" / "corpora"))
    return folder if folder.is_dir() else None


def bodies() -> list[bytes]:
    """Return the HTML of every page to be had: the labelled ones, else the test pages."""
    folder = corpora()
    if folder:
        found = sorted(folder.glob("*/*.html.gz"))
        return [gzip.decompress(path.read_bytes()) for path in found]
    return [path.read_bytes() for path in sorted(ROOT.glob("tests/pages/*/page.html"))]


def raw_pages(count: int, kind: str = "news") -> Iterator[RawPage]:
    """Yield so many different pages: each has its own address and its own words.

    Pages of one number have the same content but for a word that is their `kind`.
    """
    found = bodies()
    step = max(1, len(found) // count) if count < len(found) else 1
    chosen = found[::step]
    for number in range(count):
        body = chosen[number % len(chosen)]
        yield RawPage(
            body=body.replace(b"</p>", f" ({kind} {number})</p>".encode(), 3),
            origin="benchmark",
            requested_url=f"https://example.org/{kind}/{number}",
            headers={"content-type": "text/html"},
        )
