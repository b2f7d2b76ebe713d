"""What the importer promises with real servers: once each, nothing lost, memory flat."""

import gzip
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import redis

from services.importer import run as importer
from services.importer.progress import Report
from services.importer.summary import Summary
from services.queue import PENDING, Queue
from services.queue.bodies import Taken
from services.queue.broker import redis_url
from services.shared.contracts import RawPage, Rejection
from services.shared.errors import RasidError
from services.shared.settings import Settings
from services.storage import connect, results
from tests.archives import html, line, members, response
from tests.factories import processed

IMPORT = """
import sys
from pathlib import Path
from services.importer.run import run
from services.shared.settings import load
run([Path(sys.argv[1])], load())
"""
#: Prints the peak of the process' memory in MiB.
DRY_RUN = """
import resource, sys
from pathlib import Path
from services.importer.run import run
from services.shared.settings import load
summary = run([Path(sys.argv[1])], load(), dry_run=True)
print(summary.pages, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


class Listener:
    """Keeps what the importer says."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.said: list[str] = []
        self.reports: list[Report] = []

    def report(self, report: Report) -> None:
        """Keep the report."""
        self.reports.append(report)

    def say(self, text: str) -> None:
        """Keep the text."""
        self.said.append(text)


def pending(settings: Settings) -> dict[str, RawPage]:
    """Return the pages on the queue by their ids."""
    queue = Queue(settings)
    bodies = redis.Redis.from_url(redis_url(settings.bodies_url), decode_responses=True)
    ids = [str(page_id) for key in PENDING.values() for page_id in bodies.zrange(key, 0, -1)]
    taken = queue.take(ids) if ids else {}
    return {key: item.page for key, item in taken.items() if isinstance(item, Taken)}


def work_off(settings: Settings) -> int:
    """Do as a worker does that rejects every page; return how many there were."""
    pages = pending(settings)
    if not pages:
        return 0
    done = [processed(page, Rejection(reason="too_short")) for page in pages.values()]
    with connect(str(settings.database_url)) as connection:
        results.save(connection, done, 1)
    Queue(settings).done(list(pages))
    return len(pages)


def refusals(settings: Settings) -> list[tuple[object, ...]]:
    """Return what the store has of refusals."""
    with connect(str(settings.database_url)) as connection:
        return connection.execute(
            b"select origin, reason from rasid.import_refusals order by id"
        ).fetchall()


def run(path: Path, settings: Settings, **options: object) -> tuple[Summary, list[str]]:
    """Import the path; return the summary and what was said."""
    listener = Listener()
    summary = importer.run([path], settings, progress=listener, **options)  # type: ignore[arg-type]
    return summary, listener.said


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with eleven pages, in a file of every kind."""
    top = tmp_path / "in"
    top.mkdir()
    (top / "a.txt").write_text("سطر\nآخر\n", "utf-8")
    (top / "b.html").write_bytes(html(100))
    (top / "c.html.gz").write_bytes(gzip.compress(html(101)))
    (top / "d.jsonl").write_bytes(b"".join(line(i) for i in range(4)))
    (top / "e.warc.gz").write_bytes(members(response(i) for i in range(10, 14)))
    return top


@pytest.mark.parametrize("lane", ["live", "bulk"])
def test_pages_are_published(folder: Path, settings: Settings, lane: str) -> None:
    """Every page of every kind of file is on the queue, in the lane asked for."""
    summary, _ = run(folder, settings, lane=lane)

    assert summary.pages_by_kind == {"text": 1, "html": 2, "jsonl": 4, "warc": 4}
    assert (summary.pages, summary.published, summary.known, summary.files) == (11, 11, 0, 5)
    assert Queue(settings).depth().pages[lane] == 11  # type: ignore[index]
    origins = {page.origin for page in pending(settings).values()}
    assert {"in/a.txt", "in/c.html.gz", "in/d.jsonl#4", "in/e.warc.gz#4"} < origins


def test_source_is_for_pages_that_name_none(tmp_path: Path, settings: Settings) -> None:
    """The source given holds for pages without one of their own."""
    (tmp_path / "a.jsonl").write_bytes(line(1, source="own") + line(2))

    run(tmp_path, settings, source="given")

    assert sorted(str(p.source) for p in pending(settings).values()) == ["given", "own"]


@pytest.mark.parametrize("name", ["", "two\nlines", "x" * 201])
def test_source_that_is_no_name(folder: Path, settings: Settings, name: str) -> None:
    """Such a name is refused before anything is read."""
    with pytest.raises(RasidError, match="not the name of a source"):
        run(folder, settings, source=name)
    assert pending(settings) == {}


def test_twice_is_once_while_waiting(folder: Path, settings: Settings) -> None:
    """A second import changes nothing while the pages still wait for a worker."""
    run(folder, settings)
    before = pending(settings)

    summary, said = run(folder, settings)

    assert (summary.published, summary.finished_before) == (0, 2)
    assert "in/d.jsonl: already imported; --again to do it anyway" in said
    assert before == pending(settings)


def test_twice_is_once_when_worked_off(folder: Path, settings: Settings) -> None:
    """A second import publishes nothing that has a result, also from a copy of a file."""
    run(folder, settings)
    work_off(settings)
    (folder / "copy.jsonl").write_bytes((folder / "d.jsonl").read_bytes())

    summary, _ = run(folder, settings)

    assert (summary.pages, summary.known, summary.published) == (7, 7, 0)
    assert pending(settings) == {}


def test_again(folder: Path, settings: Settings) -> None:
    """With `again` everything is published once more."""
    run(folder, settings)
    work_off(settings)

    summary, _ = run(folder, settings, again=True)

    assert 11 == summary.published == len(pending(settings))


def test_a_changed_file_is_another(tmp_path: Path, settings: Settings) -> None:
    """What was added to a file is imported, and only that."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(line(1))
    run(path, settings)
    path.write_bytes(line(1) + line(2))

    summary, _ = run(path, settings)

    assert (summary.pages, summary.published) == (2, 1)


