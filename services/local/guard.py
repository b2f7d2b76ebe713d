"""The wishes of one program in, embedded servers and supervised processes out; it ends, they end.

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

from services.local import directories, keeper, postgres, unroot, valkey
from services.local.directories import Place
from services.local.orders import Orders, StopOrder
from services.local.supervisor import Supervisor, log
from services.shared.errors import LocalServersError

READY_WITHIN = 60.0
LOCKED_WITHIN = 20.0
SERVERS = ("broker", "bodies", "postgres")


@dataclass(frozen=True, slots=True, kw_only=True)
class Specification:
    """What the program wants: see `services.local.start`."""

    state: str
    temporary: bool
    durable: bool
    servers: bool


def guard(specification: Specification, report: keeper.Report) -> int:
    """Start the servers, do what the program asks, stop everything; return the exit code."""
    orders = Orders()
    supervisor = Supervisor(Path(specification.state), orders, report, SERVERS)
    try:
        addresses = start_servers(place(specification), supervisor) if specification.servers else {}
        orders.say(ready=addresses)
        log("ready")
        while True:
            supervisor.turn(0.5)
    except StopOrder as order:
        log(f"stopping: {order}")
        return 0
    except (LocalServersError, OSError) as error:
        log(f"failed: {error}")
        orders.say(failed=str(error))
        return 1
    finally:
        orders.obey()
        connection_file(specification).unlink(missing_ok=True)
        supervisor.stop()
        clean_up(specification)
        log("stopped")


def start_servers(where: Place, supervisor: Supervisor) -> dict[str, str]:
    """Start the servers, wait until they are ready, and return their addresses."""
    supervisor.start(valkey.command(where, "broker", max_memory="256mb", keep=False))
    supervisor.start(valkey.command(where, "bodies", max_memory="2gb", keep=True))
    supervisor.start(postgres.command(where, supervisor.run_to_end))
    until = time.monotonic() + READY_WITHIN
    while waiting := not_ready(where):
        supervisor.turn(0.01)
        server = supervisor.processes[waiting[0]]
        if server.due is not None:
            raise LocalServersError(
                f"{waiting[0]} does not start; {directories.said(server.command.log)}"
            )
        if time.monotonic() > until:
            raise LocalServersError(
                f"{waiting[0]} is not ready after {READY_WITHIN:g} s; "
                f"{directories.said(server.command.log)}"
            )
    valkey.shrink(where, "bodies")
    addresses = {
        "database_url": postgres.url(where),
        "broker_socket": str(where.socket("broker")),
        "bodies_socket": str(where.socket("bodies")),
    }
    directories.write_private(where.state / "connection.json", json.dumps(addresses))
    return addresses


def not_ready(where: Place) -> list[str]:
    """Return the servers that do not answer yet."""
    ready = {name: valkey.ready(where.socket(name)) for name in ("broker", "bodies")}
    ready["postgres"] = postgres.ready(where)
    return [name for name in SERVERS if not ready[name]]


def place(specification: Specification) -> Place:
    """Return where the servers are to run; the same for the same state directory."""
    state = Path(specification.state)
    if specification.temporary:
        sockets = state / "sockets"
        sockets.mkdir(mode=0o700)
    else:
        sockets = directories.sockets_directory(state)
    return Place(state=state, sockets=sockets, mode=unroot.choose(), durable=specification.durable)


def connection_file(specification: Specification) -> Path:
    """Return the file in which others find the addresses of servers that are up."""
    return Path(specification.state) / "connection.json"


def clean_up(specification: Specification) -> None:
    """Remove what is of no use once all processes are gone."""
    state = Path(specification.state)
    if specification.servers:
        connection_file(specification).unlink(missing_ok=True)
    if specification.temporary:
        if (data := state / "pg").is_symlink():
            directories.remove(data.resolve().parent)
        directories.remove(state)
    elif specification.servers:
        directories.remove(directories.sockets_directory(state))


def lock(specification: Specification) -> contextlib.AbstractContextManager[object]:
    """Return the held lock of the state directory.

    Raises:
        LocalServersError: another program uses it. One that is just stopping is waited for.
    """
    state = Path(specification.state)
    until = time.monotonic() + LOCKED_WITHIN
    while specification.servers or specification.temporary:
        if held := directories.lock(state):
            return held
        if connection_file(specification).exists() or time.monotonic() > until:
            raise LocalServersError(
                f"{state} is in use by another rasid: stop that one, or choose another directory "
                f"with RASID_STATE ({state}/log/guard.log tells what it does)"
            )
        time.sleep(0.05)
    return contextlib.nullcontext()


def main() -> int:
    """Guard until the order to stop, under a keeper that holds the lock."""
    specification = Specification(**json.loads(sys.argv[1]))
    try:
        held = lock(specification)
    except LocalServersError as error:
        os.write(1, json.dumps({"failed": str(error)}).encode("ascii") + b"\n")
        return 1
    with held:
        return keeper.run_kept(
            lambda report: guard(specification, report), lambda: clean_up(specification)
        )


if __name__ == "__main__":
    sys.exit(main())
