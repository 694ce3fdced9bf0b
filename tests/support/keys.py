"""Private keys and certificates as people keep them: PEM, encrypted PEM, PKCS#12."""

import functools
import json
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def rsa_key(number: int = 0, bits: int = 2048) -> rsa.RSAPrivateKey:
    """The same key for the same `number`: making one takes a while."""
    return _rsa_key(number, bits)


@functools.cache
def _rsa_key(_number: int, bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def pem(key: Key, password: str | None = None) -> bytes:
    hidden = serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, hidden)


def public_pem(key: Key) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form)


def certificate(key: Key, *, begin: datetime | None = None, days: int = 730, name: str = "relay") -> x509.Certificate:
    """Signed by the key itself, as Microsoft's pages have it."""
    begin = begin or datetime.now(UTC) - timedelta(days=1)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = x509.CertificateBuilder(subject, subject, key.public_key(), 1, begin, begin + timedelta(days=days))
    return made.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())


def certificate_pem(made: x509.Certificate) -> bytes:
    return made.public_bytes(serialization.Encoding.PEM)


def certificate_der(made: x509.Certificate) -> bytes:
    return made.public_bytes(serialization.Encoding.DER)


def pfx(key: rsa.RSAPrivateKey | None, made: x509.Certificate | None, password: str | None = None) -> bytes:
    """A PKCS#12 file."""
    hidden = serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
    return pkcs12.serialize_key_and_certificates(b"relay", key, made, None, hidden)


def service_account(key: rsa.RSAPrivateKey, **changes: object) -> str:
    """A key file as Google hands it out, with `changes`; what is None is left out."""
    document = {
        "type": "service_account",
        "project_id": "relay",
        "private_key_id": "0123456789abcdef",
        "private_key": pem(key).decode(),
        "client_email": "relay@relay.iam.gserviceaccount.com",
        "client_id": "100000000000000000001",
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": "https://oauth2.googleapis.com/token",
        "universe_domain": "googleapis.com",
    }
    return json.dumps({name: value for name, value in (document | changes).items() if value is not None}, indent=2)
