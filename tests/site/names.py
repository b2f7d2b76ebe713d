"""Names and their addresses go in; a real DNS server on loopback comes out, and its use.

A name gives its addresses one after the other, one an answer, then the last one for ever: so does
who wants a check to see another address than the connection.
"""

import importlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, TypeVar

from scrapy.utils.reactor import install_reactor
from twisted.internet._resolver import SimpleResolverComplexifier
from twisted.internet.interfaces import IHostnameResolver
from twisted.names.client import Resolver
from zope.interface import implementer

from crawler import addresses

T = TypeVar("T")
NO_SUCH_NAME = 3
#: For this one the tests' servers stand: as public as any. No other of loopback is.
PUBLIC = "127.0.0.77"


@dataclass(slots=True, kw_only=True)
class Names:
    """The server: its port, the answers it still has to give, and the names it was asked for."""

    port: int
    answers: dict[str, list[str]]
    asked: list[str] = field(default_factory=list)

    def answer(self, query: bytes) -> bytes:
        """Return the answer to one question."""
        labels, at = [], 12
        while size := query[at]:
            labels.append(query[at + 1 : at + 1 + size].decode("ascii"))
            at += size + 1
        question = query[12 : at + 5]
        name = ".".join(labels).lower()
        self.asked.append(name)
        left = self.answers.get(name)
        if not left:
            return query[:2] + struct.pack(">HHHHH", 0x8180 | NO_SUCH_NAME, 1, 0, 0, 0) + question
        address = ip_address(left[0] if len(left) == 1 else left.pop(0))
        kind = 1 if address.version == 4 else 28
        record = struct.pack(">HHHIH", 0xC00C, kind, 1, 0, len(address.packed)) + address.packed
        return query[:2] + struct.pack(">HHHHH", 0x8180, 1, 1, 0, 0) + question + record


@contextmanager
def serve(answers: Mapping[str, Sequence[str]]) -> Iterator[Names]:
    """Answer questions until the block ends."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        names = Names(port=port, answers={name: list(found) for name, found in answers.items()})
        ended = threading.Event()

        def run() -> None:
            while True:
                query, client = listening.recvfrom(4096)
                if ended.is_set():
                    return
                listening.sendto(names.answer(query), client)

        thread = threading.Thread(target=run, name="names", daemon=True)
        thread.start()
        try:
            yield names
        finally:
            ended.set()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
                last.sendto(b"", ("127.0.0.1", port))
            thread.join()


@implementer(IHostnameResolver)
class _Resolver:
    """Asks the tests' server for names of `.test`, and the system for all else, as ever."""

    def __init__(self, reactor: Any, port: int) -> None:
        self._system = reactor.nameResolver
        asks: Any = Resolver
        self._server = SimpleResolverComplexifier(asks(servers=[("127.0.0.1", port)]))

    def resolveHostName(self, receiver: Any, host: str, *args: Any, **kwargs: Any) -> Any:  # noqa: N802
        chosen = self._server if host.endswith(".test") else self._system
        return chosen.resolveHostName(receiver, host, *args, **kwargs)


def behind(port: int, work: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Do the work, in a process of its own, with names from this server; PUBLIC may be asked."""
    install_reactor("twisted.internet.asyncioreactor.AsyncioSelectorReactor")
    reactor: Any = importlib.import_module("twisted.internet.reactor")
    reactor.installNameResolver(_Resolver(reactor, port))
    really = addresses.is_public
    addresses.is_public = lambda text: text == PUBLIC or really(text)
    return work(*args, **kwargs)
