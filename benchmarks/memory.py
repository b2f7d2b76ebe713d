"""Memory of a worker over many pages: its main process and those that read, as they go.

    .venv/bin/python -m benchmarks.memory [--pages 20000] [--every 1000] [--processes 2]

Pages are published as fast as they are worked off, and each differs from all others. What is
printed is the resident memory in MB, and of the readers the largest.
"""

import argparse
import sys
import time
from itertools import islice

import psutil

from benchmarks import product
from benchmarks.pages import raw_pages
from services.queue import Queue
from services.shared.settings import MIB

#: So many wait at most.
WAITING = 200


def resident(worker: psutil.Process) -> tuple[float, float]:
    """Return the MB of the main process and of the largest of its children."""
    children = [child.memory_info().rss for child in worker.children()]
    return worker.memory_info().rss / MIB, max(children, default=0) / MIB


def main() -> None:
    """Print a line every so many pages, and at the end how much was added since the first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=20_000)
    parser.add_argument("--every", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    with product.servers() as (_, settings), product.worker(settings, given.processes) as pid:
        queue, worker = Queue(settings), psutil.Process(pid)
        pages = raw_pages(given.pages)
        published, told = 0, []
        print(f"{'pages':>8}{'main MB':>10}{'reader MB':>12}")
        while published < given.pages:
            chunk = list(islice(pages, given.every))
            for first in range(0, len(chunk), 50):
                while queue.depth().total > WAITING:
                    time.sleep(0.05)
                queue.publish(chunk[first : first + 50], "bulk")
            published += len(chunk)
            told.append(resident(worker))
            print(f"{published:8}{told[-1][0]:10.1f}{told[-1][1]:12.1f}", flush=True)
        while queue.depth().total:
            time.sleep(0.1)
    # At the first line the readers have seen few pages of each kind.
    half = [line for line in told[len(told) // 2 :] if all(line)]
    if not half:
        sys.exit("too few pages to tell")
    print(f"main process, last against middle   {half[-1][0] / half[0][0]:.3f}")
    print(f"largest reader, last against middle {half[-1][1] / half[0][1]:.3f}")


if __name__ == "__main__":
    main()
