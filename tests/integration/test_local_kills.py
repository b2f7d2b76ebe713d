"""Whatever is killed, nothing keeps running: the guard's one promise."""

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, cast

import psutil
import pytest

from services.local import attach, start

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(__file__).with_name("guarded_program.py")
GONE_WITHIN = 100.0


class Run:
    """The program in a terminal of its own, and everything it started."""

    def __init__(self, state: Path | str, *options: str) -> None:
        self.mark = uuid.uuid4().hex
        self.state = str(state)
        self.sockets = ""
        self.terminal, theirs = pty.openpty()
        self.program = subprocess.Popen(
            [sys.executable, "-P", str(PROGRAM), self.state, *options],
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "RASID_TEST_MARK": self.mark},
            start_new_session=True,
        )
        os.close(theirs)
        self.output = cast("IO[bytes]", self.program.stdout)
        assert self.output.readline() == b"starting\n"

    def ready(self) -> "Run":
        """Wait until the program has its servers."""
        started = json.loads(self.output.readline())
        self.state, self.sockets = started["state"], started["sockets"]
        return self

    def press_ctrl_c(self) -> None:
        os.write(self.terminal, b"\x03")

    def close_terminal(self) -> None:
        if self.terminal >= 0:
            os.close(self.terminal)
            self.terminal = -1

    def process(self, name: str) -> psutil.Process:
        """Return the program, its keeper, or its guard."""
        process = psutil.Process(self.program.pid)
        for _ in range(["program", "keeper", "guard"].index(name)):
            process = next(c for c in process.children() if "services.local.guard" in c.cmdline())
        return process

    def kill(self, *names: str) -> None:
        """Kill -9 these, at the same moment."""
        doomed = [self.process(name) for name in names]
        for process in doomed:
            process.suspend()
        for process in doomed:
            process.kill()

    def left(self) -> list[str]:
        """Return what still runs, however far it went from the program."""
        return [str(process) for process in psutil.process_iter() if self.owns(process)]

    def owns(self, process: psutil.Process) -> bool:
        with contextlib.suppress(psutil.Error):
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            # Postgres writes over its environment, but it works in its data directory.
            return process.environ().get(
                "RASID_TEST_MARK"
            ) == self.mark or process.cwd().startswith(self.state + "/")
        return False

    def await_end(self) -> float:
        """Wait until nothing is left, and return the seconds it took."""
        began = time.monotonic()
        while left := self.left():
            if time.monotonic() > began + GONE_WITHIN:
                pytest.fail("still running: " + "; ".join(left))
            self.program.poll()
            time.sleep(0.02)
        self.program.wait()
        return time.monotonic() - began


def marked(mark: str) -> list[psutil.Process]:
    """Return the processes that run with this mark in their environment."""
    return [
        process
        for process in psutil.process_iter(["environ", "status"])
        if (process.info["environ"] or {}).get("RASID_TEST_MARK") == mark
        and process.info["status"] != psutil.STATUS_ZOMBIE
    ]


@pytest.fixture
def run() -> Iterator[Callable[..., Run]]:
    """Start the program; whatever a failed test left is killed."""
    runs: list[Run] = []

    def begin(state: Path | str, *options: str) -> Run:
        runs.append(Run(state, *options))
        return runs[-1]

    yield begin
    for one in runs:
        one.close_terminal()
        for process in [process for process in psutil.process_iter() if one.owns(process)]:
            with contextlib.suppress(psutil.Error):
                process.kill()
        one.program.wait()
        one.output.close()


