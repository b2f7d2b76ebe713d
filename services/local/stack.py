"""A state directory in, the addresses of its running servers and a hand on its processes out."""

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from services.local import directories, postgres, valkey
from services.shared.errors import LocalServersError

ROOT = Path(__file__).resolve().parents[2]
STOP_WITHIN = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """A spawned process (or a server) ended by itself; a negative code is a signal's number."""

    name: str
    pid: int
    code: int
    #: Seconds until it is started again; None when it will not be.
    restart_in_s: float | None


class Stack:
    """Running servers and processes. Leaving the `with` block stops what `start` started."""

    def __init__(
        self, state: Path, addresses: Mapping[str, str], guard: "Guard | None" = None
    ) -> None:
        """Hold the addresses, and the guard if it is ours."""
        self.state = state
        self._addresses = addresses
        self._guard = guard

    @property
    def database_url(self) -> str:
        """Return the address of the database for libpq and psycopg."""
        return self._address("database_url")

    @property
    def broker_socket(self) -> Path:
        """Return the socket of the Redis for Celery's messages."""
        return Path(self._address("broker_socket"))

    @property
    def bodies_socket(self) -> Path:
        """Return the socket of the Redis for page bodies and `pending`."""
        return Path(self._address("bodies_socket"))

    @property
    def redis_url(self) -> str:
        """Return the broker's address for kombu; redis-py wants `unix://` in its place."""
        return f"redis+socket://{self.broker_socket}"

    @property
    def redis_bodies_url(self) -> str:
        """Return the bodies' address for redis-py."""
        return f"unix://{self.bodies_socket}?db=0"

    def log(self, name: str) -> Path:
        """Return where the process `name` logs."""
        return self.state / "log" / f"{name}.log"

    def spawn(
        self,
        name: str,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        stop_signal: int = signal.SIGTERM,
        grace: float = 20.0,
        restart: bool = False,
    ) -> int:
        """Run a process until the stack stops, and return its pid.

        It has this process's environment and directory, `env` added, and logs to `log(name)`.
        At the end it gets `stop_signal`, and SIGKILL `grace` seconds later. With `restart` it is
        started again whenever it ends by itself, after 1 second at first, at most 30.

        Raises:
            LocalServersError: it cannot be started, or a process of that name is running.
        """
        how = {"argv": list(argv), "env": {**os.environ, **(env or {})}, "cwd": str(Path.cwd())}
        request = how | {"stop_signal": int(stop_signal), "grace": grace, "restart": restart}
        return int(self._own_guard().ask(do="spawn", name=name, **request))

    def stop_process(self, name: str) -> int | None:
        """Stop one process and return its exit code; None if it waited for its restart."""
        code = self._own_guard().ask(do="stop_process", name=name)
        return None if code is None else int(code)

    def pids(self) -> dict[str, int]:
        """Return the process ids of all that runs, servers too, by name."""
        return dict(self._own_guard().ask(do="pids"))

    def wait(self, timeout: float | None = None) -> Exit | None:
        """Return the next process that ended by itself; None after `timeout` seconds.

        Raises:
            LocalServersError: the guard ended, or a server cannot be kept up.
        """
        return self._own_guard().next_exit(timeout)

    def stop(self) -> None:
        """Stop everything that `start` started, and return when it is gone.

        Ctrl-C meanwhile shortens every grace to a second.
        """
        if self._guard is not None:
            self._guard.stop()

    def __enter__(self) -> Self:
        """Return the stack itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop, and if the guard was lost, say that this is why the block failed."""
        lost = self._guard is not None and self._guard.lost()
        self.stop()
        if lost and error is not None and not isinstance(error, LocalServersError):
            raise LocalServersError(
                f"the process that guards the servers was killed; see {self.log('guard')}"
            ) from error

    def _address(self, name: str) -> str:
        if name not in self._addresses:
            raise LocalServersError("no embedded servers run here: DATABASE_URL and REDIS_URL do")
        return self._addresses[name]

    def _own_guard(self) -> "Guard":
        if self._guard is None:
            raise LocalServersError("another rasid runs these servers, and only it starts processes")
        return self._guard


