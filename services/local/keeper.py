"""The life of the guard in, an end of everything out, also when the guard itself is killed.

The keeper is the guard's parent and does nothing while the guard lives. It holds the lock on the
state directory until the last process is gone. When it is killed itself, the guard stops all.
"""

import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from services.local.processes import LIBC, kill_group, set_death_signal

PR_SET_CHILD_SUBREAPER = 36
#: Seconds that processes get to stop by themselves when the guard was killed.
GRACE = 10.0
#: Seconds in which a program that watches its guard is aware that it was killed.
NOTICED_WITHIN = 1.0
#: What the guard reports of a group: how it is asked to stop, and the seconds it may take.
Groups = dict[int, tuple[int, float]]


def run_kept(guard: Callable[["Report"], int], clean_up: Callable[[], None]) -> int:
    """Run `guard` in a child process, outlive it, and return its exit code.

    `clean_up` is called only when the guard was killed and so could not do it.
    """
    program, keeper = os.getppid(), os.getpid()
    if LIBC is not None:  # what the guard leaves behind becomes ours, wherever it ran off to
        LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        set_death_signal(signal.SIGTERM, keeper)
        return guard(Report(write))
    os.close(write)
    requests = os.dup(0)
    _let_go_of_standard_files()
    groups, status = _watch(child, read)
    if os.WIFEXITED(status):
        return os.WEXITSTATUS(status)
    sys.stderr.write(f"the guard was killed by signal {os.WTERMSIG(status)}\n")
    if not _let_go(requests) and os.getppid() == program:
        os.kill(program, signal.SIGINT)  # as Ctrl-C would: without its servers it cannot go on
    _end(groups)
    clean_up()
    return 1


class Report:
    """The guard's side: tells the keeper which process groups there are."""

    def __init__(self, pipe: int) -> None:
        """Write to the pipe given."""
        self._pipe = pipe

    def started(self, group: int, stop_signal: int, grace: float) -> None:
        """Say that a process leads this group, and how it is stopped."""
        self._tell(f"{group} {int(stop_signal)} {grace}")

    def ended(self, group: int) -> None:
        """Say that nothing is left of the group."""
        self._tell(f"{group} 0 0")

    def _tell(self, line: str) -> None:
        with contextlib.suppress(BrokenPipeError):
            os.write(self._pipe, line.encode("ascii") + b"\n")


def _watch(child: int, read: int) -> tuple[Groups, int]:
    """Return the groups that the guard left running, and the status it ended with."""
    ended: dict[int, int] = {}

    def forward(number: int, _: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, number)

    signal.signal(signal.SIGCHLD, lambda *_: _reap(ended))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, forward)
    groups: Groups = {}
    with os.fdopen(read, "r", encoding="ascii") as reports:
        for line in reports:  # they end when the guard does
            group, stop_signal, grace = line.split()
            groups[int(group)] = (int(stop_signal), min(float(grace), GRACE))
            if stop_signal == "0":
                del groups[int(group)]
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    while child not in ended:
        time.sleep(0.005)
        _reap(ended)
    return groups, ended[child]


def _let_go(requests: int) -> bool:
    """Return whether the program closes its end by itself, because it saw the guard end."""
    until = time.monotonic() + NOTICED_WITHIN
    while select.select([requests], [], [], max(0.0, until - time.monotonic()))[0]:
        if not os.read(requests, 65536):
            return True
    return False


def _end(groups: Groups) -> None:
    """Wait for the processes to end, and kill what is left after the grace."""
    asked = time.monotonic()
    if LIBC is None:  # elsewhere the system has asked them already (`set_death_signal`)
        for group, (stop_signal, _) in groups.items():
            with contextlib.suppress(ProcessLookupError):
                os.kill(group, stop_signal)
    last = max((grace for _, grace in groups.values()), default=0.0)
    while _any_left(groups):
        waited = time.monotonic() - asked
        for group, (_, grace) in groups.items():
            if waited > grace:
                kill_group(group)
        if waited > last:  # nor may any stay that left its group
            for child in _children():
                os.kill(child, signal.SIGKILL)
        time.sleep(0.02)


def _any_left(groups: Groups) -> bool:
    if LIBC is not None:  # all of them, and all they started, are now children of ours
        return _reap({})
    return any(_exists(group) for group in groups)


def _reap(ended: dict[int, int]) -> bool:
    """Note the children that ended, and return whether there are others."""
    try:
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return True
            ended[pid] = status
    except ChildProcessError:
        return False


def _children() -> list[int]:
    try:
        return [int(pid) for pid in Path("/proc/thread-self/children").read_text("ascii").split()]
    except OSError:  # not Linux, or a kernel without it
        return []


def _exists(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _let_go_of_standard_files() -> None:
    """Leave input and output to the guard: the program must see them end when the guard does."""
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.close(null)