ENDINGS: dict[str, Callable[[Run], None]] = {
    "ctrl-c": Run.press_ctrl_c,
    "sigterm": lambda run: run.program.send_signal(signal.SIGTERM),
    "terminal closed": Run.close_terminal,
    "program killed": lambda run: run.kill("program"),
    "guard killed": lambda run: run.kill("guard"),
    "keeper killed": lambda run: run.kill("keeper"),
    "guard told to stop": lambda run: run.process("guard").terminate(),
    "program and guard killed": lambda run: run.kill("program", "guard"),
    "program and keeper killed": lambda run: run.kill("program", "keeper"),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_nothing_is_left(run: Callable[..., Run], ending: str) -> None:
    """No process and no temporary directory is left, though a worker's child hears no signal."""
    one = run("-", "hung").ready()
    assert len(one.left()) > 8  # program, keeper, guard, worker and child, Redis twice, Postgres

    ENDINGS[ending](one)
    one.await_end()

    assert not Path(one.state).exists()


@pytest.mark.parametrize("names", [("guard", "keeper"), ("program", "guard", "keeper")])
def test_all_guards_killed(run: Callable[..., Run], tmp_path: Path, names: tuple[str, ...]) -> None:
    """When all guards die at once, each process gets its own stop signal from the system.

    What they leave does not hinder the next start.
    """
    one = run(tmp_path / "state").ready()

    one.kill(*names)
    one.await_end()

    with start(tmp_path / "state", durable=False) as stack:
        assert set(stack.pids()) == {"broker", "bodies", "postgres"}


@pytest.mark.parametrize("seconds", [0.0, 0.1, 0.3, 0.5])
def test_ctrl_c_while_starting(run: Callable[..., Run], tmp_path: Path, seconds: float) -> None:
    """A start that was interrupted leaves nothing running, and the next start works."""
    one = run(tmp_path / "state")
    time.sleep(seconds)
    one.press_ctrl_c()
    one.await_end()

    with start(tmp_path / "state", durable=False) as stack:
        assert set(stack.pids()) == {"broker", "bodies", "postgres"}


def test_ctrl_c_twice(run: Callable[..., Run], tmp_path: Path) -> None:
    """A second Ctrl-C ends the patience with a worker that would need long to stop."""
    one = run(tmp_path / "state", "slow").ready()
    one.press_ctrl_c()
    time.sleep(0.5)
    assert one.left()
    one.press_ctrl_c()

    assert one.await_end() < 50  # the worker was promised 60
    assert not Path(one.sockets).exists()


@pytest.mark.parametrize("options", [("busy",), ("busy", "orderly"), (), ("orderly",)])
def test_the_program_learns_that_its_guard_was_killed(
    run: Callable[..., Run], options: tuple[str, ...]
) -> None:
    """A program says why it ends, whether it watches its servers or is interrupted."""
    one = run("-", *options).ready()

    one.kill("guard")
    one.await_end()

    assert b"the servers' guard" in one.output.read()
    assert one.program.returncode == 1


def test_nothing_attaches_to_what_was_killed(run: Callable[..., Run], tmp_path: Path) -> None:
    """The address file of killed servers leads nobody astray."""
    one = run(tmp_path / "state").ready()
    assert attach(tmp_path / "state")

    one.kill("program", "guard", "keeper")
    one.await_end()

    assert (tmp_path / "state" / "connection.json").exists()
    assert attach(tmp_path / "state") is None


def test_pytest_killed(tmp_path: Path) -> None:
    """A test run that is killed with -9 leaves nothing of its servers."""
    mark = uuid.uuid4().hex
    (tmp_path / "test_it.py").write_text(
        "import time\ndef test_it(stack):\n    print(stack.state, flush=True)\n    time.sleep(60)\n"
    )
    tests = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-q", "-s", "-ptests.conftest", str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        env={**os.environ, "RASID_TEST_MARK": mark},
    )
    output = cast("IO[bytes]", tests.stdout)
    state = output.readline().decode().strip()
    assert Path(state, "connection.json").exists()

    tests.kill()
    tests.wait()
    output.close()

    until = time.monotonic() + GONE_WITHIN
    while (marked(mark) or Path(state).exists()) and time.monotonic() < until:
        time.sleep(0.05)
    assert not marked(mark)
    assert not Path(state).exists()
