"""When most pages fail it is not the pages' fault: workers stop, and go on by themselves."""

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from services.cli.session import environment
from services.dashboard import run
from services.dashboard.app import make_app
from services.health import brake_words
from services.queue import Queue
from services.queue.reconcile import Reconciler
from services.shared.contracts import Article, RawPage, Rejection
from services.shared.settings import Settings
from services.storage import dead_letters
from tests.dashboard import served, wait_for_stores
from tests.factories import at, page
from tests.patience import PATIENCE_S
from worker import pipeline, tasks

ROOT = Path(__file__).resolve().parents[2]
BROKEN = RuntimeError("no lexicon")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A brake that is tried again soon."""
    return settings.model_copy(update={"brake_retry_s": 0.3})


@pytest.fixture
def edges(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[tasks.Edges]:
    """What a worker process holds, for a worker that waits less long."""
    monkeypatch.setattr(tasks, "BRAKED_S", 0.01)
    opened = tasks.Edges.of(settings)
    yield opened
    opened.database.close()


def news(number: int, *, is_short: bool = False) -> RawPage:
    """A page with an article, or one that is refused."""
    text = "".join(f"<p>On day {number} the council met for the {n}th time.</p>" for n in range(9))
    body = "<p>short</p>" if is_short else f"<h1>News {number}</h1><article>{text}</article>"
    url = f"https://example.org/{number}"
    return page(body, requested_url=url, fetched_at=at(number % 20))


def work(edges: tasks.Edges, *, chunks: int = 1000) -> int:
    """Be a worker for so many chunks, or until nothing waits; return how many pages are left."""
    queue = edges.queue
    for _ in range(chunks):
        waiting = [i.decode() for i in queue.bodies.zrange("rasid:pending:live", 0, 9)]  # type: ignore[union-attr]
        if not waiting:
            break
        tasks.run(edges, "live", waiting)
    return queue.depth().total


def broken(only: str = "") -> object:
    """An extractor that fails on each page, or on those with a word in them."""
    old = pipeline.read

    def read(raw: RawPage, limit: int) -> Article | Rejection:
        if only.encode() in raw.body:
            raise BROKEN
        return old(raw, limit)

    return read


def test_a_broken_extractor_stops_the_workers(
    edges: tasks.Edges, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says why; all else stays pending; mended, one page is tried, and then all are read."""
    pages = [news(number) for number in range(60)]
    edges.queue.publish(pages, "live")
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "read", broken())
        left = work(edges, chunks=30)

        assert left == 40
        braked = edges.queue.brake.state()
        assert braked is not None
        assert braked.reason == (
            "20 of the last 20 pages became dead letters: 20 x error: RuntimeError: no lexicon"
        )
        assert "rasid replay --dead-letters --yes" in brake_words(braked)
        # Pages that are tried fail, and are not poured into dead letters.
        time.sleep(0.35)
        work(edges, chunks=3)
        tried = edges.queue.brake.state()
        assert tried is not None
        assert tried.trials >= 1
        assert edges.queue.depth().total == 40
        connection = edges.database.connection()
        assert len(dead_letters.listing(connection)) == 20

    assert work(edges) == 0

    assert edges.queue.brake.state() is None
    found = connection.execute(
        b"select outcome, count(*) from rasid.raw_pages group by 1"
    ).fetchall()
    assert sorted(found) == [("created", 40), ("dead_letter", 20)]


def test_another_worker_knows(edges: tasks.Edges, monkeypatch: pytest.MonkeyPatch) -> None:
    """The brake is of all workers together, and outlives them; by hand it is let go."""
    other = tasks.Edges.of(edges.settings)
    pages = [news(number) for number in range(40)]
    edges.queue.publish(pages, "live")
    monkeypatch.setattr(pipeline, "read", broken())
    for turn, worker in enumerate((edges, other)):
        tasks.run(worker, "live", [raw.id for raw in pages[turn * 10 : turn * 10 + 10]])

    third = tasks.Edges.of(edges.settings)
    tasks.run(third, "live", [raw.id for raw in pages[20:30]])
    assert third.queue.depth().total == 20
    assert Reconciler(third.queue).reconcile()["live"] == 0
    monkeypatch.undo()
    assert third.queue.brake.release()
    assert work(third) == 0
    other.database.close()
    third.database.close()


def test_a_page_that_is_done_as_it_is_let_go(
    settings: Settings, edges: tasks.Edges, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One more that fails at that instant does not put the brake on again for those before it."""
    brake, another = edges.queue.brake, Queue(settings).brake
    assert brake.note(["error: no lexicon"] * settings.brake_pages)
    delete = edges.queue.bodies.delete

    def amidst(key: str) -> object:
        gone = delete(key)
        another.note(["error: no lexicon"])
        return gone

    monkeypatch.setattr(edges.queue.bodies, "delete", amidst)
    assert brake.release()
    assert brake.state() is None


def test_rubbish_and_poison_do_not(edges: tasks.Edges, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither rejections nor some pages that fail among others stop anything."""
    poison = [replace(news(n), body=b"<p>POISON") for n in range(100, 119)]
    pages = [*(news(n, is_short=True) for n in range(90)), *poison, *map(news, range(200, 220))]
    edges.queue.publish(pages, "live")
    monkeypatch.setattr(pipeline, "read", broken("POISON"))

    assert work(edges) == 0
    assert edges.queue.brake.state() is None


def test_what_letters_said_holds_no_secret(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dashboard and commands tell why the brake is on, in each form, without any password."""
    url = (settings.database_url or "").replace("rasid@", "rasid:hunter22hunter@")
    assert "hunter22hunter" in url
    own = settings.model_copy(update={"database_url": url})
    brake = Queue(own).brake
    # Cut where its end, by which it is known, is missing.
    brake.note(["error: " + "x" * 160 + " redis://me:swordfish@q.example"] * own.brake_pages)
    braked = brake.state()
    assert braked is not None
    assert "swordfish" not in braked.reason
    # As one that an older worker has put there.
    words = "error: postgresql://me:swordfish@db/x: hunter22hunter is wrong"
    brake._put(replace(braked, said=((words, 20),)), xx=True)

    wait_for_stores(monkeypatch)
    stores = run.Stores(own)
    with closing(stores), served(make_app(own, stores.look, stores.ready)) as address:
        told = [
            urllib.request.urlopen(address + path, timeout=PATIENCE_S).read()
            for path in ("/", "/status.json", "/metrics")
        ]
    rasid = [sys.executable, "-P", "-m", "services.cli"]
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environment(own)}
    for command in ("brake", "brake --json", "status", "status --json"):
        done = subprocess.run(
            [*rasid, *command.split()],
            env=env,
            check=False,
            capture_output=True,
            timeout=PATIENCE_S,
        )
        told.append(done.stdout + done.stderr)

    # All but the figures.
    assert [b"***@db/x: *** is wrong" in words for words in told] == [
        True,
        True,
        False,
        *[True] * 4,
    ]
    assert [w for w in told if b"swordfish" in w or b"hunter22hunter" in w] == []
