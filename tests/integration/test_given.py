"""What a worker gave to a process of its own is followed to its end, whatever comes between."""

import fcntl
import os
import signal
import stat
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
import redis

from services.cli.session import environment
from services.queue import Queue
from services.queue.broker import redis_url
from services.shared.settings import Settings
from tests.patience import PATIENCE_S, until

ROOT = Path(__file__).resolve().parents[2]
HANGS, LOCKS, WAITS = "f" * 32, "e" * 32, "d" * 32
#: A worker whose task writes down the ids it is given; some of them make it fail the first time.
PROGRAM = f"""
import ctypes
import os
import sys
import threading
import time

from billiard import current_process

from services.shared import settings
from worker import app, guards, tasks


def run(edges, lane, ids):
    first = not os.path.exists(f"{{sys.argv[1]}}-{{ids[0]}}")
    open(f"{{sys.argv[1]}}-{{ids[0]}}", "w").close()
    if ids == [{HANGS!r}] and first:
        ctypes.CDLL(None).pause()
    if ids == [{LOCKS!r}] and first:
        # Where a process stands that was killed while it looked whether its results were heard.
        current_process()._target.on_ready_counter.get_lock().__enter__()
        threading.Timer(0.5, os.kill, (os.getpid(), 9)).start()
    if ids[0].startswith({WAITS[0]!r}):
        while not os.path.exists(f"{{sys.argv[1]}}-go"):
            time.sleep(0.05)
    with open(sys.argv[1], "a") as done:
        print(*ids, file=done)


guards.LOOK_EVERY_S = 0.2
tasks.run = run
app.warm = lambda: None
app.main(settings.load())
"""


class Worker:
    """The program, and what it has done."""

    def __init__(self, settings: Settings, directory: Path, limit_s: float) -> None:
        self.queue = Queue(settings)
        self.broker = redis.Redis.from_url(redis_url(settings.redis_url or ""))
        self._done = directory / "done"
        self._done.touch()
        self.alive = directory / "alive"
        self.popen = subprocess.Popen(
            [sys.executable, "-P", "-c", PROGRAM, str(self._done)],
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                **environment(settings),
                "RASID_CONCURRENCY": "2",
                "RASID_TASK_TIME_LIMIT_S": str(limit_s),
                "RASID_ALIVE_FILE": str(self.alive),
            },
        )

    def done(self) -> list[str]:
        """Return the ids that were done."""
        return self._done.read_text("ascii").split()

    def until(self, ready: Callable[[], object]) -> None:
        """Wait; a worker that ended, or that hangs, fails the test."""
        until(lambda: self.popen.poll() is not None or ready())
        assert self.popen.poll() is None

    def go(self) -> None:
        """Let those that wait go on."""
        self._done.with_name("done-go").touch()

    def do(self, page_id: str) -> None:
        """Have a task done."""
        self.queue.send([page_id], "live")
        self.until(lambda: page_id in self.done() and not self.broker.hlen("unacked"))

    def give(self, page_id: str) -> list[psutil.Process]:
        """Return its processes, stopped; one has a task in its pipe that it has not seen."""
        children = self.children()
        for child in children:
            child.suspend()
        self.queue.send([page_id], "live")
        self.until(lambda: any(map(_has_to_read, children)))
        assert self.broker.hlen("unacked") == 1
        return children

    def children(self) -> list[psutil.Process]:
        """Return its processes."""
        return psutil.Process(self.popen.pid).children()

    def waiting(self) -> set[int]:
        """Return the connections on which it waits for messages."""
        return {int(each["id"]) for each in self.broker.client_list() if each["cmd"] == "brpop"}


def _has_to_read(process: psutil.Process) -> bool:
    """Return whether something lies in a pipe of which a process holds the end to read."""
    for file in Path(f"/proc/{process.pid}/fd").iterdir():
        if str(file.readlink()).startswith("pipe:") and file.lstat().st_mode & stat.S_IRUSR:
            pipe = os.open(file, os.O_RDONLY | os.O_NONBLOCK)
            try:
                found = fcntl.ioctl(pipe, termios.FIONREAD, bytes(4))
            finally:
                os.close(pipe)
            if any(found):
                return True
    return False


@pytest.fixture
def start(settings: Settings, tmp_path: Path) -> Iterator[Callable[[float], Worker]]:
    """Start a worker, with a limit of seconds for its tasks."""
    with ExitStack() as stack:

        def started(limit_s: float) -> Worker:
            made = Worker(settings, tmp_path, limit_s)
            stack.callback(made.broker.close)
            stack.callback(made.popen.wait)
            stack.callback(made.popen.kill)
            made.until(made.alive.exists)
            return made

        yield started


def test_what_a_process_was_given_is_followed(start: Callable[[float], Worker]) -> None:
    """A task in a process' pipe keeps its time limit when the broker is lost."""
    worker = start(2)
    worker.do("0" * 32)
    children = worker.give(HANGS)
    before = worker.waiting()
    for client in before:
        worker.broker.client_kill_filter(_id=str(client))
    worker.until(lambda: worker.waiting() - before)
    for child in children:
        child.resume()
    worker.until(lambda: set(worker.children()) - set(children))
    worker.do("1" * 32)


def test_what_a_process_was_given_is_ended_with(start: Callable[[float], Worker]) -> None:
    """A worker that is told to stop hears of a task in a process' pipe, and leaves none behind."""
    worker = start(60)
    worker.do("0" * 32)
    children = worker.give("2" * 32)
    worker.popen.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    for child in children:
        child.resume()
    assert worker.popen.wait(PATIENCE_S) == 0
    assert worker.done()[-1] == "2" * 32
    assert not worker.broker.hlen("unacked")
    assert not worker.queue.messages()


def test_a_process_killed_anywhere_holds_nothing_up(start: Callable[[float], Worker]) -> None:
    """A process that dies at the worst place, while its results are counted, stops no other."""
    worker = start(60)
    children = worker.children()
    worker.do(LOCKS)
    worker.until(lambda: set(worker.children()) - set(children))
    worker.do("1" * 32)


def test_lost_credit_comes_back(start: Callable[[float], Worker]) -> None:
    """A worker whose tasks end while the broker does not answer has all its credit again."""
    worker = start(12)  # it waits two seconds for an answer
    ids = [WAITS, WAITS[1:] + "0"]
    for page_id in ids:
        worker.queue.send([page_id], "live")
    worker.until(lambda: worker.broker.hlen("unacked") == len(ids))
    worker.broker.client_pause(3000, all=True)
    worker.go()
    worker.until(lambda: set(ids) <= set(worker.done()))
    worker.until(lambda: not worker.broker.hlen("unacked") and not worker.queue.messages())
    worker.do("1" * 32)


#: A pool that has its event loop anew while a process of its ends, and is not gone yet.
ENDING = """
import os

from kombu.asynchronous import Hub

from worker.pool import Processes

hub, pool = Hub(), Processes(1, threads=False)
pool.register_with_event_loop(hub)
(child,) = pool._pool
pool._untrack_child_process(child, hub)
hub.reset()
pool.register_with_event_loop(hub)
os.kill(child.pid, 9)
while child in pool._pool:
    hub.run_once()
os._exit(7)
"""


def test_a_process_ends_while_the_broker_is_lost() -> None:
    """A process that ends just as the worker connects anew does not end the worker, but is seen."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run([sys.executable, "-P", "-c", ENDING], env=environment, check=False)
    assert ended.returncode == 7
