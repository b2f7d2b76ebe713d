"""Requests in, processes kept running out: started, started again, stopped."""

import sys
import time
from pathlib import Path
from typing import Any

from services.local import directories, processes
from services.local.keeper import Report
from services.local.orders import Orders
from services.local.processes import Command, Process
from services.shared.errors import LocalServersError

#: A server that ended by itself this many times in a row will not get well.
MOST_FAILURES = 5


class Supervisor:
    """Keeps processes running; `servers` are those that must not be given up."""

    def __init__(
        self, state: Path, orders: Orders, report: Report, servers: tuple[str, ...]
    ) -> None:
        """Run nothing yet."""
        self.state = state
        self.orders = orders
        self.report = report
        self.servers = servers
        #: By name, in the order of their start.
        self.processes: dict[str, Process] = {}

    def turn(self, seconds: float) -> None:
        """Wait at most so long for something to happen, and deal with it.

        Raises:
            StopOrder: it is time to stop everything.
            LocalServersError: a server cannot be kept up.
        """
        dues = [process.due for process in self.processes.values() if process.due is not None]
        until = min([time.monotonic() + seconds, *dues])
        for request in self.orders.wait(until - time.monotonic()):
            try:
                self.orders.say(answer=self.answer(**request))
            except (LocalServersError, OSError, ValueError) as error:
                self.orders.say(refused=str(error))
        for process in list(self.processes.values()):
            if process.ended():
                self.note_end(process)
            elif process.due is not None and process.due <= time.monotonic():
                self.start_again(process)

    def answer(self, do: str, **request: Any) -> Any:
        """Do what is asked for and return the answer to it."""
        if do == "spawn":
            return self.spawn(**request)
        if do == "stop_process":
            return self.stop_process(request["name"])
        if do == "pids":
            up = (process for process in self.processes.values() if process.due is None)
            return {process.command.name: process.pid for process in up}
        raise ValueError(f"unknown request {do!r}")

    def spawn(self, name: str, **how: Any) -> int:
        """Start a process and return its pid."""
        if name in self.processes:
            raise LocalServersError(f"a process named {name!r} is running already")
        how["argv"] = tuple(how["argv"])
        return self.start(Command(name=name, log=directories.log_file(self.state, name), **how)).pid

    def stop_process(self, name: str) -> int | None:
        """Stop one process and return its exit code; None when it was not running."""
        process = self.processes.pop(name, None)
        if process is None or process.due is not None:
            return None
        self.stop_all([process])
        return process.popen.returncode

    def start(self, command: Command) -> Process:
        """Start a process and take it into care."""
        process = Process(command, processes.launch(command))
        self.report.started(process.pid, command.stop_signal, command.grace)
        self.processes[command.name] = process
        log(f"{command.name}: started, pid {process.pid}")
        return process

    def note_end(self, process: Process) -> None:
        """Note that a process ended by itself, and when it is started again."""
        name, code = process.command.name, process.popen.returncode
        self.report.ended(process.pid)
        delay = process.delay() if process.command.restart else None
        log(f"{name}: ended with {code}" + (f", again in {delay:g} s" if delay else ""))
        if delay is None:
            del self.processes[name]
        else:
            process.due = time.monotonic() + delay
        self.orders.say(
            exit={"name": name, "pid": process.pid, "code": code, "restart_in_s": delay}
        )
        if name in self.servers and process.failures >= MOST_FAILURES:
            raise LocalServersError(
                f"{name} cannot stay up; {directories.said(process.command.log)}"
            )

    def start_again(self, process: Process) -> None:
        """Start a process whose time has come."""
        process.start_again()
        command = process.command
        self.report.started(process.pid, command.stop_signal, command.grace)
        log(f"{command.name}: started again, pid {process.pid}")

    def run_to_end(self, command: Command) -> int:
        """Run a command and return its exit code; an order to stop kills it."""
        process = self.start(command)
        del self.processes[command.name]
        try:
            while process.popen.poll() is None:
                self.turn(0.02)
        finally:
            process.popen.kill()  # does nothing to one that has ended
            self.report.ended(process.pid)
        return process.popen.wait()

    def stop(self) -> None:
        """Stop everything: first what uses the servers, then the servers."""
        everything = list(self.processes.values())
        self.stop_all([one for one in everything if one.command.name not in self.servers])
        self.stop_all([one for one in everything if one.command.name in self.servers])
        self.processes.clear()

    def stop_all(self, some: list[Process]) -> None:
        """Stop some processes at the same time."""
        for killed in processes.stop(some, self.orders.urgent):
            log(f"{killed.command.name}: did not stop in time and was killed")
        for process in some:
            self.report.ended(process.pid)


def log(message: str) -> None:
    """Write a line to the guard's log."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    sys.stderr.write(f"{now} {message}\n")
    sys.stderr.flush()
