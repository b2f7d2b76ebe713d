"""`rasid follow` as consumers run it: killed, restarted, its command failing, Postgres away."""

import json
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

import pytest

from services.local import Stack, start
from services.shared import urls
from services.shared.contracts import Article, Event
from services.shared.errors import TransientError
from services.storage import changes, connect, results
from services.storage.migrate import migrate
from tests.acceptance.conftest import Product, retry
from tests.acceptance.test_commands import lines, rasid
from tests.factories import stored
from tests.patience import PATIENCE_S, until
from tests.roles import let_in

ROOT = Path(__file__).resolve().parents[2]
EVENTS = 3000
#: Appends a whole batch or nothing, and fails now and then.
CONSUMER = """
import fcntl, os, random, sys
batch = sys.stdin.buffer.read()
if random.random() < 0.1:
    sys.exit(3)
with open(sys.argv[1], "ab", buffering=0) as out:
    fcntl.flock(out, fcntl.LOCK_EX)
    out.write(batch)
"""


@pytest.fixture
def stack() -> Iterator[Stack]:
    """Servers for this test alone, because it kills them."""
    with start(None, durable=True) as running:
        migrate(running.database_url)
        let_in(running.database_url)
        yield running


def reader_url(stack: Stack) -> str:
    """The address for a role that may do no more than rasid_reader."""
    with connect(stack.database_url) as connection:
        connection.execute(b"create role newsroom login in role rasid_reader")
    return f"{stack.database_url}&{urlencode({'user': 'newsroom'})}"


def write_events(stack: Stack, count: int) -> None:
    """Commit and publish events in small transactions, whatever becomes of Postgres."""
    done = 0
    while done < count:
        with suppress(TransientError), connect(stack.database_url) as connection:
            while done < count:
                with connection.transaction():
                    changes.emit(connection, [Event(kind="updated", article_id=done + 1)] * 3)
                done += 3
                changes.publish(connection)
                time.sleep(0.002)
        time.sleep(0.05)


def positions(output: bytes) -> list[int]:
    """Positions of whole lines: what was cut off by a kill is no line."""
    return [json.loads(line)["position"] for line in output.splitlines(True) if line[-1:] == b"\n"]


def without_repeats(found: list[int]) -> list[int]:
    """What a consumer keeps that drops positions it has had."""
    kept: list[int] = []
    for position in found:
        if not kept or position > kept[-1]:
            kept.append(position)
    return kept


@pytest.mark.slow
@pytest.mark.parametrize("way", ["exec", "stdout"])
def test_killed_and_resumed(stack: Stack, tmp_path: Path, way: str) -> None:
    """Killed with -9 again and again, it delivers every change, and in order but for repeats."""
    out, consumer = tmp_path / "out.jsonl", tmp_path / "consumer.py"
    consumer.write_text(CONSUMER)
    taker = f"{sys.executable} {consumer} {out}"
    arguments = ["follow", "--cursor-file", str(tmp_path / "cursor"), "--batch", "40"]
    arguments += ["--exec", taker] if way == "exec" else []
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "DATABASE_URL": reader_url(stack),
        "REDIS_URL": stack.redis_url,
    }
    writer = threading.Thread(target=write_events, args=(stack, EVENTS))
    writer.start()
    collected = b""
    for _ in range(6):
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "services.cli", *arguments],
            env=env,
            stdout=subprocess.PIPE,
        )
        time.sleep(random.uniform(0.8, 2.5))
        process.kill()
        printed, _ = process.communicate()
        collected += printed[: printed.rfind(b"\n") + 1]
    writer.join()
    while True:  # its command may fail; then --once says so
        last = rasid(*arguments, "--once", env=env)
        collected += last.stdout
        if last.returncode == 0:
            break
        assert b"ended with status 3" in last.stderr

    found = positions(out.read_bytes() if way == "exec" else collected)
    assert without_repeats(found) == list(range(1, EVENTS + 1))


def test_postgres_goes_away(stack: Stack, tmp_path: Path) -> None:
    """It waits for Postgres, goes on where it was, and ends in order when it is asked to."""
    env = {**os.environ, "DATABASE_URL": reader_url(stack), "REDIS_URL": stack.redis_url}
    out = tmp_path / "out.jsonl"
    with out.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "services.cli", "follow", "--full"],
            env={**env, "PYTHONPATH": str(ROOT)},
            stdout=file,
        )
    write_events(stack, 30)
    wait_for(out, 30)
    os.kill(stack.pids()["postgres"], signal.SIGKILL)
    write_events(stack, 30)
    wait_for(out, 60)
    process.terminate()

    assert process.wait(PATIENCE_S) == 0
    assert positions(out.read_bytes()) == list(range(1, 61))
    assert all(line["article"] is None for line in lines(out.read_bytes()))


