"""Commands in, running processes out: started so that none outlives the guard, stopped in time."""

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from services.local import unroot

#: Seconds: before a process that ended by itself is started again the first time, and at most.
FIRST_DELAY, LONGEST_DELAY = 1.0, 30.0
#: A process that ran this many seconds was well: its next restart waits the first delay again.
WELL_AFTER = 60.0
#: Seconds that a server left over from an earlier guard gets to stop by itself.
STALE_GRACE = 10.0
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None) if unroot.LINUX else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to run, how to stop it (signal, then seconds until SIGKILL), and whether to restart."""

    name: str
    argv: tuple[str, ...]
    log: Path
    env: Mapping[str, str]
    cwd: str = "/"
    stop_signal: int = signal.SIGTERM
    grace: float = 20.0
    restart: bool = False
    mode: unroot.Mode = "not_root"
    #: A file to read as standard input.
    stdin: Path | None = None


@dataclass(slots=True)
class Process:
    """A command that was started, and perhaps started again."""

    command: Command
    popen: "subprocess.Popen[bytes]"
    started: float = field(default_factory=time.monotonic)
    failures: int = 0
    #: When it is to be started again (monotonic seconds), while it is down.
    due: float | None = None

    @property
    def pid(self) -> int:
        """Return its process id, which is also its group and its session."""
        return self.popen.pid

    def ended(self) -> bool:
        """Return whether it has just ended; what it left in its process group is killed."""
        if self.due is not None or self.popen.poll() is None:
            return False
        kill_group(self.pid)
        return True

    def delay(self) -> float:
        """Return the seconds to wait before the next start, doubled by each early end."""
        self.failures = 1 if time.monotonic() - self.started > WELL_AFTER else self.failures + 1
        return float(min(FIRST_DELAY * 2 ** (self.failures - 1), LONGEST_DELAY))

    def start_again(self) -> None:
        """Start the command anew."""
        self.popen, self.started, self.due = launch(self.command), time.monotonic(), None


def launch(command: Command) -> "subprocess.Popen[bytes]":
    """Start the command in a session of its own, bound to the life of this process.

    In a session of its own, Ctrl-C in the terminal does not reach it: the guard decides the order
    in which processes stop. Must be called from a process with one thread.
    """
    parent = os.getpid()

    def prepare() -> None:
        unroot.enter(command.mode)  # first: it clears what the next call sets
        set_death_signal(command.stop_signal, parent)

    with command.log.open("ab") as log, (command.stdin or Path(os.devnull)).open("rb") as stdin:
        return subprocess.Popen(  # noqa: S603 - the caller's command
            command.argv,
            stdin=stdin,
            stdout=log,
            stderr=log,
            env=command.env,
            cwd=command.cwd,
            preexec_fn=prepare,  # noqa: PLW1509 - the guard has one thread
            start_new_session=True,
        )


def set_death_signal(number: int, parent: int) -> None:
    """Have the system send this process the signal when `parent` ends (Linux only)."""
    if LIBC is None:
        return
    LIBC.prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    if os.getppid() != parent:  # it ended before the call
        os._exit(1)


def stop(processes: list[Process], urgent: Callable[[], bool]) -> list[Process]:
    """Stop all of them at once and return those that had to be killed.

    `urgent` is asked again and again: once it is true, one more second is all they get.
    """
    running = [process for process in processes if process.popen.poll() is None]
    for process in running:
        process.popen.send_signal(process.command.stop_signal)
    asked = time.monotonic()
    hurried: float | None = None
    killed: list[Process] = []
    while running:
        now = time.monotonic()
        if hurried is None and urgent():
            hurried = now
        for process in list(running):
            late = now > asked + process.command.grace or (hurried and now > hurried + 1.0)
            if late:
                killed.append(process)
                process.popen.kill()
                process.popen.wait()
            if process.popen.poll() is not None:
                running.remove(process)
        time.sleep(0.01 if running else 0)
    for process in processes:
        if process.due is None:  # one that waits to be started again has no group left
            kill_group(process.pid)
    return killed


def stop_stale(pid_file: Path, marker: str, stop_signal: int) -> None:
    """Stop the server that an earlier guard could not stop, if it is the one in `pid_file`.

    Its command line must hold `marker`; another process that got its number meanwhile is left
    alone, and the file that would keep the new server from starting is removed.
    """
    try:
        pid = int(pid_file.read_text("utf-8", "replace").split()[0])
    except (OSError, ValueError, IndexError):
        return
    until = time.monotonic() + STALE_GRACE
    while marker in command_line(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, stop_signal if time.monotonic() < until else signal.SIGKILL)
        time.sleep(0.1)
    if exists(pid):  # it may also be dead, and not yet taken note of by its parent
        pid_file.unlink(missing_ok=True)


def exists(pid: int) -> bool:
    """Return whether there is a process of this number, be it another user's."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def command_line(pid: int) -> str:
    """Return the command line of a process, empty when there is no such process."""
    if unroot.LINUX:
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "surrogateescape")
        except OSError:
            return ""
    ps = ["/bin/ps", "-o", "command=", "-p", str(pid)]
    return subprocess.run(ps, capture_output=True, check=False, text=True).stdout  # noqa: S603 - a fixed command


def kill_group(group: int) -> None:
    """Kill what is left of a process group, such as the children of a worker that was killed."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