def test_dry_run_needs_no_server(folder: Path) -> None:
    """A dry run counts and names, and touches neither Postgres nor Redis."""
    (folder / "photo.jpg").write_bytes(b"x")
    nowhere = Settings(database_url="postgresql://nowhere", redis_url="redis://nowhere:1")

    summary, said = run(folder, nowhere, dry_run=True)

    assert (summary.pages, summary.refused_by_reason) == (11, {"unknown_kind": 1})
    assert any(text.startswith("refused: in/photo.jpg: unknown_kind") for text in said)


def test_bad_files_are_named_once(folder: Path, settings: Settings) -> None:
    """Each bad file is in the store with its reason, once, and the rest is imported."""
    (folder / "big.html").write_bytes(bytes(50_000_000))
    (folder / "cut.html.gz").write_bytes(gzip.compress(os.urandom(5000))[:-100])
    (folder / "cut.warc.gz").write_bytes(members([response(20), response(21)])[:-30])
    (folder / "lines.jsonl").write_bytes(line(30) + b"{broken\n" + line(31))
    (folder / "loop").symlink_to(folder)
    (folder / "photo.jpg").write_bytes(b"x")
    os.mkfifo(folder / "pipe.txt")
    expected = {
        ("in/big.html", "too_large"),
        ("in/cut.html.gz", "truncated_gzip"),
        ("in/cut.warc.gz#2", "truncated_gzip"),
        ("in/lines.jsonl#2", "broken_line"),
        ("in/loop", "symlink_loop"),
        ("in/photo.jpg", "unknown_kind"),
        ("in/pipe.txt", "not_a_file"),
    }

    summary, _ = run(folder, settings)
    run(folder, settings)
    run(folder, settings, again=True)

    assert summary.published == 11 + 3
    assert sorted(expected) == sorted(refusals(settings))


def test_a_file_of_refusals_alone_is_finished(tmp_path: Path, settings: Settings) -> None:
    """A container without a single page is done once, too."""
    (tmp_path / "a.jsonl").write_bytes(b"no\n" * 2500)

    first, _ = run(tmp_path, settings)
    second, _ = run(tmp_path, settings)

    assert (first.refused, second.refused, second.finished_before) == (2500, 0, 1)
    assert len(refusals(settings)) == 2500


def test_progress_is_told(folder: Path, settings: Settings) -> None:
    """Reports grow up to all bytes and pages."""
    listener = Listener()
    importer.run([folder], settings, progress=listener)

    read = [report.bytes_read for report in listener.reports]
    assert sorted(read) == read
    last = listener.reports[-1]
    assert last.bytes_read == last.bytes_total == sum(p.stat().st_size for p in folder.iterdir())
    assert last.pages == 11


