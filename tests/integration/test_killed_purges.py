"""`rasid purge` is killed at any point; run again it ends, and the archive has all the others."""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from services.archiver import purge as archiver_purge
from services.archiver import reader, run
from services.archiver.run import Order
from services.queue import Queue
from services.shared.contracts import RawPage, Rejection
from services.shared.settings import Settings
from services.storage import (
    Connection,
    archives,
    changes,
    connect,
    partitions,
    prune,
    purges,
    results,
)
from tests.factories import page, processed
from tests.patience import PATIENCE_S

DAY = date(2026, 3, 4)
AFTER = date(2026, 3, 5)
#: What a process does to files, as Python tells it before it is done.
TOUCHES = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.move"}

HELD = b"select exists (select from pg_stat_activity where datname = current_database()"
HELD += b" and pid <> pg_backend_pid() and backend_type = 'client backend')"


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with connect(database_url) as connection:
        yield connection


def forget(settings: Settings, url: str, work: Path) -> None:
    """Purge as the command does."""
    with connect(settings.database_url or "") as connection, prune.alone(connection):
        planned = purges.plan(connection, [], [url], copies=False)
        purges.forbid(connection, planned.keys, "test")
        archiver_purge.rewrite(connection, planned.pages, work, lambda _done: None)
        run.clear(work)
        if planned.pages:
            Queue(settings).done(planned.page_ids)
        purges.purge(connection, planned, "test")
        changes.publish(connection)


def killed(settings: Settings, url: str, folder: Path, steps: int) -> None:
    """Purge, and be killed before so many steps: words with Postgres, touches of files."""
    left = steps

    def step() -> None:
        nonlocal left
        left -= 1
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def touched(event: str, found: tuple[Any, ...]) -> None:
        if event in TOUCHES and str(found[0]).startswith(str(folder)):
            step()

    wait = psycopg.Connection.wait

    def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
        step()
        answer = wait(self, *args, **kwargs)
        step()
        return answer

    sys.addaudithook(touched)
    psycopg.Connection.wait = counted  # type: ignore[method-assign]
    forget(settings, url, folder / "work")


def test_killed_anywhere(connection: Connection, settings: Settings, tmp_path: Path) -> None:
    """No record of another page is lost, none of the purged one is kept, nothing lies about."""
    fetched: dict[str, object] = {"status": 200, "fetched_at": datetime(2026, 3, 4, tzinfo=UTC)}

    def made(name: str, number: int, body: str) -> RawPage:
        return page(body, requested_url=f"https://{name}.example/{number}", **fetched)

    numbers = range(150)
    gone = [made("a", n, f"both {n}") for n in numbers]
    alone = [made("a", n, f"alone {n}") for n in numbers]
    stay = [made("b", n, f"both {n}") for n in numbers]
    items = [processed(raw, Rejection(reason="soft_404")) for raw in (*gone, *alone, *stay)]
    results.save(connection, items, 1)
    for table in (b"captures", b"raw_pages"):
        connection.execute(b"update rasid." + table + b" set captured_on = %s", [DAY])
    partitions.roll(connection, "captures")
    files, work = tmp_path / "files", tmp_path / "work"
    list(
        run.run(connection, Order(address=str(files), before=AFTER, work=work), lambda _done: None)
    )

    context = multiprocessing.get_context("fork")
    child, number = None, 0
    for number in numbers:
        url = str(gone[number].requested_url)
        child = context.Process(target=killed, args=(settings, url, tmp_path, 3 * number + 1))
        child.start()
        child.join(PATIENCE_S)
        assert child.exitcode in (0, -signal.SIGKILL)
        while connection.execute(HELD).fetchone() == (True,):  # its server process ends
            time.sleep(0.01)
        forget(settings, url, work)
        (file,) = archives.files(connection)
        index = (files / file.name.replace(".warc.gz", ".cdxj")).read_text()
        assert f'"{url}"' not in index
        assert index.count("\n") == file.pages_count == len(items) - 2 * (number + 1)
        assert sorted(path.name for path in files.iterdir()) == sorted(
            [file.name, file.name.replace(".warc.gz", ".cdxj")]
        ), f"killed at step {3 * number + 1}"
        assert not work.exists()
        assert reader.archived(connection, stay[number].capture_sha256, DAY) == stay[number].body
        assert reader.archived(connection, alone[number].capture_sha256) is None
        if child.exitcode == 0:
            break
    assert child is not None
    assert child.exitcode == 0, "there are more steps than pages"
    assert number > 30
    for raw in (*stay, *gone[number + 1 :], *alone[number + 1 :]):
        assert reader.archived(connection, raw.capture_sha256, DAY) == raw.body
