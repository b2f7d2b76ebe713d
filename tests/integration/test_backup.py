"""What docs/ops.md says of backups, done as it says: all is there, no cursor silently wrong."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from services.local import Stack, binaries, start
from services.shared.contracts import Place
from services.shared.errors import TransientError
from services.storage import (
    Connection,
    changes,
    connect,
    imports,
    links,
    migrate,
    quotations,
    results,
)
from services.storage.imports import ImportKey, ImportStep
from tests.factories import stored
from tests.integration.test_replication import ask, eventually, tell
from tests.released import make

ROOT = Path(__file__).resolve().parents[2]
FILE = ImportKey("pages.warc.gz", 1000, 5)
FEED = "position, kind, article_id, version"
pytestmark = pytest.mark.slow


def block(name: str) -> str:
    """Return a block of docs/ops.md, by what stands behind its three ticks."""
    text = (ROOT / "docs" / "ops.md").read_text("utf-8")
    (found,) = re.findall(rf"^```{name}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return str(found)


@pytest.fixture
def shell(tmp_path: Path) -> dict[str, str]:
    """The environment of somebody who has Postgres' programs and `rasid` at hand."""
    rasid = tmp_path / "bin" / "rasid"
    rasid.parent.mkdir()
    rasid.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m services.cli "$@"\n')
    rasid.chmod(0o755)
    path = f"{rasid.parent}:{binaries.postgres_bin()}:{os.environ['PATH']}"
    return {"PATH": path, "PYTHONPATH": str(ROOT), "LC_ALL": "C"}