def test_what_it_refuses(stack: Stack, tmp_path: Path) -> None:
    """A cursor ahead of the feed, a broken one, one in use and a strange name are told."""
    env = {"DATABASE_URL": reader_url(stack), "REDIS_URL": stack.redis_url}
    cursor = tmp_path / "cursor"

    def refused(text: str, *arguments: str) -> bytes:
        cursor.write_text(text)
        ended = rasid("follow", "--once", *arguments, env=env)
        assert (ended.returncode, ended.stdout) == (1, b"")
        return ended.stderr

    file = ("--cursor-file", str(cursor))
    assert b"cursor 7 is ahead of the change feed, which ends at position 0" in refused("7", *file)
    assert b"holds no position: 'seven'" in refused("seven", *file)
    assert b"is no name" in refused("", "--name", "../x")
    for where in ("yesterday", "²", "9" * 30):
        assert b"--from is start, now or a position" in refused("", "--from", where)
    assert b"holds no position" in refused("9" * 30, *file)
    cursor.unlink()
    assert rasid("follow", "--once", *file, "--from", "now", env=env).returncode == 0
    assert cursor.read_text() == "0\n"


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk(stack: Stack, tmp_path: Path, unbuffered: str) -> None:
    """What could not be written comes again, and the line that was cut off spoils no other."""
    write_events(stack, 30)
    out = tmp_path / "out.jsonl"
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": unbuffered}
    env |= {"DATABASE_URL": reader_url(stack), "REDIS_URL": stack.redis_url}
    arguments = ["--once", "--batch", "5", "--cursor-file", str(tmp_path / "cursor")]

    def follow(most_bytes: int) -> tuple[int, bytes]:
        limit = resource.RLIMIT_FSIZE, (most_bytes, most_bytes)
        with out.open("ab") as file:
            ended = subprocess.run(
                [sys.executable, "-P", "-m", "services.cli", "follow", *arguments],
                env=env,
                stdout=file,
                stderr=subprocess.PIPE,
                check=False,
                preexec_fn=lambda: resource.setrlimit(*limit),
            )
        return ended.returncode, ended.stderr

    assert follow(2000) == (1, b"rasid: cannot write the changes: File too large\n")
    assert follow(2**30) == (0, b"")

    found = []
    for line in out.read_bytes().splitlines():
        with suppress(ValueError):
            found.append(json.loads(line)["position"])
    assert without_repeats(found) == list(range(1, 31))


def wait_for(path: Path, count: int) -> None:
    """Return when the file has so many lines."""
    until(lambda: path.read_bytes().count(b"\n") >= count, lambda: path.read_bytes()[-2000:])


def test_withdrawn_by_hand(stack: Stack) -> None:
    """`rasid articles withdraw` shows what it would do, does it, and the feed and trace tell."""
    env = {
        "DATABASE_URL": stack.database_url,
        "REDIS_URL": stack.redis_url,
        "REDIS_BODIES_URL": stack.redis_bodies_url,
    }
    item = stored("https://a.example/1", "text")
    assert isinstance(item.result, Article)
    result = replace(item.result, normalized_url=urls.key("https://a.example/1"))
    with connect(stack.database_url) as connection:
        results.save(connection, [replace(item, result=result)], 1)
    withdraw = ("articles", "withdraw", "https://a.example/1", "--reason", "retracted")

    assert b"1 articles would be withdrawn." in rasid(*withdraw, "--dry-run", env=env).stdout
    assert b'"withdrawn_at": null' in rasid("articles", "--json", env=env).stdout
    assert b"1 articles withdrawn." in rasid(*withdraw, env=env).stdout
    assert b"0 articles withdrawn." in rasid(*withdraw, env=env).stdout
    assert b"withdrawn (retracted) at" in rasid("trace", "https://a.example/1", env=env).stdout
    assert b"1 articles restored." in rasid("articles", "restore", "1", env=env).stdout
    assert b"no article 7" in rasid("articles", "restore", "7", env=env).stderr
    kinds = [line["kind"] for line in lines(rasid("follow", "--once", env=env).stdout)]
    assert kinds == ["created", "withdrawn", "restored"]
    status = json.loads(rasid("status", "--json", env=env).stdout)
    assert status["change_feed"]["last_position"] == 3
    assert status["change_feed"]["unpublished"] == 0


def test_reconciler_publishes(product: Product) -> None:
    """What a killed writer left unpublished gets its position, also after Postgres was killed."""
    product.spawn("reconcile", "-m", "services.cli", "reconcile")
    url = product.settings.database_url or ""
    for position in (1, 2):
        with connect(url) as connection:
            changes.emit(connection, [Event(kind="updated", article_id=position)])
        told = f"select position from media.change_feed where position = {position}"
        until(
            partial(product.count, told), partial(product.stack.log("reconcile").read_text, "utf-8")
        )
        os.kill(product.stack.pids()["postgres"], signal.SIGKILL)
        retry(lambda: connect(url).close())
