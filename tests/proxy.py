"""A server's socket in, an address on loopback out that speaks TLS before it, as a server would."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Authority:
    """Vouches for names; `file` holds its certificate, PEM."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(self._sign(self._name, self._key, authority=True))

    def vouch(self, name: str) -> tuple[Path, Path]:
        """Return the files of a certificate for a name, and of its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._folder / f"{self.file.stem}-{name}.pem"
        certificate.write_bytes(self._sign(subject, key, authority=False))
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        key_file = certificate.with_suffix(".key")
        key_file.write_bytes(pem)
        key_file.chmod(0o600)  # libpq and Postgres want it so
        return certificate, key_file

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, authority: bool
    ) -> bytes:
        now = datetime.now(UTC)
        (name,) = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.DNSName(str(name.value))]), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM)


@contextmanager
def before(
    path: Path, files: tuple[Path, Path], *, clients: Path | None = None, postgres: bool = False
) -> Iterator[int]:
    """Give the port of a TLS server before the server at this socket, with its certificate and key.

    `clients`: who vouches for clients, where they are asked for a certificate. `postgres`: a
    client asks for TLS first, as that protocol has it.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=clients)
    context.load_cert_chain(*files)
    context.verify_mode = ssl.CERT_REQUIRED if clients else ssl.CERT_NONE

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while piece := await reader.read(65536):
                writer.write(piece)
                await writer.drain()
        writer.close()

    transports: set[asyncio.BaseTransport] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            if postgres:
                assert (await reader.readexactly(8))[4:] == b"\x04\xd2\x16\x2f"
                writer.write(b"S")
                await writer.start_tls(context)
            transports.add(writer.transport)
            from_server, to_server = await asyncio.open_unix_connection(path)
            transports.add(to_server.transport)
            await asyncio.gather(copy(reader, to_server), copy(from_server, writer))
        writer.close()

    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)  # handshakes that fail are what is tested
    starting = asyncio.start_server(serve, "127.0.0.1", ssl=None if postgres else context)
    server = loop.run_until_complete(starting)
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        for transport in transports:
            transport.abort()  # type: ignore[attr-defined] # streams' have it
        while tasks := asyncio.all_tasks(loop):
            loop.run_until_complete(asyncio.wait(tasks, timeout=1))
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
