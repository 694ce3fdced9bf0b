"""A certificate that nobody vouches for, for a first try with TLS: clients have to be told to trust it."""

import datetime as dt
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from relay import disk, log

_BITS = 2048
"""Of an RSA key: devices whose TLS ends at 1.0 know no elliptic curves, and every newer client knows RSA."""
_DAYS = 397
"""Newer clients refuse what is valid for longer (CA/Browser Forum, Baseline Requirements 6.3.2)."""


def make(certificate: Path, key: Path, hostname: str) -> None:
    """Write a certificate for `hostname` and this machine, and its key, unless both are there. Raises OSError."""
    if certificate.exists() and key.exists():
        return
    private = rsa.generate_private_key(public_exponent=65537, key_size=_BITS)
    _write(
        key,
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )
    _write(certificate, _signed(private, hostname).public_bytes(serialization.Encoding.PEM))
    log.listener.certificate_made(str(certificate))


def _signed(private: rsa.RSAPrivateKey, hostname: str) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, (hostname or "localhost")[:64])])
    hosts = [host for host in dict.fromkeys((hostname, "localhost")) if host and not host.startswith("[")]
    alternatives: list[x509.GeneralName] = [x509.DNSName(host) for host in hosts]
    alternatives += [x509.IPAddress(ipaddress.ip_address(address)) for address in ("127.0.0.1", "::1")]
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=_DAYS))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(private, hashes.SHA256())
    )


def _write(path: Path, octets: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with disk.private(path) as opened:
        opened.write(octets)
