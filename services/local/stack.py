"""A state directory in, the addresses of its running servers and a hand on its processes out."""

import json
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from services.local import directories, postgres, valkey
from services.local.link import Exit, GuardLink
from services.shared.errors import LocalServersError


class Stack:
    """Running servers and processes. Leaving the `with` block stops what `start` started."""

    def __init__(
        self, state: Path, addresses: Mapping[str, str], guard: GuardLink | None = None
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

    def spawn(  # noqa: PLR0913 - each is a property of a process
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
        """Stop one process and return its exit code; None when it was not running."""
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
                f"the servers' guard was killed; {self.log('guard')} may say by what"
            ) from error

    def _address(self, name: str) -> str:
        if name not in self._addresses:
            raise LocalServersError("no embedded servers run here: DATABASE_URL and REDIS_URL do")
        return self._addresses[name]

    def _own_guard(self) -> GuardLink:
        if self._guard is None:
            raise LocalServersError(
                "another rasid runs these servers, and only it starts processes"
            )
        return self._guard


def start(state_dir: Path | None, *, durable: bool = True, servers: bool = True) -> Stack:
    """Start embedded Postgres and Redis with their data in `state_dir`, and wait until ready.

    None stands for a temporary directory, removed at the end. `durable=False` is for tests: faster,
    and lost in a power cut. Without `servers` the stack only runs what is spawned.

    Raises:
        LocalServersError: they cannot start; the message says what to do.
    """
    state = directories.temporary() if state_dir is None else make_state(state_dir)
    specification = {
        "state": str(state),
        "temporary": state_dir is None,
        "durable": durable,
        "servers": servers,
    }
    guard = GuardLink(specification, directories.log_file(state, "guard"))
    try:
        ready = guard.ready()
    except BaseException:
        guard.stop()  # a temporary directory goes with it
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
