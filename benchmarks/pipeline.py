"""Pages a second and CPU a page of the whole pipeline, against a bare loop of the same extraction.

    .venv/bin/python -m benchmarks.pipeline [--pages 600] [--processes 2]

Bare: so many forked processes read their share of the pages and keep nothing. Pipeline: the same
pages are published to Redis, taken, read by a real worker, and stored in Postgres with all that a
page leaves behind. Bare runs before and after, so that a machine that changes its pace shows.
CPU is user and system time of the processes named, however busy the machine is otherwise.
"""

import argparse
import multiprocessing
import os
import resource
import statistics
import time
from collections.abc import Sequence

import psutil

from benchmarks import product
from benchmarks.pages import raw_pages
from services.local import Stack
from services.queue import Queue
from services.shared import settings as settings_module
from services.shared.contracts import RawPage
from services.shared.settings import Settings
from services.storage import connect
from worker import extract, pipeline


def bare(pages: Sequence[RawPage], processes: int, limit: int) -> tuple[float, float]:
    """Return wall and CPU seconds of a plain loop over the pages."""

    def work(number: int) -> None:
        for page in pages[number::processes]:
            pipeline.read(page, limit)
        os._exit(0)

    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=work, args=(n,)) for n in range(processes)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.monotonic() - began, cpu


def cpu_of(pids: Sequence[int]) -> float:
    """Return CPU seconds of process trees, ended children included."""
    total = 0.0
    for pid in pids:
        for process in (p := psutil.Process(pid)), *p.children(recursive=True):
            times = process.cpu_times()
            total += times.user + times.system
            if process.pid == pid:
                total += times.children_user + times.children_system
    return total


def run_pipeline(
    pages: Sequence[RawPage], stack: Stack, settings: Settings, processes: int
) -> tuple[dict[str, float], float, float]:
    """Return CPU seconds by part, wall seconds of the working off, and Redis bytes a page."""
    pids = stack.pids()
    queue = Queue(settings)
    cpu = {"publish": 0.0}
    empty, began = queue.depth().used_bytes, time.process_time()
    for first in range(0, len(pages), 10):
        queue.publish(pages[first : first + 10], "bulk")
    cpu["publish"] = time.process_time() - began
    redis_bytes = (queue.depth().used_bytes - empty) / len(pages)
    servers = {"redis": [pids["broker"], pids["bodies"]], "postgres": [pids["postgres"]]}
    # It starts beside a queue that is full, and what its start costs is not counted.
    with product.worker(settings, processes) as worker:
        while True:
            start_cpu = cpu_of([worker])
            before = {name: cpu_of(found) for name, found in servers.items()}
            wall = time.monotonic()
            if queue.depth().total < len(pages):
                break
            time.sleep(0.02)
        while queue.depth().total:
            time.sleep(0.05)
        wall = time.monotonic() - wall
        cpu["worker"] = cpu_of([worker]) - start_cpu
        for name, found in servers.items():
            cpu[name] = cpu_of(found) - before[name]
    return cpu, wall, redis_bytes


def main() -> None:
    """Run both and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=600)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    pages = list(raw_pages(given.pages))
    extract.warm()
    limit = settings_module.load().max_body_bytes
    bare(pages[:20], given.processes, limit)
    runs = [bare(pages, given.processes, limit)]
    with product.servers() as (stack, settings):
        cpu, wall, redis_bytes = run_pipeline(pages, stack, settings, given.processes)
        with connect(stack.database_url) as connection:
            outcomes = connection.execute(
                b"select outcome, count(*) from rasid.raw_pages group by 1"
            ).fetchall()
    runs.append(bare(pages, given.processes, limit))
    report(given.pages, runs, cpu, wall, redis_bytes)
    print("outcomes:", ", ".join(f"{name} {count}" for name, count in outcomes))


def report(
    count: int,
    runs: Sequence[tuple[float, float]],
    cpu: dict[str, float],
    wall: float,
    redis_bytes: float,
) -> None:
    """Print what was measured, and the ratios."""
    bare_wall = statistics.mean(wall for wall, _ in runs)
    bare_cpu = statistics.mean(cpu for _, cpu in runs)
    print(f"{'':24}{'pages/s':>9}{'CPU ms/page':>13}")
    for number, (seconds, used) in enumerate(runs, 1):
        print(f"{f'bare loop, run {number}':24}{count / seconds:9.1f}{used / count * 1000:13.2f}")
    print(f"{'pipeline':24}{count / wall:9.1f}{sum(cpu.values()) / count * 1000:13.2f}")
    for name, used in cpu.items():
        print(f"{'  of which ' + name:33}{used / count * 1000:13.2f}")
    worker, queue = cpu["worker"], cpu["worker"] + cpu["redis"]
    print(f"bare / worker                          {bare_cpu / worker:.3f}")
    print(f"bare / worker and Redis                {bare_cpu / queue:.3f}")
    print(f"bare / worker, Redis and Postgres      {bare_cpu / (queue + cpu['postgres']):.3f}")
    print(f"bare / everything, publishing as well  {bare_cpu / sum(cpu.values()):.3f}")
    print(f"pages a second, pipeline / bare        {bare_wall / wall:.3f}")
    print(f"Redis memory a queued page             {redis_bytes / 1024:.1f} KiB")


if __name__ == "__main__":
    main()
