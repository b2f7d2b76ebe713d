"""A directory in; Postgres and both Redis out, which can be killed, stopped, paused and filled.

Their data lie on small disks of their own where this process may mount such.
"""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import redis

from services.local import postgres, processes, unroot, valkey
from services.local.directories import Place
from services.local.processes import LIBC, Command
from services.storage.migrate import migrate

NAMES = ("postgres", "bodies", "broker")
CLONE_NEWNS = 0x20000
MNT_DETACH = 2
#: Megabytes: so much that a run never fills it by itself.
DISKS = {"pg": 600, "bodies": 64}
TEMPLATE = "rasid_template"
READY_WITHIN_S = 60.0


class Servers:
    """Three servers in a directory; those that end by themselves are started again by `turn`."""

    def __init__(self, state: Path, *, max_memory_mb: int) -> None:
        """Start them, and make a database that holds nothing but the schema."""
        (state / "log").mkdir(parents=True)
        (state / "sockets").mkdir(mode=0o700)
        self.place = Place(
            state=state, sockets=state / "sockets", mode=unroot.choose(), durable=True
        )
        self.disks = _mounted(state)
        self.max_memory_mb = max_memory_mb
        self._commands = {
            "broker": valkey.command(self.place, "broker", max_memory="64mb", keep=False),
            "bodies": valkey.command(
                self.place, "bodies", max_memory=f"{max_memory_mb}mb", keep=True
            ),
            "postgres": postgres.command(self.place, _run),
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        #: Not to be started again for now.
        self.down: set[str] = set()
        for name in NAMES:
            self.start(name)
        self.wait()
        with self.admin("postgres") as connection:
            connection.execute(f"create database {TEMPLATE}".encode())
        migrate(self.url(TEMPLATE))

    # ------------------------------------------------------------------ addresses

    def socket(self, name: str) -> Path:
        """Return the socket of a server."""
        sockets = self.place.sockets
        return sockets / (postgres.SOCKET if name == "postgres" else f"{name}.sock")

    def url(self, database: str) -> str:
        """Return the address of a database, past the proxy."""
        return f"postgresql://{postgres.USER}@/{database}?host={self.place.sockets}"

    def redis(self, name: str) -> redis.Redis:
        """Return a client of a Redis, past the proxy."""
        return redis.Redis(unix_socket_path=str(self.socket(name)), socket_timeout=10)

    def admin(self, database: str) -> "psycopg.Connection[tuple[Any, ...]]":
        """Return a connection that may write whatever the server's defaults are."""
        return psycopg.connect(
            self.url(database),
            autocommit=True,
            connect_timeout=3,
            options="-c default_transaction_read_only=off",
        )

    # ------------------------------------------------------------------ life and death

    def start(self, name: str) -> None:
        """Start one."""
        self.down.discard(name)
        self._running[name] = processes.launch(self._commands[name])

    def turn(self) -> None:
        """Start again what has ended and is not to be down."""
        for name, popen in self._running.items():
            if popen.poll() is not None and name not in self.down:
                self.start(name)

    def ready(self, name: str) -> bool:
        """Return whether it answers."""
        if name != "postgres":
            return valkey.ready(self.socket(name))
        try:
            self.admin("postgres").close()
        except psycopg.Error:
            return False
        return True

    def wait(self) -> None:
        """Return once all answer."""
        end = time.monotonic() + READY_WITHIN_S
        while not all(self.ready(name) for name in NAMES):
            if time.monotonic() > end:
                raise TimeoutError(f"servers do not come up; see {self.place.state / 'log'}")
            time.sleep(0.05)
            self.turn()

    def stop(self, name: str) -> None:
        """Stop it in order; it stays down until `start`."""
        self.down.add(name)
        popen = self._running[name]
        popen.send_signal(self._commands[name].stop_signal)
        try:
            popen.wait(15)
        except subprocess.TimeoutExpired:
            popen.kill()
            popen.wait()

    def kill(self, name: str) -> None:
        """Kill it with -9."""
        self._running[name].kill()
        self._running[name].wait()

    def tree(self, name: str) -> list[psutil.Process]:
        """Return its processes."""
        try:
            main = psutil.Process(self._running[name].pid)
            return [main, *main.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    @contextlib.contextmanager
    def paused(self, name: str) -> Iterator[None]:
        """Freeze all of its processes for the time of the block."""
        frozen = self.tree(name)
        _each(frozen, lambda process: process.suspend())
        try:
            yield
        finally:
            _each([*frozen, *self.tree(name)], lambda process: process.resume())

    def close(self) -> None:
        """Stop all."""
        for name in NAMES:
            if name in self._running:
                _each(self.tree(name), lambda process: process.resume())
                self.stop(name)

    # ------------------------------------------------------------------ room

    @contextlib.contextmanager
    def full_disk(self, name: str) -> Iterator[None]:
        """Leave no byte free on a server's disk for the time of the block."""
        disk = self.disks["pg" if name == "postgres" else name]
        filler = disk / "filler"
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            for size in (1 << 20, 1 << 12):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(bytes(size))
        try:
            yield
        finally:
            filler.unlink()

    def fresh(self, database: str) -> None:
        """Give a run an empty database and two empty Redis."""
        with self.admin("postgres") as connection:
            for (name,) in connection.execute(
                b"select datname from pg_database where datname like 'run%'"
            ).fetchall():
                connection.execute(f"drop database {name} with (force)".encode())
            connection.execute(
                f"create database {database} template {TEMPLATE} strategy file_copy".encode()
            )
        with self.admin(database) as connection:
            # Else the feed notices that it is a copy, and lets its positions jump.
            connection.execute(b"update rasid.feed_timelines set server = rasid.feed_server()")
            connection.execute(b"update rasid.id_timeline set server = rasid.feed_server()")
        for name in ("broker", "bodies"):
            with self.redis(name) as client:
                client.flushall()


def _mounted(state: Path) -> dict[str, Path]:
    """Mount a small disk for each server that has data, and return where; none where we may not.

    In a mount namespace of our own, so that nothing is left however we end.
    """
    if LIBC is None or os.geteuid() != 0 or LIBC.unshare(CLONE_NEWNS) != 0:
        return {}
    disks = {}
    try:
        _mount("--make-rprivate", "/")
        for name, size in DISKS.items():
            disk = state / f"disk-{name}"
            disk.mkdir()
            _mount("-t", "tmpfs", "-o", f"size={size}m,mode=0700", "tmpfs", str(disk))
            (state / name).symlink_to(disk / name)
            disks[name] = disk
    except (OSError, subprocess.CalledProcessError):
        return {}
    # Postgres makes its directory itself.
    (disks["bodies"] / "bodies").mkdir()
    return disks


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True)


def _run(command: Command) -> int:
    return processes.launch(command).wait()


def _each(some: list[psutil.Process], do: Callable[[psutil.Process], None]) -> None:
    for process in some:
        with contextlib.suppress(psutil.NoSuchProcess):
            do(process)


def remove(state: Path) -> None:
    """Remove the directory of servers that have stopped."""
    if LIBC is not None:
        for disk in state.glob("*/disk-*"):
            LIBC.umount2(os.fsencode(disk), MNT_DETACH)
    shutil.rmtree(state, ignore_errors=True)
