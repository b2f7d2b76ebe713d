"""Servers in; the product's processes on them out, kept running, and watched while pages flow."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal, TypeVar, cast

import psutil
import psycopg

from services.local import processes
from services.local.processes import Command
from services.queue import BODY, Queue
from services.queue.bodies import pack
from services.shared import settings as settings_module
from services.shared.contracts import RawPage
from services.shared.errors import RasidError
from tests.faults import clock as clock_module
from tests.faults.servers import Servers

ROOT = Path(__file__).resolve().parents[2]
WORKER = ROOT / "tests/acceptance/worker_program.py"
#: As in production, only faster: what is lost is found again within seconds.
QUICK = {
    "RASID_REQUEUE_AFTER_S": "5",
    "RASID_RECONCILE_EVERY_S": "0.5",
    "RASID_TASK_TIME_LIMIT_S": "4",
    "RASID_PAGE_TIME_LIMIT_S": "1",
    "RASID_PAGE_MEMORY_LIMIT_MB": "300",
    "RASID_CONCURRENCY": "2",
    "RASID_CRAWL_LEASE_S": "4",
    "RASID_PUBLIC_ADDRESSES_ONLY": "false",
    "RASID_LOG_FORMAT": "json",
    "OMP_NUM_THREADS": "1",
}
#: What stands for `restart: always`: seconds until a process that ended is started again.
RESTART_S = 0.5
TICK_S = 0.05
#: Longer than a worker's own patience with a task that hangs.
STOPPED_WITHIN_S = 60.0

#: What is counted: pages that are done, links that are fetched, files of the newest importer.
Flow = Literal["pages", "links", "imports"]
COUNTS = b"""
select (select count(*) from rasid.raw_pages),
    (select count(*) from rasid.links where state = 'fetched'),
    (select count(*) from rasid.imports where finished_at is not null
        and path like %s::text || '/%%')
