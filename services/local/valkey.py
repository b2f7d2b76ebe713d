"""A place in, the command that runs a Valkey there out; Valkey is a Redis by another name."""

import os
import signal
import socket
from pathlib import Path

from services.local import binaries, directories
from services.local.directories import Place
from services.local.processes import Command, stop_stale

FILE_WORTH_REWRITING_BYTES = 64 * 1024 * 1024


def command(place: Place, name: str, *, max_memory: str, keep: bool) -> Command:
    """Return the command for the Valkey `name`; with `keep` it writes an append-only file."""
    directory = place.state / name
    directory.mkdir(exist_ok=True)
    settings = {
        "port": "0",
        "unixsocket": str(place.socket(name)),
        "unixsocketperm": "700",
        "dir": str(directory),
        "pidfile": str(directory / "pid"),
        # Its command line stays what it is: by that it is known from others.
        "set-proc-title": "no",
        "save": "",
        "appendonly": "yes" if keep and place.durable else "no",
        "appendfsync": "everysec",
        # Bodies come and go all day: the file would be rewritten for ever.
        "auto-aof-rewrite-min-size": "1gb",
        "maxmemory": max_memory,
        "maxmemory-policy": "noeviction",
    }
    stop_stale(directory / "pid", str(directory / "pid"), signal.SIGTERM)
    flags = [part for key, value in settings.items() for part in (f"--{key}", value)]
    return Command(
        name=name,
        argv=(str(binaries.valkey_server()), *flags),
        log=directories.log_file(place.state, name),
        env=dict(os.environ),
        grace=10.0,
        restart=True,
    )


def ready(path: Path) -> bool:
    """Return whether the Valkey at this socket answers, and has read its file."""
    return ask(path, b"PING\r\n").startswith(b"+PONG")


def shrink(place: Place, name: str) -> None:
    """Have a large append-only file rewritten: most of what it holds is done and gone."""
    files = (place.state / name / "appendonlydir").glob("*")
    if sum(file.stat().st_size for file in files) > FILE_WORTH_REWRITING_BYTES:
        ask(place.socket(name), b"BGREWRITEAOF\r\n")


def ask(path: Path, request: bytes) -> bytes:
    """Return the first bytes of the answer; none when nobody answers."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1.0)
        try:
            connection.connect(str(path))
            connection.sendall(request)
            return connection.recv(64)
        except OSError:
            return b""
