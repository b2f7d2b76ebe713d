"""How soon a consumer hears of a change, how much the feed takes, and what it costs a writer.

    .venv/bin/python -m benchmarks.changes [--writers 8] [--seconds 60] [--held 60] [--rounds 12]

Lag: from the return of a writer's commit to the reader's having the change, by `media.changes` and
the notification. Held: the same while a transaction that has told of a change stays open, and while
another holds a snapshot, which keeps the outbox from being vacuumed. Cost: the same chunks saved
with and without publishing, in turns. CPU is that of all of Postgres.
"""

import argparse
import multiprocessing
import os
import random
import statistics
import threading
import time
from collections.abc import Sequence
from multiprocessing.queues import SimpleQueue
from typing import Any

import psutil

from benchmarks import product
from services.local import Stack
from services.shared.contracts import Event
from services.storage import Connection, change_feed, changes, connect, results
from services.storage.rows import Processed
from tests.factories import stored

FORK = multiprocessing.get_context("fork")
#: Article ids of the events are running numbers here, a range for each writer.
RANGE = 10_000_000
Times = dict[int, float]


def write(url: str, number: int, end: float, rate: float, told: "SimpleQueue[Any]") -> None:
    """Commit chunks of ten events about so often a second, publish after each; tell when."""
    committed: Times = {}
    chance, event = random.Random(number), number * RANGE
    with connect(url) as connection:
        while time.time() < end:
            with connection.transaction():
                ids = range(event, event := event + 10)
                changes.emit(connection, [Event(kind="updated", article_id=n) for n in ids])
                time.sleep(chance.random() ** 6 / 4)
            now = time.time()
            committed |= dict.fromkeys(ids, now)
            changes.publish(connection)
            time.sleep(chance.expovariate(rate))
    told.put(committed)


def read(url: str, ready: Any, stop: Any, told: "SimpleQueue[Any]") -> None:
    """Follow the feed until told to stop and nothing is left; tell when each change was had."""
    reader = change_feed.Reader(url)
    _, position = reader.reach()
    had: Times = {}
    gaps = 0
    ready.set()
    while True:
        last = stop.is_set()
        batch = reader.read(position, 1000)
        now = time.time()
        for change in batch:
            gaps += change["position"] != position + 1
            position = change["position"]
            had[change["article_id"]] = now
        if not batch:
            if last:
                break
            reader.wait(1.0)
    told.put((had, gaps))


def lag(url: str, writers: int, seconds: float, rate: float) -> tuple[Times, Times, int]:
    """Return when each event was committed, when it was read, and how many gaps there were."""
    ready, stop = FORK.Event(), FORK.Event()
    read_at: SimpleQueue[Any] = FORK.SimpleQueue()
    written_at: SimpleQueue[Any] = FORK.SimpleQueue()
    reader = FORK.Process(target=read, args=(url, ready, stop, read_at))
    reader.start()
    ready.wait()
    end = time.time() + seconds
    processes = [
        FORK.Process(target=write, args=(url, n, end, rate, written_at)) for n in range(writers)
    ]
    for process in processes:
        process.start()
    committed: Times = {}
    for _ in processes:
        committed |= written_at.get()
    stop.set()
    had, gaps = read_at.get()
    for process in (*processes, reader):
        process.join()
    return committed, had, gaps


def report(title: str, committed: Times, had: Times, gaps: int, seconds: float) -> None:
    """Print lags in milliseconds, and what is missing."""
    lags = sorted((had[n] - at) * 1000 for n, at in committed.items() if n in had)
    cuts = statistics.quantiles(lags, n=100)
    print(
        f"{title:44} p50 {cuts[49]:7.1f}  p95 {cuts[94]:7.1f}  p99 {cuts[98]:7.1f}  "
        f"max {lags[-1]:7.1f} ms; {len(committed) / seconds:5.0f} events/s, "
        f"missing {len(committed.keys() - had.keys())}, gaps {gaps}"
    )


def held(url: str, writers: int, seconds: float, rate: float) -> None:
    """Measure beside a writer and a snapshot that stay open all the time."""
    with connect(url) as late, connect(url) as snapshot:
        snapshot.execute(b"begin isolation level repeatable read")
        snapshot.execute(b"select count(*) from rasid.outbox")
        with late.transaction():
            changes.emit(late, [Event(kind="updated", article_id=-1)])
            committed, had, gaps = lag(url, writers, seconds, rate)
            report(f"a transaction held open for {seconds:.0f} s", committed, had, gaps, seconds)
            cost = one_publication(url)
        print(f"  one publication at its end {cost:.2f} ms")
        cost = one_publication(url)
        print(f"  and after it, the snapshot still open {cost:.2f} ms")
    with connect(url) as connection:
        changes.publish(connection)
        late_one = connection.execute(
            b"select count(*) from media.change_feed where article_id = -1"
        ).fetchone()
    print(f"  the late change is there {late_one and late_one[0]} times")