"""
#: Whoever was started has begun after so long, also where the machine does much else.
BEGUN_WITHIN_S = 180.0

T = TypeVar("T")


class Helper:
    """A program of ours that speaks in lines of JSON and ends with its input."""

    def __init__(self, module: str, argument: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, argument],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        self._input = cast("IO[bytes]", self._process.stdin)
        self._output = cast("IO[bytes]", self._process.stdout)

    def say(self, **order: Any) -> None:
        """Send a line."""
        self._input.write(json.dumps(order).encode() + b"\n")
        self._input.flush()

    def hear(self) -> Any:
        """Return the next line."""
        return json.loads(self._output.readline())

    def close(self) -> None:
        """End it."""
        with contextlib.suppress(BrokenPipeError):
            self._input.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._output.close()


@dataclass(slots=True)
class Running:
    """A process of the product."""

    command: Command
    popen: "subprocess.Popen[bytes]"
    #: Whether it may end by itself, with 0: all others run until they are told.
    ends: bool = False
    #: When to start it again, and whether at all.
    again_at: float | None = None
    starts: int = 1
    is_done: bool = False
    codes: list[int] = field(default_factory=list)


class Product:
    """The processes of one run, on a database of its own."""

    def __init__(
        self, servers: Servers, proxy: Helper, ports: dict[str, int], *, database: str, clock: bool
    ) -> None:
        """Prepare; nothing runs yet. With `clock` the time of the processes can be changed."""
        self.servers = servers
        self.proxy = proxy
        self.database = database
        self.state = servers.place.state / database
        self.state.mkdir()
        self._clock = self.state / "clock"
        self.shift_clock(0)
        self._addresses = {
            "DATABASE_URL": f"postgresql://rasid@127.0.0.1:{ports['postgres']}/{database}"
            "?sslmode=disable&gssencmode=disable",
            "REDIS_URL": f"redis://127.0.0.1:{ports['broker']}/0",
            "REDIS_BODIES_URL": f"redis://127.0.0.1:{ports['bodies']}/0",
            "RASID_SOURCES": str(self.state / "sources.yaml"),
            "RASID_STATE": str(self.state),
        }
        if clock:
            self._addresses |= clock_module.environ(self._clock)
        #: For us, past the proxy.
        self.settings = settings_module.load(
            database_url=servers.url(database),
            redis_url=f"redis+socket://{servers.socket('broker')}",
            redis_bodies_url=f"unix://{servers.socket('bodies')}?db=0",
            task_time_limit_s=float(QUICK["RASID_TASK_TIME_LIMIT_S"]),
        )
        self.queue = Queue(self.settings)
        self.running: dict[str, Running] = {}
        #: While somebody is in it Postgres would not answer us either.
        self.blind = 0
        self._watch: psycopg.Connection[tuple[Any, ...]] | None = None
        self.counts: dict[Flow, int] = {"pages": 0, "links": 0, "imports": 0}
        #: Of the newest importer: its folder, how many files are in it, whether it is frozen.
        self._folder = self.state / "files"
        self.files = 0
        self._frozen: psutil.Process | None = None
        #: What went wrong with the faults themselves.
        self.complaints: list[str] = []
        #: Pages that are still to be published by us.
        self.waiting: list[RawPage] = []
        #: Ids that were announced without a page.
        self.ghosts: list[str] = []

    def shift_clock(self, seconds: int) -> None:
        """Have the processes' clock differ from ours by so many seconds from now on."""
        clock_module.shift(self._clock, seconds)

    # ------------------------------------------------------------------ processes

    def spawn(self, name: str, *argv: str, ends: bool = False) -> None:
        """Run a program, which is started again whenever it ends, unless it `ends` well."""
        command = Command(
            name=name,
            argv=(sys.executable, "-P", *argv),
            log=self.servers.place.state / "log" / f"{self.database}-{name}.log",
            env={**os.environ, "PYTHONPATH": str(ROOT), **QUICK, **self._addresses},
        )
        self.running[name] = Running(command, processes.launch(command), ends)

    def start(self, sites: Sequence[str]) -> None:
        """Start worker, reconciler and a crawler of the site."""
        self._write_sources(sites)
        self.spawn("worker", str(WORKER))
        self.spawn("reconciler", "-m", "services.cli", "reconcile")
        self.spawn("crawler", "-m", "services.cli", "crawl")

    def import_some(self, pages: Sequence[RawPage], pause_s: float) -> None:
        """Start an importer of these pages, one a file, and freeze it when some are imported.

        It is frozen so long after the first of them, and never behind the last.
        """
        before = [name for name in self.running if name.startswith("importer")]
        if before:
            self.running[f"importer-{len(before)}"] = self.running.pop("importer")
        self._folder = self.state / f"files-{len(before)}"
        self.counts["imports"], self.files = 0, len(pages)
        last = self._write_files(pages)
        holder: list[psycopg.Connection[tuple[Any, ...]]] = []

        def held() -> bool:
            # Whoever would begin this file waits for us to say whether it has begun.
            connection = self.servers.admin(self.database)
            holder.append(connection)
            stat = last.stat()
            connection.execute(b"begin")
            connection.execute(
                b"insert into rasid.imports (path, size_bytes, modified_ns) values (%s, %s, %s)",
                (str(last.resolve()), stat.st_size, stat.st_mtime_ns),
            )
            return True

        try:
            if self.until(held, BEGUN_WITHIN_S) is None:
                raise TimeoutError("Postgres does not let a file be held back")
            argv = ("-m", "services.cli", "import", str(self._folder))
            self.spawn("importer", *argv, ends=True)
            begun = self.until(lambda: self.counts["imports"] > 0, BEGUN_WITHIN_S, tick_s=0.002)
            if begun is None:
                raise TimeoutError("the importer does not begin")
            time.sleep(pause_s)
            importer = psutil.Process(self.running["importer"].popen.pid)
            importer.suspend()
            self._frozen = importer
        finally:
            for connection in holder:
                connection.close()

    def thaw(self) -> None:
        """Let the importer go on."""
        if self._frozen:
            with contextlib.suppress(psutil.NoSuchProcess):
                self._frozen.resume()
        self._frozen = None

    @property
    def importers_done(self) -> bool:
        """Whether all importers have ended well."""
        return all(one.is_done for name, one in self.running.items() if name.startswith("importer"))

    def _write_sources(self, sites: Sequence[str]) -> None:
        sources = [
            {
                "name": f"paper-{number}",
                "title": f"Paper {number}",
                "home_page": url,
                "enabled": True,
                "crawl": {"delay_s": 0.5},
                "feeds": [{"url": f"{url}/feed-{number}.xml", "poll_every_s": 2}],
            }
            for number, url in enumerate(sites)
        ]
        (self.state / "sources.yaml").write_text(json.dumps({"sources": sources}))

    def _write_files(self, pages: Sequence[RawPage]) -> Path:
        """Return the last of them."""
        self._folder.mkdir()
        file = self._folder
        for number, page in enumerate(pages):
            record = {"url": page.requested_url, "html": page.body.decode()}
            if page.fetched_at:
                record["fetched_at"] = page.fetched_at.isoformat()
            file = self._folder / f"{number:03}.jsonl"
            file.write_text(json.dumps(record) + "\n")
        return file

    def ended_well(self) -> list[str]:
        """Return who ended with 0 although nobody told it, and so may never be started again."""
        return [name for name, one in self.running.items() if not one.ends and 0 in one.codes]

    def log_ends(self, lines: int = 12) -> dict[str, list[str]]:
        """Return the last lines of each process's log, and of the servers', by file name."""
        logs = self.servers.place.state / "log"
        found = sorted(path for path in logs.glob("*.log") if not path.name.startswith("run_"))
        found += sorted(logs.glob(f"{self.database}-*.log"))
        return {
            path.name: path.read_text("utf-8", "replace").splitlines()[-lines:] for path in found
        }

    def pids(self, name: str, *, children: bool = False) -> list[int]:
        """Return the process called so, or its children, if it runs."""
        running = self.running[name]
        if running.popen.poll() is not None:
            return []
        if not children:
            return [running.popen.pid]
        with contextlib.suppress(psutil.NoSuchProcess):
            return [child.pid for child in psutil.Process(running.popen.pid).children()]
        return []

    def stop(self) -> dict[str, int]:
        """Stop all processes in order, and return the exit codes of those that ran."""
        codes = {}
        self.thaw()
        for one in self.running.values():
            one.is_done = True
            if one.popen.poll() is None:
                one.popen.terminate()
        for name, one in self.running.items():
            try:
                codes[name] = one.popen.wait(STOPPED_WITHIN_S)
            except subprocess.TimeoutExpired:
                codes[name] = 999
            processes.kill_group(one.popen.pid)
            one.popen.wait()
        if self._watch:
            self._watch.close()
        return codes

    def turn(self) -> None:
        """Start again what has ended, and count what is done."""
        self.servers.turn()
        now = time.monotonic()
        for one in self.running.values():
            if one.is_done:
                continue
            code = one.popen.poll()
            if one.again_at is not None:
                if now >= one.again_at:
                    one.popen, one.again_at = processes.launch(one.command), None
                    one.starts += 1
            elif code is not None:
                processes.kill_group(one.popen.pid)
                one.codes.append(code)
                one.is_done = one.ends and code == 0
                one.again_at = now + RESTART_S
        if not self.blind:
            self._look()

    def _look(self) -> None:
        try:
            if self._watch is None:
                self._watch = self.servers.admin(self.database)
            folder = str(self._folder.resolve())
            ((pages, links, files),) = self._watch.execute(COUNTS, (folder,)).fetchall()
            self.counts = {"pages": pages, "links": links, "imports": files}
        except psycopg.Error:
            if self._watch:
                self._watch.close()
            self._watch = None

    @contextlib.contextmanager
    def unseen(self) -> Iterator[None]:
        """Do not look into Postgres during the block: it would hold us up."""
        self.blind += 1
        try:
            yield
        finally:
            self.blind -= 1

    def live(self, seconds: float) -> None:
        """Let so much time pass."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.turn()
            time.sleep(TICK_S)

    def until(
        self, ready: Callable[[], bool], seconds: float, *, tick_s: float = TICK_S
    ) -> float | None:
        """Let time pass until it is ready, and return how long that took; None: too long."""
        began = time.monotonic()
        while time.monotonic() < began + seconds:
            self.turn()
            with contextlib.suppress(RasidError, psycopg.Error):
                if ready():
                    return time.monotonic() - began
            time.sleep(tick_s)
        return None

    def resident(self) -> dict[str, int]:
        """Return the bytes that the main processes of worker and crawler hold."""
        found = {}
        for name in ("worker", "crawler"):
            with contextlib.suppress(psutil.NoSuchProcess):
                found[name] = psutil.Process(self.running[name].popen.pid).memory_info().rss
        return found

    # ------------------------------------------------------------------ pages

    def next_pages(self, count: int = 3) -> list[RawPage]:
        """Return the next of those that wait to be published."""
        pages, self.waiting = self.waiting[:count], self.waiting[count:]
        return pages

    def publish(self, pages: Sequence[RawPage], seconds: float = 60) -> None:
        """Publish as crawlers do: again and again while a Redis is away."""

        def published() -> bool:
            self.queue.publish(pages, "live")
            return True

        if pages and self.until(published, seconds) is None:
            raise TimeoutError("pages cannot be published")

    def leave_bodies(self, pages: Sequence[RawPage]) -> None:
        """Store bodies of which no set and no message tells."""
        with self.servers.redis("bodies") as client:
            for page in pages:
                client.set(BODY + page.id, pack(page))
