"""A folder goes in; certificates for a server on loopback come out, and an authority's for them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HERE = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Authority:
    """Who signs: its name and its key. Its certificate is in the file `root`."""

    name: x509.Name
    key: ec.EllipticCurvePrivateKey
    root: Path


def authority(folder: Path) -> Authority:
    """Return an authority that is trusted by who has read its root."""
    key, name = ec.generate_private_key(ec.SECP256R1()), _name("Authority of the tests")
    root = folder / "root.pem"
    root.write_bytes(_pem(_certificate(name, name, key, key, days=1, is_authority=True)))
    return Authority(name, key, root)


def certificate(
    folder: Path, *, by: Authority | None = None, address: str = HERE, expired: bool = False
) -> Path:
    """Return a file with a key and a certificate for an address, signed by itself or by another."""
    key, name = ec.generate_private_key(ec.SECP256R1()), _name(address)
    made = _certificate(
        name,
        by.name if by else name,
        key,
        by.key if by else key,
        days=-1 if expired else 1,
        address=address,
    )
    path = folder / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + _pem(made)
    )
    return path


def _certificate(
    name: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    *,
    days: int,
    address: str | None = None,
    is_authority: bool = False,
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    if address:
        names = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(address))])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(signer, hashes.SHA256())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(made: x509.Certificate) -> bytes:
    return made.public_bytes(serialization.Encoding.PEM)
