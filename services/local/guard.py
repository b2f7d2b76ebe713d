"""Requests of one program in, embedded servers and supervised processes out; it ends, they end.

Run as `python -m services.local.guard SPECIFICATION` by `services.local.stack`. It has one thread,
because the signal that ties a process to its parent's life follows the thread that started it.
"""

import contextlib
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.local import directories, keeper, postgres, processes, unroot, valkey
from services.local.directories import Place
from services.local.orders import Orders, StopOrder
from services.local.processes import Command, Process
from services.shared.errors import LocalServersError

READY_WITHIN = 60.0
LOCKED_WITHIN = 20.0
#: A server that ended by itself this many times in a row will not get well.
MOST_FAILURES = 5
SERVERS = ("broker", "bodies", "postgres")


@dataclass(frozen=True, slots=True, kw_only=True)
class Specification:
    """What the program wants: see `services.local.start`."""

    state: str
    temporary: bool
    durable: bool
    servers: bool


class Guard:
    """Keeps processes running until the order to stop."""

    def __init__(self, specification: Specification, report: keeper.Report) -> None:
        """Run nothing yet."""
        self.specification = specification
        self.state = Path(specification.state)
        self.place = place(specification)
        self.report = report
        self.orders = Orders()
        self.processes: dict[str, Process] = {}

    def run(self) -> int:
        """Start the servers, do what is asked, stop everything; return the exit code."""
        try:
            say(ready=self.start_servers() if self.specification.servers else {})
            log("ready")
            while True:
                self.turn(0.5)
        except StopOrder as order:
            log(f"stopping: {order}")
        except (LocalServersError, OSError) as error:
            log(f"failed: {error}")
            say(failed=str(error))
            return 1
        finally:
            self.orders.obey()
            self.stop()
        return 0

    def turn(self, seconds: float) -> None:
        """Wait at most so long for something to happen, and deal with it."""
        dues = [process.due for process in self.processes.values() if process.due is not None]
        until = min([time.monotonic() + seconds, *dues])
        for request in self.orders.wait(until - time.monotonic()):
            try:
                say(answer=self.answer(**request))
            except (LocalServersError, OSError, ValueError) as error:
                say(refused=str(error))
        for process in self.processes.values():
            if process.ended():
                self.ended(process)
            elif process.due is not None and process.due <= time.monotonic():
                self.start_again(process)

    def answer(self, do: str, **request: Any) -> Any:
        """Do what is asked for and return the answer to it."""
        if do == "spawn":
            return self.spawn(**request)
        if do == "stop_process":
            return self.stop_process(request["name"])
        if do == "pids":
            alive = (p for p in self.processes.values() if p.due is None and p.popen.returncode is None)
            return {process.command.name: process.pid for process in alive}
        raise ValueError(f"unknown request {do!r}")

    def spawn(self, name: str, **how: Any) -> int:
        """Start a process and return its pid."""
        before = self.processes.get(name)
        if before and (before.due is not None or before.popen.returncode is None):
            raise LocalServersError(f"a process named {name!r} is running already")
        how["argv"] = tuple(how["argv"])
        return self.start(Command(name=name, log=directories.log_file(self.state, name), **how)).pid

    def stop_process(self, name: str) -> int | None:
        """Stop one process and return its exit code; None if it was waiting for its restart."""
        process = self.processes.pop(name, None)
        if process is None:
            raise LocalServersError(f"there is no process named {name!r}")
        processes.stop([process], self.orders.urgent)
        self.report.ended(process.pid)
        return process.popen.returncode if process.due is None else None

    def start(self, command: Command) -> Process:
        """Start a process and take it into care."""
        process = Process(command, processes.launch(command))
        self.report.started(process.pid, command.stop_signal)
        self.processes.pop(command.name, None)  # so that the newest stops first
        self.processes[command.name] = process
        log(f"{command.name}: started, pid {process.pid}")
        return process

    def ended(self, process: Process) -> None:
        """Note that a process ended by itself, and when it is started again."""
        name, code = process.command.name, process.popen.returncode
        self.report.ended(process.pid)
        delay = process.delay() if process.command.restart else None
        log(f"{name}: ended with {code}" + (f", again in {delay:g} s" if delay else ""))
        if name in SERVERS and process.failures >= MOST_FAILURES:
            raise LocalServersError(f"{name} cannot stay up; {process.command.log} says why")
        process.due = None if delay is None else time.monotonic() + delay
        say(exit={"name": name, "pid": process.pid, "code": code, "restart_in_s": delay})

    def start_again(self, process: Process) -> None:
        """Start a process whose time has come."""
        process.start_again()
        self.report.started(process.pid, process.command.stop_signal)
        log(f"{process.command.name}: started again, pid {process.pid}")

    def start_servers(self) -> dict[str, str]:
        """Start the servers, wait until they are ready, and return their addresses."""
        self.start(valkey.command(self.place, "broker", max_memory="256mb", keep=False))
        self.start(valkey.command(self.place, "bodies", max_memory="2gb", keep=True))
        self.start(postgres.command(self.place, self.run_to_end))
        until = time.monotonic() + READY_WITHIN
        while waiting := self.not_ready():
            self.turn(0.01)
            if ended := [name for name in waiting if self.processes[name].due is not None]:
                raise LocalServersError(f"{ended[0]} ended at once; {self.log_of(ended[0])} says why")
            if time.monotonic() > until:
                raise LocalServersError(
                    f"{waiting[0]} is not ready after {READY_WITHIN:g} s; "
                    f"{self.log_of(waiting[0])} may say why"
                )
        valkey.shrink(self.place, "bodies")
        addresses = {
            "database_url": postgres.url(self.place),
            "broker_socket": str(self.place.socket("broker")),
            "bodies_socket": str(self.place.socket("bodies")),
        }
        write_private(self.state / "connection.json", json.dumps(addresses))
        return addresses

    def not_ready(self) -> list[str]:
        """Return the servers that do not answer yet."""
        ready = {
            "broker": lambda: valkey.ready(self.place.socket("broker")),
            "bodies": lambda: valkey.ready(self.place.socket("bodies")),
            "postgres": lambda: postgres.ready(self.place),
        }
        return [name for name, check in ready.items() if not check()]

    def run_to_end(self, command: Command) -> int:
        """Run a command and return its exit code; an order to stop kills it."""
        process = self.start(command)
        del self.processes[command.name]
        try:
            while process.popen.poll() is None:
                self.turn(0.02)
        finally:
            if process.popen.poll() is None:
                process.popen.kill()
            self.report.ended(process.pid)
        return process.popen.wait()

    def log_of(self, name: str) -> Path:
        """Return where a process logs."""
        return self.processes[name].command.log

    def stop(self) -> None:
        """Stop everything: first what uses the servers, then the servers."""
        self.state.joinpath("connection.json").unlink(missing_ok=True)
        everything = list(self.processes.values())
        users = [process for process in everything if process.command.name not in SERVERS]
        servers = [process for process in everything if process.command.name in SERVERS]
        for group in (users, servers):
            for killed in processes.stop(group, self.orders.urgent):
                log(f"{killed.command.name}: did not stop in time, killed")
        self.processes.clear()
        clean_up(self.specification)
        log("stopped")


