"""What a replay costs what is new: pages a second and time to be stored, with and without one.

    PYTHONPATH=. .venv/bin/python -m benchmarks.replay [--rounds 5] [--burst 100] [--single 40]

One real worker of two processes on embedded servers. Each round does the same twice, without and
with a full replay beside it: `burst` new pages at once, how long until the last is stored; then
`single` new pages one after the other, how long each takes from its publication until it is stored.
The rounds take turns, so that a machine that changes its pace shows. Ratios are of medians.
"""

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from itertools import islice
from pathlib import Path

from benchmarks.pages import ROOT, raw_pages
from services.cli.session import environment
from services.local import start
from services.queue import Queue
from services.shared import settings as settings_module
from services.shared.contracts import RawPage
from services.storage import connect, replays
from services.storage.migrate import migrate

STORED = 400
PAUSE_S = 0.05


@contextmanager
def beside(environ: Mapping[str, str], queue: Queue) -> Iterator[None]:
    """Have all that is stored read again, over and over, for the time of the block."""
    command = [sys.executable, "-P", "-m", "services.cli", "replay", "--all", "--yes"]
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            with subprocess.Popen(
                command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            ) as process:
                while process.poll() is None and not stop.wait(0.1):
                    pass
                process.terminate()

    thread = threading.Thread(target=run)
    thread.start()
    while not queue.depth().pages["replay"]:
        time.sleep(0.05)
    try:
        yield
    finally:
        stop.set()
        thread.join()
        wait_until_empty(queue, "replay")


def wait_until_empty(queue: Queue, lane: str) -> None:
    """Return when no page of a lane is pending."""
    while queue.depth().pages[lane]:  # type: ignore[index]
        time.sleep(0.002)


def measure(queue: Queue, pages: Iterator[RawPage], burst: int, single: int) -> tuple[float, float]:
    """Return pages a second of a burst, and the median seconds of pages that come one by one."""
    many = list(islice(pages, burst))
    began = time.monotonic()
    for first in range(0, len(many), 10):
        queue.publish(many[first : first + 10], "live")
    wait_until_empty(queue, "live")
    rate = burst / (time.monotonic() - began)
    times = []
    for page in islice(pages, single):
        began = time.monotonic()
        queue.publish([page], "live")
        wait_until_empty(queue, "live")
        times.append(time.monotonic() - began)
        time.sleep(PAUSE_S)
    return rate, statistics.median(times)


def main() -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--burst", type=int, default=100)
    parser.add_argument("--single", type=int, default=40)
    given = parser.parse_args()
    total = STORED + 20 + 2 * given.rounds * (given.burst + given.single)
    # Each of an address of its own, so that each is new.
    pages = (
        replace(page, requested_url=f"https://new.example/{number}", final_url=None)
        for number, page in enumerate(raw_pages(total))
    )
    with (
        tempfile.TemporaryDirectory(prefix="rasid-benchmark-") as state,
        start(Path(state)) as stack,
    ):
        migrate(stack.database_url)
        settings = settings_module.load(
            database_url=stack.database_url,
            redis_url=stack.redis_url,
            redis_bodies_url=stack.redis_bodies_url,
        )
        queue = Queue(settings)
        environ = {
            **os.environ,
            **environment(settings),
            "LOG_LEVEL": "WARNING",
            "PYTHONPATH": str(ROOT),
            "RASID_CONCURRENCY": "2",
        }
        command = [sys.executable, "-P", "-m", "services.cli", "worker"]
        worker = subprocess.Popen(command, env=environ)
        try:
            measure(queue, pages, STORED, 20)
            found: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
            for number in range(given.rounds):
                for full in (False, True) if number % 2 == 0 else (True, False):
                    with beside(environ, queue) if full else nullcontext():
                        found[full].append(measure(queue, pages, given.burst, given.single))
        finally:
            worker.send_signal(signal.SIGTERM)
            worker.wait(60)
        with connect(stack.database_url) as connection:
            outcomes = connection.execute(
                b"select outcome, count(*) from rasid.raw_pages group by 1"
            ).fetchall()
            replayed = sum(r.pages_count - r.left_count for r in replays.listing(connection))
    report(found, replayed, dict(outcomes))  # type: ignore[arg-type]


def report(
    found: dict[bool, list[tuple[float, float]]], replayed: int, outcomes: dict[str, int]
) -> None:
    """Print what was measured, and the ratios."""
    print(f"{'':22}{'pages/s, burst':>16}{'ms, one by one':>16}")
    medians = {}
    for full, rounds in found.items():
        rate = statistics.median(rate for rate, _ in rounds)
        wait = statistics.median(wait for _, wait in rounds)
        medians[full] = rate, wait
        name = "beside a replay" if full else "alone"
        print(f"{name:22}{rate:16.1f}{wait * 1000:16.1f}")
        for number, (one, other) in enumerate(rounds, 1):
            print(f"{f'  round {number}':22}{one:16.1f}{other * 1000:16.1f}")
    print(f"pages a second, beside / alone   {medians[True][0] / medians[False][0]:.3f}")
    print(f"time of a page, beside / alone   {medians[True][1] / medians[False][1]:.3f}")
    print(f"pages read again meanwhile       {replayed}")
    print("outcomes:", ", ".join(f"{name} {count}" for name, count in outcomes.items()))


if __name__ == "__main__":
    main()