def test_a_full_queue_is_waited_for(tmp_path: Path, settings: Settings) -> None:
    """Above the high-water mark the importer says so and waits until there is room."""
    (tmp_path / "a.jsonl").write_bytes(b"".join(line(i) for i in range(300)))
    small = settings.model_copy(update={"queue_max_pages": 50})
    listener = Listener()
    thread = threading.Thread(
        target=importer.run, args=([tmp_path], small), kwargs={"progress": listener}
    )
    thread.start()
    seen: list[int] = []
    while thread.is_alive():  # no assertion in here: the thread must not outlive the test
        if any(text.startswith("waiting: ") for text in listener.said):
            seen.append(work_off(settings))
        thread.join(0.1)

    assert sum(seen) + len(pending(settings)) == 300
    assert max(seen) < 50 + 100  # a batch of 100 is published while fewer than 50 wait
    assert "waiting: 100 pages are waiting" in listener.said


def test_a_lost_connection_is_opened_again(tmp_path: Path, settings: Settings) -> None:
    """When Postgres ends the importer's connection, it goes on with a new one."""
    (tmp_path / "a.jsonl").write_bytes(b"".join(line(i) for i in range(300)))

    class Saboteur(Listener):
        def report(self, report: Report) -> None:
            if report.pages in (150, 250):
                with connect(str(settings.database_url)) as connection:
                    connection.execute(
                        b"select pg_terminate_backend(pid) from pg_stat_activity"
                        b" where datname = current_database() and pid <> pg_backend_pid()"
                    )
            super().report(report)

    summary = importer.run([tmp_path], settings, progress=Saboteur())

    assert summary.published == len(pending(settings)) == 300


@pytest.mark.parametrize("kind", ["jsonl.gz", "warc.gz"])
def test_killed_and_run_again(tmp_path: Path, settings: Settings, kind: str) -> None:
    """An importer killed with -9 again and again loses no page and goes on where it was."""
    count = 2500
    make = line if kind == "jsonl.gz" else response
    path = tmp_path / f"big.{kind}"
    path.write_bytes(members(make(i) for i in range(count)))
    environment = {
        **os.environ,
        "DATABASE_URL": str(settings.database_url),
        "REDIS_URL": str(settings.redis_url),
        "REDIS_BODIES_URL": settings.bodies_url,
    }
    command = [sys.executable, "-P", "-c", IMPORT, str(path)]
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    queue = Queue(settings)
    for goal in (1, 700, 1400):
        # Whoever is to kill it may come late: it must not have ended by then.
        room = {"RASID_QUEUE_MAX_PAGES": str(goal + 800)}
        with subprocess.Popen(command, env=environment | room) as process:
            while queue.depth().total < goal and process.poll() is None:
                time.sleep(0.02)
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL, "it was to be killed before its end"

    before = queue.depth().total
    summary, said = run(path, settings)

    assert {f"{path.name}#{i + 1}" for i in range(count)} == {
        page.origin for page in pending(settings).values()
    }
    assert any("going on after record" in text for text in said)
    assert before >= 1400
    assert summary.pages <= count - before + 100  # at most one batch is done twice


@pytest.mark.parametrize("kind", ["jsonl", "jsonl.gz", "warc", "warc.gz"])
def test_memory_is_flat(tmp_path: Path, kind: str) -> None:
    """A file ten times as large takes no more memory."""
    page = "<p>" + os.urandom(30_000).hex()
    records = {
        "jsonl": line(1, html=page),
        "jsonl.gz": gzip.compress(line(1, html=page), 1),
        "warc": response(1, page.encode()),
        "warc.gz": gzip.compress(response(1, page.encode()), 1),
    }
    peaks = []
    for count in (200, 2000):
        path = tmp_path / f"{count}.{kind}"
        with path.open("wb") as file:
            for _ in range(count):
                file.write(records[kind])
        peaks.append(peak_mib(path, count))
        path.unlink()

    assert peaks[1] < peaks[0] + 10, f"{peaks[0]} MiB became {peaks[1]} MiB"


def peak_mib(path: Path, pages: int) -> int:
    """Read the file in a process of its own and return that process' peak memory."""
    answer = subprocess.run(
        [sys.executable, "-P", "-c", DRY_RUN, str(path)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        check=True,
        capture_output=True,
        text=True,
    )
    read, peak = map(int, answer.stdout.split())
    assert pages == read
    return peak


def test_a_summary_is_plain_data(folder: Path, settings: Settings) -> None:
    """The summary can be printed as JSON, with the refusals named."""
    from dataclasses import asdict

    (folder / "photo.jpg").write_bytes(b"x")
    summary, _ = run(folder, settings)

    printed = json.loads(json.dumps(asdict(summary)))

    assert printed["refusals"][0]["origin"] == "in/photo.jpg"
    assert printed["published"] == 11