def place(specification: Specification) -> Place:
    """Return where the servers are to run; the same for the same state directory."""
    state = Path(specification.state)
    sockets = state / "sockets" if specification.temporary else directories.sockets_directory(state)
    if specification.temporary:
        sockets.mkdir(mode=0o700, exist_ok=True)
    mode = unroot.choose() if specification.servers else "not_root"
    return Place(state=state, sockets=sockets, mode=mode, durable=specification.durable)


def clean_up(specification: Specification) -> None:
    """Remove what is of no use once all processes are gone."""
    state = Path(specification.state)
    state.joinpath("connection.json").unlink(missing_ok=True)
    if not specification.temporary:
        if specification.servers:
            directories.remove(directories.sockets_directory(state))
        return
    if (data := state / "pg").is_symlink():
        directories.remove(data.resolve().parent)
    directories.remove(state)


def lock(specification: Specification) -> contextlib.AbstractContextManager[object]:
    """Return the held lock of the state directory.

    Raises:
        LocalServersError: another program uses it. One that is just stopping is waited for.
    """
    state = Path(specification.state)
    until = time.monotonic() + LOCKED_WITHIN
    while specification.servers:
        if held := directories.lock(state):
            return held
        if state.joinpath("connection.json").exists() or time.monotonic() > until:
            raise LocalServersError(
                f"{state} is in use by another rasid: stop that one, or choose another directory "
                f"with RASID_STATE (`cat {state}/log/guard.log` tells what it does)"
            )
        time.sleep(0.05)
    return contextlib.nullcontext()


def write_private(path: Path, text: str) -> None:
    """Write a file that only this user may read, in one step."""
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    new.replace(path)


def say(**message: Any) -> None:
    """Send the program one line of JSON; it may be gone."""
    with contextlib.suppress(BrokenPipeError):
        os.write(1, json.dumps(message).encode("ascii") + b"\n")


def log(message: str) -> None:
    """Write a line to the guard's log."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    print(f"{now} {message}", file=sys.stderr, flush=True)


def main() -> int:
    """Guard until the order to stop, under a keeper that holds the lock."""
    specification = Specification(**json.loads(sys.argv[1]))
    try:
        held = lock(specification)
    except LocalServersError as error:
        say(failed=str(error))
        return 1
    with held:
        return keeper.run_kept(
            lambda report: Guard(specification, report).run(), lambda: clean_up(specification)
        )


if __name__ == "__main__":
    sys.exit(main())
