"""uvicorn's HTTP, with what every answer carries and how long a connection may last."""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

#: Nothing that a page holds is run, and no other page may hold ours: whatever stands in it.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
#: Seconds after which a connection ends with the answer it waits for, and so many more until it
#: ends in the middle: a client that says or reads a letter now and then holds none for ever.
CONNECTION_S = 30.0
CLOSING_S = 10.0
#: So many connections beyond the limit are told of it; more are closed without a word, lest they
#: take all descriptors.
SPARE = 20


class Protocol(H11Protocol):
    """One connection. What is no HTTP is answered with the same headers as all else."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, and count the seconds."""
        super().connection_made(transport)
        self._ends = [
            self.loop.call_later(CONNECTION_S, self.shutdown),
            self.loop.call_later(CONNECTION_S + CLOSING_S, transport.abort),
        ]
        if len(self.connections) > (self.limit_concurrency or 0) + SPARE:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        for timer in self._ends:
            timer.cancel()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, which uvicorn does without the headers of the settings."""
        headers: list[Any] = [
            *self.server_state.default_headers,
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"connection", b"close"),
        ]
        for event in (
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=msg.encode("ascii")),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