def run(
    command: str, stack: Stack, shell: dict[str, str], folder: Path, status: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run shell commands on a server, each of which has to succeed."""
    done = subprocess.run(
        ["sh", "-ec", command],
        cwd=folder,
        env=shell | {"DATABASE_URL": stack.database_url, "REDIS_URL": stack.redis_url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stderr
    return done


def everything(connection: psycopg.Connection[Any]) -> dict[str, list[str]]:
    """Return all rows of all tables and views, each as text."""
    names = connection.execute(
        "select c.oid::regclass::text from pg_class as c where relkind in ('r', 'p', 'v')"
        " and relnamespace::regnamespace::text in ('rasid', 'media', 'rasid_migrations')"
        " and not relispartition"
    ).fetchall()
    rows = "select coalesce(array_agg(t::text order by t::text), '{{}}') from {} as t"
    return {name: connection.execute(rows.format(name)).fetchall()[0][0] for (name,) in names}


def feed(stack: Stack, after: int = 0) -> list[tuple[Any, ...]]:
    """Return the changes after a position."""
    return ask(stack, f"select {FEED} from media.changes({after}, 100000)")


def head(stack: Stack) -> int:
    """Return the newest position."""
    ((position,),) = ask(stack, "select last_position from media.change_feed_range")
    return int(position)


def refusal(stack: Stack, after: int) -> str | None:
    """Return the error that a cursor gets, and check that it says what to do."""
    with pytest.raises(psycopg.DatabaseError) as error:
        feed(stack, after)
    assert "go on from" in (error.value.diag.message_hint or "")
    return error.value.sqlstate


def ids(stack: Stack) -> set[tuple[str, int]]:
    """Return the ids that a consumer can have seen."""
    kinds = ("articles", "stories", "quotations")
    return {(kind, row[0]) for kind in kinds for row in ask(stack, f"select id from media.{kind}")}


def quote(connection: Connection) -> None:
    """Find that the articles stored last share a passage."""
    query = b"select id, version from rasid.articles order by id desc limit 2"
    places = [
        Place(article_id=int(str(one)), version=int(str(version)), start=0, end=3)
        for one, version in connection.execute(query).fetchall()
    ]
    quotations.link(connection, [], lambda _: quotations.Found([], [places]))


def save(connection: Connection, number: int) -> None:
    """Store an article and publish it."""
    item = stored(f"https://herald.example/more/{number}", f"نص {number}")
    results.save(connection, [item], 1)
    changes.publish(connection)


@contextmanager
def writing(stack: Stack) -> Iterator[None]:
    """Have articles stored all the time, as by a worker."""
    ended = threading.Event()

    def write() -> None:
        with connect(stack.database_url) as mine:
            number = 0
            while not ended.is_set():
                save(mine, number := number + 1)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        ended.set()
        writer.join()


@dataclass(frozen=True, slots=True)
class Moment:
    """What a database held when it was dumped: its rows, its feed, the events not in it yet."""

    rows: dict[str, list[str]]
    feed: list[tuple[Any, ...]]
    outbox: list[tuple[Any, ...]]


def dumped(stack: Stack, shell: dict[str, str], folder: Path) -> Moment:
    """Make a dump beside a writer, some of whose events wait to be published."""
    with writing(stack), psycopg.connect(stack.database_url) as publishing:
        eventually(lambda: head(stack) > 20)
        publishing.execute("select pg_advisory_lock(7216381540393)")  # others wait for it
        eventually(lambda: ask(stack, "select from rasid.outbox"))
        with psycopg.connect(stack.database_url) as moment:
            moment.execute("set transaction isolation level repeatable read")
            ((name,),) = moment.execute("select pg_export_snapshot()").fetchall()
            run(block("sh dump").strip() + f" --snapshot={name}\n", stack, shell, folder)
            outbox = "select kind, article_id, version from rasid.outbox order by id"
            return Moment(
                everything(moment),
                moment.execute(f"select {FEED} from media.changes(0, 100000)").fetchall(),
                moment.execute(outbox).fetchall(),
            )


def test_a_dump_restored(tmp_path: Path, shell: dict[str, str]) -> None:
    """A dump made while workers write holds each row of one moment, and Rasid goes on from it.

    Cursors of what it holds stay valid and miss nothing; those beyond it are refused, before and
    after the feed goes on, also when the same dump is restored again into the same server. Links
    and imports are where they were; a page that was on its way is fetched again.
    """
    with start(None, durable=False) as old, start(None, durable=False) as new:
        migrate.migrate(old.database_url)
        make.fill(old.database_url)
        tell(old, "create role newsroom login password 'secret' in role rasid_reader")
        on_its_way = "update rasid.links set last_fetched_at = now() where page_id = 'p1'"
        tell(old, on_its_way, "update rasid.imports set position = 500, finished_at = null")
        held = dumped(old, shell, tmp_path)
        with connect(old.database_url) as lost:
            due = links.take_due(lost, ["herald.example"], ["herald"], per_host=9)
            imports.advance(lost, FILE, ImportStep(900, 3, [], finished=True))
            save(lost, 0)
            quote(lost)
        shared, beyond = held.feed[-1][0], head(old)
        assert 0 < shared < beyond
        seen = ids(old)

        run(block("sh restore"), new, shell, tmp_path)
        with psycopg.connect(new.database_url) as restored:
            assert everything(restored) == held.rows
            restored.execute("set role newsroom")
            restored.execute("select * from media.articles limit 1")
        assert refusal(new, beyond) == "RC001"
        known = ids(new)
        store_at_once(new)
        jumped = {number for kind, number in ids(new) - known if kind == "articles"}
        assert max(jumped) - min(jumped) < 100
        with connect(new.database_url) as work:
            work.execute(block("sql after-restore").encode())
            again = links.take_due(work, ["herald.example"], ["herald"], per_host=9)
            assert imports.begin(work, FILE, again=False).position == 500
            assert changes.publish(work) >= len(held.outbox) + 8 > 8
            save(work, 5000)
            quote(work)
        assert {link.id for link in due} < {link.id for link in again}
        assert len(again) == len(due) + 1
        came = goes_on(new, held, beyond)
        told(new, shell, tmp_path, beyond, came)
        given = ids(new) - known
        assert {kind for kind, _ in given} == {"articles", "stories", "quotations"}
        assert given.isdisjoint(seen)

        tell(new, "drop schema media, rasid, rasid_migrations cascade")
        run(block("sh restore"), new, shell, tmp_path)
        with connect(new.database_url) as work:
            save(work, 7000)
            quote(work)
        assert (ids(new) - known).isdisjoint(seen | given)
        assert refusal(new, beyond) == refusal(new, came[-1][0]) == "RC003"
        assert goes_on(new, held, beyond)[0][0] > came[-1][0] + 1_000_000


def store_at_once(stack: Stack) -> None:
    """Have workers store articles at the same moment, before the feed has noticed anything."""

    def store(number: int) -> None:
        with connect(stack.database_url) as mine:
            results.save(mine, [stored(f"https://herald.example/new/{number}", f"خبر {number}")], 1)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(store, range(8)))


def goes_on(stack: Stack, held: Moment, beyond: int) -> list[tuple[Any, ...]]:
    """Check that the feed of a restored database tells each change once; return the new ones."""
    shared = held.feed[-1][0]
    assert refusal(stack, beyond) == refusal(stack, shared + 1) == "RC003"
    came = feed(stack, shared)
    assert [row[1:] for row in came[: len(held.outbox)]] == held.outbox
    assert [row[0] for row in came] == list(range(came[0][0], came[0][0] + len(came)))
    assert feed(stack) == held.feed + came
    timelines = ask(stack, "select follows, begins_after from media.feed_timelines order by 2")
    assert timelines == [(0, 0), (shared, came[0][0] - 1)]
    return came


def told(
    stack: Stack, shell: dict[str, str], folder: Path, beyond: int, came: list[tuple[Any, ...]]
) -> None:
    """Check that `rasid follow` says what to do about a lost cursor, and does it when asked."""
    (folder / "cursor").write_text(f"{beyond}\n")
    follow = "rasid follow --once --cursor-file cursor"
    refused = run(follow, stack, shell, folder, status=1)
    assert (refused.stdout, refused.stderr.count("\n")) == ("", 1)
    assert "is from before this database was restored" in refused.stderr
    assert "--rewind` does so" in refused.stderr
    lines = run(f"{follow} --rewind", stack, shell, folder).stdout.splitlines()
    assert [json.loads(line)["position"] for line in lines] == [row[0] for row in came]
    assert run(f"{follow} --rewind", stack, shell, folder).stdout == ""


def test_to_a_point_in_time(tmp_path: Path, shell: dict[str, str]) -> None:
    """A copy and the archived log bring back all as of a time; cursors beyond it are refused."""
    (tmp_path / "wal").mkdir()
    state = tmp_path / "state"
    (state / ".rasid").mkdir(parents=True)

    def local(command: str) -> str:
        return command.replace("/backup", str(tmp_path))

    with start(None, durable=False) as old:
        run(local(block("sh archive")), old, shell, tmp_path)
        os.kill(old.pids()["postgres"], signal.SIGINT)
        eventually(lambda: ask(old, "show archive_mode") == [("on",)])
        migrate.migrate(old.database_url)
        with connect(old.database_url) as work:
            save(work, 1)
            run(local(block("sh base")), old, shell, tmp_path)
            save(work, 2)
            with psycopg.connect(old.database_url) as moment:
                held = everything(moment)
            known = feed(old)
            ((at,),) = ask(old, "select clock_timestamp()::text")
            for number in range(3, 6):
                save(work, number)
        beyond, seen = head(old), ids(old)
        ((segment,),) = ask(old, "select pg_walfile_name(pg_switch_wal())")
        eventually((tmp_path / "wal" / segment).exists)

    recover = re.sub(r"(?<=recovery_target_time = ')[^']*", at, local(block("sh recover")))
    assert at in recover
    subprocess.run(["sh", "-ec", recover], cwd=state, check=True)
    with start(state / ".rasid", durable=False) as new:
        with psycopg.connect(new.database_url) as restored:
            assert everything(restored) == held
        assert migrate.migrate(new.database_url) == []
        assert refusal(new, beyond) == "RC001"
        kept = ids(new)
        with connect(new.database_url) as work:
            for number in range(10, 20):
                save(work, number)
        assert kept < seen
        assert (ids(new) - kept).isdisjoint(seen)
        assert refusal(new, beyond) == "RC003"
        shared = known[-1][0]
        came = feed(new, shared)
        assert feed(new) == known + came
        assert [row[1] for row in came] == ["created"] * 10
        ((base,),) = ask(new, "select max(begins_after) from media.feed_timelines")
        assert [row[0] for row in came] == list(range(base + 1, base + 11))


def test_a_standby_takes_over(tmp_path: Path, shell: dict[str, str]) -> None:
    """A standby that lagged is promoted: cursors of what it had go on, those beyond are refused.

    Nobody needs to connect anew; no position and no id that a consumer may have seen comes again.
    """
    state = tmp_path / "state"
    (state / ".rasid").mkdir(parents=True)
    copy = block("sh standby").replace("/standby", str(state / ".rasid" / "pg"))
    with start(None, durable=False) as old:
        migrate.migrate(old.database_url)
        run(copy, old, shell, tmp_path)
        with start(state / ".rasid", durable=False) as new, connect(new.database_url) as work:
            with connect(old.database_url) as before:
                for number in range(1, 4):
                    save(before, number)
                known, kept = feed(old), ids(old)
                eventually(lambda: feed(new) == known)
                with pytest.raises(TransientError):
                    save(work, 99)  # nothing can be written there yet
                # From now on nothing reaches it.
                tell(new, "alter system set primary_conninfo = ''", "select pg_reload_conf()")
                eventually(lambda: not ask(new, "select from pg_stat_wal_receiver"))
                for number in range(4, 8):
                    save(before, number)
            shared, beyond, seen = head(new), head(old), ids(old)
            assert 0 < shared == known[-1][0] < beyond
            os.kill(old.pids()["postgres"], signal.SIGKILL)

            run(block("sh promote"), new, shell, tmp_path)
            assert refusal(new, beyond) == "RC001"
            assert feed(new, shared) == []
            for number in range(10, 15):
                save(work, number)
            assert refusal(new, beyond) == refusal(new, shared + 1) == "RC003"
            came = feed(new, shared)
            assert feed(new) == known + came
            assert [row[1] for row in came] == ["created"] * 5
            assert came[0][0] > beyond + 1_000_000
            assert (ids(new) - kept).isdisjoint(seen)
