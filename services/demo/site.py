"""A port goes in; a small news site on loopback comes out, which remembers what it was asked."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import format_datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from services.demo.newspaper import Resource, resources

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as the server saw it; `at` is time.monotonic() when it came."""

    at: float
    path: str
    status: int
    user_agent: str


@dataclass(slots=True)
class Site:
    """A site that is being served: its address (with a slash at the end) and its files."""

    url: str
    files: dict[str, Resource]
    #: In the order in which the requests came.
    requests: list[Request] = field(default_factory=list)

    def count(self, path: str) -> int:
        """Return how often a path (without its query) was asked for."""
        return sum(request.path.partition("?")[0] == path for request in self.requests)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Or a demo that follows another one closely does not get its port.
    allow_reuse_address = True
    site: Site

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client that hangs up is not the site's trouble."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    timeout = 60
    # Headers and body are two writes: without this the second waits 40 ms for an answer.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        came_at = time.monotonic()
        resource = self.server.site.files.get(self.path.partition("?")[0])
        status = HTTPStatus.OK
        if resource is None:
            status = HTTPStatus.NOT_FOUND
            resource = Resource(body=b"<!DOCTYPE html><title>404</title><h1>Not found</h1>")
        elif self._has(resource):
            status = HTTPStatus.NOT_MODIFIED
        # Written down before the answer: whoever has the answer finds it here.
        self.server.site.requests.append(
            Request(
                at=came_at,
                path=self.path,
                status=status,
                user_agent=self.headers.get("User-Agent", ""),
            )
        )
        self._answer(status, resource)

    def _has(self, resource: Resource) -> bool:
        known = self.headers.get("If-None-Match")
        if known is not None:
            return known == resource.etag
        since = self.headers.get("If-Modified-Since")
        return since is not None and since == _http_date(resource)

    def _answer(self, status: HTTPStatus, resource: Resource) -> None:
        self.send_response(status)
        self.send_header("Content-Type", resource.content_type)
        self.send_header("ETag", resource.etag)
        modified = _http_date(resource)
        if modified:
            self.send_header("Last-Modified", modified)
        body = b"" if status == HTTPStatus.NOT_MODIFIED else resource.body
        if status != HTTPStatus.NOT_MODIFIED:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing: requests are kept in the site."""


def _http_date(resource: Resource) -> str | None:
    modified = resource.last_modified
    return format_datetime(modified.astimezone(UTC), usegmt=True) if modified else None


@contextmanager
def serve(port: int = 0) -> Iterator[Site]:
    """Serve the demo's site until the block ends; on another port if this one is taken."""
    try:
        server = _Server((HOST, port), _Handler)
    except OSError:
        server = _Server((HOST, 0), _Handler)
    url = f"http://{HOST}:{server.server_port}/"
    server.site = Site(url, resources(url))
    thread = threading.Thread(target=server.serve_forever, name="demo-site", daemon=True)
    thread.start()
    try:
        yield server.site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
