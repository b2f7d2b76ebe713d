"""With nobody to work pages off, producers fill the queue to its mark and wait."""

import json
import time
from pathlib import Path

import pytest

from tests.acceptance.conftest import Product, retry
from tests.acceptance.test_faults import news
from tests.patience import PATIENCE_S
from tests.site import documents
from tests.site.server import Answer, serve

MARK = 60
IMPORTED, CRAWLED = 600, 120
#: What producers have in their hands when they see that the queue is full: a batch of the
#: importer, and of the crawler what was on its way.
IN_HAND = 100 + 60


@pytest.mark.slow
def test_producers_wait_for_workers(product: Product, tmp_path: Path) -> None:
    """Queue and Redis stay below their bounds; once workers run, all that was waiting is done."""
    (tmp_path / "pages.jsonl").write_text(
        "".join(
            json.dumps({"url": raw.requested_url, "html": raw.body.decode()}) + "\n"
            for raw in map(news, range(IMPORTED))
        )
    )
    with serve() as site:
        paths = [f"/2026/01/{number}" for number in range(CRAWLED)]
        for number, path in enumerate(paths):
            page = documents.article(f"Item {number}", "Some words. " * number + "\n" * 2)
            site.answers[path] = Answer(200, {"Content-Type": "text/html"}, page)
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
        env = {
            "RASID_SOURCES": str(tmp_path / "sources.yaml"),
            "RASID_PUBLIC_ADDRESSES_ONLY": "false",
            "RASID_QUEUE_MAX_PAGES": str(MARK),
        }
        product.spawn("crawl", "-m", "services.cli", "crawl", env=env)
        product.spawn(
            "import", "-m", "services.cli", "import", str(tmp_path / "pages.jsonl"), env=env
        )
        most = _filled(product)
        product.spawn("worker", "-m", "services.cli", "worker")
        product.spawn("reconcile", "-m", "services.cli", "reconcile")
        end = time.monotonic() + PATIENCE_S
        while len(retry(product.outcomes)) < IMPORTED + CRAWLED:
            depth = product.queue.depth()
            assert depth.used_bytes < depth.max_bytes
            assert depth.total <= MARK + IN_HAND
            assert time.monotonic() < end, "not all pages came through"
            time.sleep(0.1)
        product.wait_until_done()

    assert MARK <= most <= MARK + IN_HAND
    assert len(product.outcomes()) == IMPORTED + CRAWLED


def _filled(product: Product) -> int:
    """Wait until the queue has stopped growing, and return how many pages it holds."""
    end = time.monotonic() + PATIENCE_S
    since, last = time.monotonic(), 0
    while time.monotonic() < end:
        depth = product.queue.depth()
        assert depth.used_bytes < depth.max_bytes
        if depth.total != last:
            since, last = time.monotonic(), depth.total
        elif last >= MARK and time.monotonic() - since > 5:
            return last
        time.sleep(0.1)
    pytest.fail(f"the queue holds {last} pages, and is not full")
