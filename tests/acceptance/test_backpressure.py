"""With nobody to work pages off, producers fill the queue to its mark and wait."""

import base64
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from services.importer.summary import BATCH_BYTES, BATCH_PAGES
from services.queue import Depth
from services.shared.settings import MIB
from tests.acceptance.conftest import Product, retry
from tests.acceptance.test_faults import news
from tests.patience import PATIENCE_S, until
from tests.site import documents
from tests.site.server import Answer, serve

CRAWLED = 120
#: Of the crawler's pages what was on its way when it saw that the queue is full.
ON_ITS_WAY = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How far producers may fill the queue, and pages that are more than that."""

    setting: tuple[str, str]
    #: What each producer says that it waits for.
    said: str
    imported: int
    #: In each page, which no compression makes smaller.
    filler_bytes: int
    amount: Callable[[Depth], int]
    most: int
    #: What producers have in their hands when they see that the queue is full: a batch of the
    #: importer, and what the crawler had asked for.
    in_hand: int


MARKS = {
    "pages": Mark(
        setting=("RASID_QUEUE_MAX_PAGES", "60"),
        said=" pages are waiting",
        imported=600,
        filler_bytes=0,
        amount=lambda depth: depth.total,
        most=60,
        in_hand=BATCH_PAGES + ON_ITS_WAY,
    ),
    "bytes": Mark(
        setting=("RASID_QUEUE_MAX_MB", "16"),
        said=" MB are waiting",
        imported=400,
        filler_bytes=100_000,
        amount=lambda depth: depth.used_bytes,
        most=16 * MIB,
        in_hand=BATCH_BYTES + ON_ITS_WAY * 120_000,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("mark", MARKS.values(), ids=MARKS)
def test_producers_wait_for_workers(product: Product, tmp_path: Path, mark: Mark) -> None:
    """The queue stays at its mark, of pages or of bytes, but for what producers had in hand.

    Once workers run, all that was waiting is done.
    """
    everything = mark.imported + CRAWLED
    assert everything * mark.filler_bytes > mark.most + mark.in_hand or not mark.filler_bytes
    with (tmp_path / "pages.jsonl").open("w") as file:
        for number, raw in enumerate(map(news, range(mark.imported))):
            html = raw.body.decode() + _filler(mark, number)
            file.write(json.dumps({"url": raw.requested_url, "html": html}) + "\n")
    with serve() as site:
        paths = [f"/2026/01/{number}" for number in range(CRAWLED)]
        for number, path in enumerate(paths):
            page = documents.article(f"Item {number}", "Some words. " * number + "\n" * 2)
            page += _filler(mark, -1 - number).encode()
            # Slow enough that there are pages left when the crawler looks at the queue again.
            site.answers[path] = Answer(200, {"Content-Type": "text/html"}, page, wait_s=0.04)
        site.answers["/feed"] = Answer(200, {}, documents.rss(site.url + path for path in paths))
        (tmp_path / "sources.yaml").write_text(
            json.dumps(
                {
                    "sources": [
                        {
                            "name": "paper",
                            "title": "Paper",
                            "home_page": site.url,
                            "enabled": True,
                            "crawl": {"delay_s": 0},
                            "feeds": [{"url": f"{site.url}/feed"}],
                        }
                    ]
                }
            )
        )
        env = dict([mark.setting]) | {
            "RASID_SOURCES": str(tmp_path / "sources.yaml"),
            "RASID_PUBLIC_ADDRESSES_ONLY": "false",
        }
        product.spawn("crawl", "-m", "services.cli", "crawl", env=env)
        product.spawn(
            "import", "-m", "services.cli", "import", str(tmp_path / "pages.jsonl"), env=env
        )
        for name in ("crawl", "import"):
            until(partial(_says, product.stack.log(name), mark.said), f"{name} does not wait")
        most = _filled(product, mark)
        product.spawn("worker", "-m", "services.cli", "worker")
        product.spawn("reconcile", "-m", "services.cli", "reconcile")
        end = time.monotonic() + PATIENCE_S
        while len(retry(product.outcomes)) < everything:
            assert mark.amount(product.queue.depth()) <= mark.most + mark.in_hand
            assert time.monotonic() < end, "not all pages came through"
            time.sleep(0.1)
        product.wait_until_done()

    assert mark.most <= most <= mark.most + mark.in_hand
    assert len(product.outcomes()) == everything


def _says(log: Path, words: str) -> bool:
    return words in log.read_text("utf-8")


def _filler(mark: Mark, number: int) -> str:
    """Return a comment that no compression makes smaller than it is to be."""
    noise = random.Random(number).randbytes(mark.filler_bytes)
    return f"<!-- {base64.b64encode(noise).decode()} -->"


def _filled(product: Product, mark: Mark) -> int:
    """Wait until the queue has stopped growing, and return how much it holds."""
    end = time.monotonic() + PATIENCE_S
    since, last, pages = time.monotonic(), 0, 0
    while time.monotonic() < end:
        depth = product.queue.depth()
        last = mark.amount(depth)
        assert last <= mark.most + mark.in_hand
        if depth.total != pages:
            since, pages = time.monotonic(), depth.total
        elif last >= mark.most and time.monotonic() - since > 5:
            return last
        time.sleep(0.1)
    pytest.fail(f"the queue holds {last} of {mark.most}, and is not full")
