"""Answers by path go in; a server on loopback comes out, which remembers what it was asked.

A path without an answer is `Site.otherwise`'s to answer, and that says 404. HTTP/1.1 with kept
connections, GET only.
"""

import asyncio
import socket
import ssl
import struct
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from tests.site import documents

PHRASES = {status.value: status.phrase for status in HTTPStatus}


class Answer(NamedTuple):
    """What is sent. Without a Content-Length among the headers, the body's own is sent."""

    status: int = 200
    headers: Mapping[str, str] = {}
    body: bytes = b""
    #: Before the first byte.
    wait_s: float = 0.0
    #: The body comes in this many parts, with this wait before each.
    parts: int = 1
    part_wait_s: float = 0.0
    #: The connection is reset in place of an answer.
    is_reset: bool = False
    #: The connection is closed behind the answer, or in place of one if the status is 0.
    is_last: bool = False


@dataclass(slots=True, kw_only=True)
class Request:
    """One request as the server saw it; `at` is time.monotonic() when it was read."""

    at: float
    host: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    status: int = 0


Plain = tuple[int, dict[str, str], bytes]
Given = Answer | Plain | Callable[[Request], "Answer | Plain"]


class Site:
    """A site that is being served; its answers may be changed at any time."""

    def __init__(self, scheme: str, addresses: list[str], port: int) -> None:
        self.hosts = addresses
        self.urls = [f"{scheme}://{address}:{port}" for address in addresses]
        #: Of the first host, without a slash at the end.
        self.url = self.urls[0]
        #: By path, query included; the same on all hosts.
        self.answers: dict[str, Given] = {}
        self.otherwise: Callable[[Request], Answer] = lambda _: Answer(404)
        #: In the order in which the requests came.
        self.requests: list[Request] = []

    @property
    def asked(self) -> list[str]:
        """The paths that were asked for, in order."""
        return [request.path for request in self.requests]

    def count(self, path: str) -> int:
        """Return how often a path was asked for."""
        return sum(request.path == path for request in self.requests)

    def closest(self, host: str | None = None) -> float:
        """Return the shortest time between two requests to one host (or this one), in seconds."""
        came: dict[str, list[Request]] = defaultdict(list)
        for request in self.requests:
            came[request.host].append(request)
        return min(
            later.at - earlier.at
            for name, requests in came.items()
            for earlier, later in pairwise(requests)
            if host in (None, name)
        )

    def sitemap(self, paths: Iterable[str]) -> bytes:
        """Return a sitemap of these paths of the first host."""
        return documents.sitemap(self.url + path for path in paths)

    def answer(self, request: Request) -> Answer:
        """Return what the request is to get, and write it down."""
        given = self.answers.get(request.path, self.otherwise)
        answer = Answer(*(given(request) if callable(given) else given))
        request.status = answer.status
        # Written down before the answer: whoever has the answer finds it here.
        self.requests.append(request)
        return answer


class _Connection(asyncio.Protocol):
    def __init__(self, site: Site, open_ones: "set[_Connection]") -> None:
        self._site = site
        self._open = open_ones
        self._read = b""
        self._answering: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._open.add(self)

    def connection_lost(self, _: Exception | None) -> None:
        self._open.discard(self)
        if self._answering:
            self._answering.cancel()

    def end(self) -> None:
        """Hang up."""
        if self._answering:
            self._answering.cancel()
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, end, rest = self._read.partition(b"\r\n\r\n")
        if not end:
            return
        self._read = rest
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        answer = self._site.answer(
            Request(
                at=time.monotonic(),
                host=headers.get("host", "").partition(":")[0],
                path=first.split(" ")[1],
                headers=headers,
            )
        )
        if answer.wait_s or answer.part_wait_s:
            self._answering = asyncio.get_running_loop().create_task(self._slowly(answer))
        else:
            self._send(answer, answer.body)

    async def _slowly(self, answer: Answer) -> None:
        await asyncio.sleep(answer.wait_s)
        size = max(-(-len(answer.body) // answer.parts), 1)
        self._send(answer._replace(is_last=False), answer.body[:size])
        for start in range(size, len(answer.body), size):
            await asyncio.sleep(answer.part_wait_s)
            self._transport.write(answer.body[start : start + size])
        if answer.is_last:
            self._transport.close()

    def _send(self, answer: Answer, body: bytes) -> None:
        if answer.is_reset:
            connection = self._transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()
            return
        if answer.status:
            headers = {"Content-Length": str(len(answer.body)), **answer.headers}
            if answer.status == HTTPStatus.NOT_MODIFIED:
                del headers["Content-Length"]
            told = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            phrase = PHRASES.get(answer.status, "")
            head = f"HTTP/1.1 {answer.status} {phrase}\r\n{told}\r\n"
            self._transport.write(head.encode("latin-1") + body)
        # What claims to be longer than it is has to end somewhere.
        claimed = answer.headers.get("Content-Length", str(len(answer.body)))
        if answer.is_last or not answer.status or claimed != str(len(answer.body)):
            self._transport.close()


def _listen(hosts: int, at: str | None) -> tuple[list[socket.socket], list[str]]:
    """Return a socket for each of so many addresses of loopback, all with the same port."""
    addresses = [f"127.0.{number // 250}.{number % 250 + 1}" for number in range(hosts)]
    addresses[:1] = [at or addresses[0]]
    sockets = [socket.create_server((addresses[0], 0), backlog=1000)]
    port = sockets[0].getsockname()[1]
    sockets += [socket.create_server((address, port), backlog=1000) for address in addresses[1:]]
    return sockets, addresses


@contextmanager
def serve(
    hosts: int = 1,
    *,
    certificate: Path | None = None,
    at: str | None = None,
) -> Iterator[Site]:
    """Serve a site until the block ends, on so many hosts, the first of them at this address.

    Over TLS if it is told a file with a key and its certificate.
    """
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    sockets, addresses = _listen(hosts, at)
    scheme = "https" if context else "http"
    site = Site(scheme, addresses, sockets[0].getsockname()[1])
    loop = asyncio.new_event_loop()
    end = asyncio.Event()
    # They listen already: who connects before the loop runs waits a little.
    thread = threading.Thread(
        target=_run, args=(loop, _serve(site, sockets, context, end)), name="test-site", daemon=True
    )
    thread.start()
    try:
        yield site
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join()


def _run(loop: asyncio.AbstractEventLoop, serving: Coroutine[None, None, None]) -> None:
    # What a client raises by hanging up is nothing to tell.
    loop.set_exception_handler(lambda *_: None)
    loop.run_until_complete(serving)
    loop.close()


async def _serve(
    site: Site, sockets: list[socket.socket], context: ssl.SSLContext | None, end: asyncio.Event
) -> None:
    loop = asyncio.get_running_loop()
    open_ones = set[_Connection]()
    servers = [
        await loop.create_server(lambda: _Connection(site, open_ones), sock=listening, ssl=context)
        for listening in sockets
    ]
    await end.wait()
    for server in servers:
        server.close()
    for connection in list(open_ones):
        connection.end()
    await asyncio.sleep(0)
