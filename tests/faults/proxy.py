"""The network: a port of loopback for each server's socket, which delays, holds or resets.

    python -m tests.faults.proxy '{"broker": "/path/to/socket"}'

It prints its ports by name as a line of JSON. Lines of JSON on standard input rule it:
`{"mode": "pass" | "hold" | "refuse"}`, `{"delay_s": 0.1}`, `{"reset": true}` change all ways, or
those in `"ways"`; `{"connections": true}` is answered by how many were asked for since the start,
by name. It ends with its input.
"""

import asyncio
import json
import random
import socket
import struct
import sys
from contextlib import suppress
from typing import Any

READ = 65536


class Way:
    """What passes between the users of one server and the server."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._open = asyncio.Event()
        self._open.set()
        self._refuses = False
        self._delay_s = 0.0
        self._writers: set[asyncio.StreamWriter] = set()
        self.asked = 0

    def rule(self, *, mode: str = "", delay_s: float | None = None, reset: bool = False) -> None:
        """Change how it is."""
        if mode:
            self._refuses = mode == "refuse"
            (self._open.clear if mode == "hold" else self._open.set)()
        if delay_s is not None:
            self._delay_s = delay_s
        if reset:
            for writer in list(self._writers):
                _reset(writer)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one user until either side ends."""
        self.asked += 1
        self._writers.add(writer)
        server: asyncio.StreamWriter | None = None
        try:
            await self._open.wait()
            if self._refuses:
                return
            answers, server = await asyncio.open_unix_connection(self._path)
            self._writers.add(server)
            ways = {
                asyncio.ensure_future(self._pump(reader, server)),
                asyncio.ensure_future(self._pump(answers, writer)),
            }
            # One that has said all may still be waiting for the answer.
            await asyncio.wait(ways)
        except OSError:
            pass
        finally:
            for one in filter(None, (writer, server)):
                self._writers.discard(one)
                _reset(one)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(READ):
                if self._delay_s:
                    await asyncio.sleep(self._delay_s * random.random() * 2)
                await self._open.wait()
                writer.write(data)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
        except OSError:
            _reset(writer)
        # A server that has hung up is of no use to its user, nor the other way round.
        with suppress(OSError):
            writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def _obey(ways: dict[str, Way], order: dict[str, Any]) -> None:
    if order.pop("connections", False):
        print(json.dumps({name: way.asked for name, way in ways.items()}), flush=True)
        return
    for name in order.pop("ways", list(ways)):
        ways[name].rule(**order)


async def main(paths: dict[str, str]) -> None:
    """Serve until the input ends."""
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    ways = {name: Way(path) for name, path in paths.items()}
    servers = [
        await asyncio.start_server(way.connected, "127.0.0.1", 0, backlog=500)
        for way in ways.values()
    ]
    ports = [server.sockets[0].getsockname()[1] for server in servers]
    print(json.dumps(dict(zip(ways, ports, strict=True))), flush=True)
    orders = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(orders), sys.stdin
    )
    while line := await orders.readline():
        _obey(ways, json.loads(line))


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