class Guard:
    """The program's side of the guard process."""

    def __init__(self, specification: Mapping[str, Any], log: Path) -> None:
        """Start the guard process; `next_message` tells when it is ready."""
        self._owner = os.getpid()
        self._log = log
        self._buffer = b""
        self._exits: deque[Exit] = deque()
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        with log.open("ab") as stderr:
            self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-P", "-m", "services.local.guard", json.dumps(specification)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env={**os.environ, "PYTHONPATH": path},
                cwd="/",
                start_new_session=True,  # Ctrl-C must not reach the servers before their users
            )

    def ask(self, **request: Any) -> Any:
        """Send a request and return its answer."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode("ascii") + b"\n")
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError) as error:
            raise LocalServersError(f"the servers' guard is gone; see {self._log}") from error
        while True:
            message = self.next_message(None)
            if "answer" in message:
                return message["answer"]
            if "refused" in message:
                raise LocalServersError(message["refused"])
            self._note(message)

    def next_exit(self, timeout: float | None) -> Exit | None:
        """Return the next exit that the guard tells of."""
        until = None if timeout is None else time.monotonic() + timeout
        while not self._exits:
            message = self.next_message(until)
            if not message:
                return None
            self._note(message)
        return self._exits.popleft()

    def next_message(self, until: float | None) -> dict[str, Any]:
        """Return the next line that the guard writes; empty at the time `until` (monotonic).

        Raises:
            LocalServersError: the guard says that it failed, or ended without a word.
        """
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._buffer:
                left = None if until is None else until - time.monotonic()
                if left is not None and left < 0 or not selector.select(left):
                    return {}
                data = os.read(self._process.stdout.fileno(), 65536)
                if not data:
                    raise LocalServersError(f"the servers' guard ended; {self._log} says why")
                self._buffer += data
        line, self._buffer = self._buffer.split(b"\n", 1)
        message: dict[str, Any] = json.loads(line)
        if "failed" in message:
            raise LocalServersError(message["failed"])
        return message

    def lost(self) -> bool:
        """Return whether the guard process ended without being asked to."""
        assert self._process.stdin is not None
        return not self._process.stdin.closed and self._process.poll() is not None

    def stop(self) -> None:
        """Have the guard stop everything, and wait for it."""
        if os.getpid() != self._owner:  # a fork of the program must not stop what it does not own
            return
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(STOP_WITHIN)
        except KeyboardInterrupt:
            self._process.send_signal(signal.SIGTERM)  # which tells the guard to hurry
            self._process.wait(STOP_WITHIN)
        self._process.stdout.close()

    def _note(self, message: dict[str, Any]) -> None:
        self._exits.append(Exit(**message["exit"]))


def start(state_dir: Path | None, *, durable: bool = True, servers: bool = True) -> Stack:
    """Start embedded Postgres and Redis with their data in `state_dir`, and wait until ready.

    None stands for a temporary directory, removed at the end. `durable=False` is for tests: faster,
    and lost in a power cut. Without `servers` the stack only runs what is spawned.

    Raises:
        LocalServersError: they cannot start; the message says what to do.
    """
    temporary = state_dir is None
    if state_dir is None:
        state = Path(tempfile.mkdtemp(prefix="rasid-", dir=directories.sockets_root()))
    else:
        state = make_state(state_dir)
    specification = {
        "state": str(state),
        "temporary": temporary,
        "durable": durable,
        "servers": servers,
    }
    guard = Guard(specification, directories.log_file(state, "guard"))
    try:
        ready = guard.next_message(None)["ready"]
    except BaseException:
        guard.stop()
        raise
    return Stack(state, ready, guard)


def attach(state_dir: Path) -> Stack | None:
    """Return the servers that another process runs in `state_dir`, or None when none answer."""
    state = state_dir.absolute()
    try:
        addresses = json.loads((state / "connection.json").read_text("utf-8"))
        stack = Stack(state, addresses)
        sockets = (stack.broker_socket, stack.bodies_socket)
    except (OSError, ValueError, LocalServersError):
        return None
    if all(map(valkey.ready, sockets)) and postgres.answers(stack.broker_socket.parent):
        return stack
    return None


def make_state(state_dir: Path) -> Path:
    """Return the state directory, made if it is missing; what is in it is this user's alone."""
    state = state_dir.expanduser().absolute()
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise LocalServersError(
            f"cannot make the state directory {state}: {error.strerror}; "
            "choose another one with RASID_STATE"
        ) from error
    return state.resolve()
