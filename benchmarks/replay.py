"""What a replay costs what is new: pages a second and time to be stored, with and without one.

    PYTHONPATH=. .venv/bin/python -m benchmarks.replay [--rounds 5] [--burst 400] [--single 40]

One real worker of two processes on embedded servers. Each round does the same twice, without and
with a full replay beside it: `burst` new pages at once, how long until the last is stored; then
`single` new pages one after the other, how long each takes from its publication until it is stored.
The rounds take turns, so that a machine that changes its pace shows; both are given the same pages,
but for a word. Ratios are medians of the rounds' own.
"""

import argparse
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from itertools import islice

from benchmarks import product
from benchmarks.pages import raw_pages
from services.queue import Queue
from services.shared.contracts import RawPage
from services.shared.settings import Settings
from services.storage import connect, replays

STORED = 400
PAUSE_S = 0.05
#: (pages a second of a burst, median seconds of a page that comes alone)
Measured = tuple[float, float]


@contextmanager
def beside(settings: Settings, queue: Queue) -> Iterator[None]:
    """Have all that is stored read again, over and over, for the time of the block."""
    command, environ = product.command("replay", "--all", "--yes"), product.environ(settings)
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


def measure(queue: Queue, pages: Iterator[RawPage], burst: int, single: int) -> Measured:
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
    parser.add_argument("--burst", type=int, default=400)
    parser.add_argument("--single", type=int, default=40)
    given = parser.parse_args()
    each = given.burst + given.single
    with product.servers() as (stack, settings), product.worker(settings, 2):
        queue = Queue(settings)
        measure(queue, raw_pages(STORED + 20, "stored"), STORED, 20)
        found: dict[bool, list[Measured]] = {False: [], True: []}
        kinds = {False: raw_pages(given.rounds * each, "alone")}
        kinds[True] = raw_pages(given.rounds * each, "beside")
        for number in range(given.rounds):
            for full in (False, True) if number % 2 == 0 else (True, False):
                with beside(settings, queue) if full else nullcontext():
                    found[full].append(measure(queue, kinds[full], given.burst, given.single))
        with connect(stack.database_url) as connection:
            outcomes = connection.execute(
                b"select outcome, count(*) from rasid.raw_pages group by 1"
            ).fetchall()
            replayed = sum(r.pages_count - r.left_count for r in replays.listing(connection))
    report(found, replayed, dict(outcomes))  # type: ignore[arg-type]


def report(found: dict[bool, list[Measured]], replayed: int, outcomes: dict[str, int]) -> None:
    """Print what was measured, and the ratios."""
    print(f"{'':8}{'pages/s, burst':>32}{'ms, one by one':>32}")
    print(f"{'round':8}" + 2 * f"{'alone':>12}{'beside':>10}{'ratio':>10}")
    ratios = []
    for number, (alone, beside) in enumerate(zip(found[False], found[True], strict=True), 1):
        rate, wait = beside[0] / alone[0], beside[1] / alone[1]
        ratios.append((rate, wait))
        rates = f"{alone[0]:12.1f}{beside[0]:10.1f}{rate:10.3f}"
        print(f"{number:<8}{rates}{alone[1] * 1000:12.1f}{beside[1] * 1000:10.1f}{wait:10.3f}")
    print(f"pages a second, beside / alone   {statistics.median(r for r, _ in ratios):.3f}")
    print(f"time of a page, beside / alone   {statistics.median(w for _, w in ratios):.3f}")
    print(f"pages read again meanwhile       {replayed}")
    print("outcomes:", ", ".join(f"{name} {count}" for name, count in outcomes.items()))


if __name__ == "__main__":
    main()