def one_publication(url: str) -> float:
    """Return the milliseconds of the median publication of ten events."""
    took = []
    with connect(url) as connection:
        for _ in range(200):
            with connection.transaction():
                events = [Event(kind="updated", article_id=-2) for _ in range(10)]
                changes.emit(connection, events)
            began = time.perf_counter()
            changes.publish(connection)
            took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)


def throughput(url: str, count: int = 200_000) -> None:
    """Print events a second for a backlog: publishing, reading, pruning."""
    with connect(url) as connection:
        for first in range(0, count, 10_000):
            with connection.transaction():
                ids = range(first, first + 10_000)
                changes.emit(connection, [Event(kind="updated", article_id=n) for n in ids])
        began = time.perf_counter()
        changes.publish(connection)
        published = time.perf_counter() - began
        reader = change_feed.Reader(url)
        _, last = reader.reach()
        position, began = last - count, time.perf_counter()
        while batch := reader.read(position, 1000):
            position = batch[-1]["position"]
        had = time.perf_counter() - began
        reader.close()
        size = connection.execute(
            b"select pg_total_relation_size('rasid.changes') / (select count(*) from rasid.changes)"
        ).fetchone()
        began = time.perf_counter()
        while prune(connection):
            pass
        pruned = time.perf_counter() - began
    print(
        f"backlog of {count}: published {count / published:.0f}/s, read {count / had:.0f}/s, "
        f"pruned {last / pruned:.0f}/s; {size and size[0]} bytes a change"
    )


def prune(connection: Connection) -> int:
    """Forget the oldest changes; return how many."""
    row = connection.execute(b"select rasid.prune_changes(now())").fetchone()
    return int(str(row[0])) if row else 0


def chunk(number: int) -> list[Processed]:
    """Ten new articles of some 300 words."""
    chance = random.Random(number)
    return [
        stored(
            f"https://example.org/{number}/{n}",
            " ".join(f"{chance.getrandbits(40):x}" for _ in range(300)),
        )
        for n in range(10)
    ]


def cost(stack: Stack, url: str, rounds: int, chunks: int = 40) -> None:
    """Print what publishing adds to saving a chunk, each round of both in turns."""
    found: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    postgres = stack.pids()["postgres"]
    number = 0
    with connect(url) as connection:
        for turn in range(rounds * 2):
            publishing = turn % 2 == (turn // 2) % 2
            items = [chunk(number := number + 1) for _ in range(chunks)]
            cpu, began = cpu_of(postgres), time.perf_counter()
            for item in items:
                results.save(connection, item, 1)
                if publishing:
                    changes.publish(connection)
            wall = time.perf_counter() - began
            found[publishing].append(
                (wall / chunks * 1000, (cpu_of(postgres) - cpu) / chunks * 1000)
            )
            changes.publish(connection)
    for publishing, rows in found.items():
        wall, cpu = (statistics.median(column) for column in zip(*rows, strict=True))
        name = "saved and published" if publishing else "saved"
        print(f"chunk of 10 articles {name:20} {wall:6.2f} ms, Postgres CPU {cpu:6.2f} ms")


def cpu_of(pid: int) -> float:
    """Return CPU seconds of a process tree, ended children included."""
    total = 0.0
    for process in (main := psutil.Process(pid), *main.children(recursive=True)):
        times = process.cpu_times()
        total += times.user + times.system
        if process.pid == pid:
            total += times.children_user + times.children_system
    return total


def main(arguments: Sequence[str] | None = None) -> None:
    """Run all parts on servers that keep what they promise to keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--writers", type=int, default=8)
    parser.add_argument("--rate", type=float, default=2.0, help="chunks a second of each writer")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rounds", type=int, default=12, help="of saving, each with and without")
    parser.add_argument("--held", type=float, default=60)
    given = parser.parse_args(arguments)
    with product.servers() as (stack, _):
        url = stack.database_url
        cost(stack, url, given.rounds)
        stop = threading.Event()
        reconciler = threading.Thread(target=tick, args=(url, stop))
        reconciler.start()
        found = lag(url, given.writers, given.seconds, given.rate)
        report(f"{given.writers} writers, nothing held", *found, given.seconds)
        print(f"  one publication {one_publication(url):.2f} ms")
        held(url, given.writers, given.held, given.rate)
        stop.set()
        reconciler.join()
        throughput(url)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")


def tick(url: str, stop: threading.Event) -> None:
    """Publish every second, as the reconciler does."""
    with connect(url) as connection:
        while not stop.wait(1):
            changes.publish(connection)


if __name__ == "__main__":
    main()
