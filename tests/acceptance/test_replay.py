"""A replay beside real workers: killed anywhere, it changes each article once."""

import json
import os
import subprocess
import sys
import time

from services.cli.session import environment
from tests.acceptance.conftest import HERE, ROOT, Product
from tests.acceptance.test_faults import kill_worker, news
from tests.patience import PATIENCE_S

PAGES = 150
COMMAND = ("replay", "--extractor", "1", "--yes", "--processes", "2", "--json")


def test_killed_and_run_again(product: Product) -> None:
    """The command, a worker and one of its processes killed with -9: each text changes once."""
    product.spawn("worker", "-m", "services.cli", "worker")
    product.publish([news(n) for n in range(PAGES) if n % 10 != 3 and n % 25])
    product.wait_until_done()
    articles = len(product.count("select id from media.articles"))
    harbours = len(product.count("select id from media.articles where text like '%harbour%'"))
    product.stack.stop_process("worker")
    program = str(HERE / "worker_program.py")
    product.spawn("worker", program, env={"NEWER": "1"})
    product.spawn("reconcile", "-m", "services.cli", "reconcile")

    for share, kill_child in ((0.2, None), (0.4, False), (0.6, True)):
        command = begin(product)
        wait_for(product, articles * share)
        if kill_child is not None:
            kill_worker(product, child=kill_child)
        command.kill()
        command.communicate()
    told, _ = begin(product).communicate(timeout=PATIENCE_S)

    summary = json.loads(told)
    assert (summary["replay"], summary["of_pages"], summary["left"]) == (1, articles, 0)
    assert summary["fields_changed"] == {"text": harbours}
    versions = product.count("select version from media.articles")
    assert versions[2] == harbours == versions.total() - versions[1]
    events = product.count("select kind from media.change_feed where kind <> 'story_changed'")
    assert events == {"created": articles, "updated": harbours}
    assert product.queue.depth().total == 0


def begin(product: Product) -> "subprocess.Popen[str]":
    """Run the command."""
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "services.cli", *COMMAND],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment(product.settings)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def wait_for(product: Product, done: float) -> None:
    """Return when so many pages have been read again."""
    end = time.monotonic() + PATIENCE_S
    query = "select page_id from rasid.replay_pages where done_at is not null"
    while len(product.count(query)) < done:
        assert time.monotonic() < end, "nothing is read again"
        time.sleep(0.02)
