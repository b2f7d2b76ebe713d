"""A port goes in; a site comes out that answers each path with trouble of its own."""

import gzip
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

#: What each path gives: status, headers, body.
Answer = tuple[int, dict[str, str], bytes]
BOMB = gzip.compress(b" " * 30_000_000)
ANSWERS: dict[str, Answer] = {
    "/good": (200, {}, b"<html><p>good"),
    "/gone": (410, {}, b""),
    "/forbidden": (403, {}, b""),
    "/broken": (500, {}, b""),
    "/loop": (302, {"Location": "/loop"}, b""),
    "/to-ftp": (302, {"Location": "ftp://example.com/"}, b""),
    "/moved": (301, {"Location": "/good-after-all"}, b""),
    "/good-after-all": (200, {}, b"<html><p>moved"),
    "/large": (200, {}, b"x" * 3_000_000),
    "/bomb": (200, {"Content-Encoding": "gzip"}, BOMB),
    "/cut": (200, {"Content-Length": "1000"}, b"cut"),
}
#: How the link to each path ends: state and reason.
ENDS = {
    "/good": ("fetched", None),
    "/gone": ("failed", "http_410"),
    "/forbidden": ("failed", "http_403"),
    "/broken": ("due", "http_500"),
    "/loop": ("failed", "too_many_redirects"),
    "/to-ftp": ("failed", "http_302"),
    "/moved": ("fetched", None),
    "/large": ("refused", "too_large"),
    "/bomb": ("refused", "too_large"),
    "/cut": ("due", "truncated_body"),
    "/reset": ("due", "connection_failed"),
    "/missing": ("failed", "http_404"),
}


class BadServer(ThreadingHTTPServer):
    """Serves ANSWERS, what a test adds to them, and a sitemap of ENDS."""

    daemon_threads = True

    def __init__(self, certificate_in: Path | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        scheme = "http"
        if certificate_in:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(_certificate(certificate_in))
            self.socket = context.wrap_socket(self.socket, server_side=True)
            scheme = "https"
        self.url = f"{scheme}://127.0.0.1:{self.server_port}"
        self.asked: list[str] = []
        #: When, by time.monotonic(), and under which host name each of these was asked for.
        self.asked_at: list[float] = []
        self.asked_hosts: list[str] = []
        self.answers = dict(ANSWERS)
        #: To whoever has a copy these paths say that it did not change.
        self.lying: set[str] = set()
        self.answers["/sitemap.xml"] = (200, {}, self.sitemap(ENDS))

    def sitemap(self, paths: Iterable[str]) -> bytes:
        """Return a sitemap of these paths."""
        told = "".join(f"<url><loc>{self.url}{path}</loc></url>" for path in paths)
        return f"<urlset>{told}</urlset>".encode()

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: trouble is what it is for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: BadServer

    def do_GET(self) -> None:
        self.server.asked_at.append(time.monotonic())
        self.server.asked_hosts.append(self.headers.get("Host", "").partition(":")[0])
        self.server.asked.append(self.path)
        if self.path == "/reset":
            self.close_connection = True
            return
        status, headers, body = self.server.answers.get(self.path, (404, {}, b""))
        if self.path in self.server.lying and self.headers.get("If-None-Match"):
            status, body = 304, b""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


def _certificate(folder: Path) -> Path:
    """Return a file with a key and the certificate it has signed for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    path = folder / "self-signed.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


@contextmanager
def serve(certificate_in: Path | None = None) -> Iterator[BadServer]:
    """Serve the site until the block ends; over TLS, with a certificate made in a folder."""
    server = BadServer(certificate_in)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
