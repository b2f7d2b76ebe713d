"""`rasid purge` is killed at any point; run again it ends, and the archive has all the others."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

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
from tests.kills import killed_at

DAY = date(2026, 3, 4)
AFTER = date(2026, 3, 5)


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
        run.clear(connection, work)
        if planned.pages:
            Queue(settings).done(planned.page_ids)
        purges.purge(connection, planned, "test")
        changes.publish(connection)


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

    killed, number = True, 0
    for number in numbers:
        url = str(gone[number].requested_url)
        steps = 3 * number + 1
        killed = killed_at(steps, tmp_path, connection, forget, settings, url, tmp_path / "work")
        forget(settings, url, work)
        (file,) = archives.files(connection)
        index = (files / file.name.replace(".warc.gz", ".cdxj")).read_text()
        assert f'"{url}"' not in index
        assert index.count("\n") == file.pages_count == len(items) - 2 * (number + 1)
        assert sorted(path.name for path in files.iterdir()) == sorted(
            [file.name, file.name.replace(".warc.gz", ".cdxj")]
        ), f"killed at step {steps}"
        assert not work.exists()
        assert reader.archived(connection, stay[number].capture_sha256, DAY) == stay[number].body
        assert reader.archived(connection, alone[number].capture_sha256) is None
        if not killed:
            break
    assert not killed, "there are more steps than pages"
    assert number > 30
    for raw in (*stay, *gone[number + 1 :], *alone[number + 1 :]):
        assert reader.archived(connection, raw.capture_sha256, DAY) == raw.body
