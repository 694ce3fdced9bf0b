"""A client's private key and its certificate, in PEM or PKCS#12 files.

The configuration looks at them once at start, and whoever signs reads them again each time: `KeyReader` takes them
apart anew only when their content has changed. Nothing here puts a part of a key into a text.
"""

import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import pkcs12

from relay.config.secret import Secret, SecretError, read_octets

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

SHORTEST_RSA = 2048
"""Bits (RFC 7518 3.3 and 3.5)."""
_PEM = re.compile(rb"-----BEGIN [A-Z0-9 ]+-----")
_PEM_KEY = re.compile(rb"-----BEGIN ([A-Z]+ )*PRIVATE KEY-----.+?-----END ([A-Z]+ )*PRIVATE KEY-----", re.DOTALL)
_PEM_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class KeyFiles:
    """Where a key is: `key` is PEM or PKCS#12, `certificate` a file of its own if it is not in `key`."""

    key: Path
    password: Secret | None = None
    certificate: Path | None = None


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key, and the certificate that belongs to it if there is one."""

    private: PrivateKey = field(repr=False)
    certificate: x509.Certificate | None = None

    @property
    def thumbprint(self) -> bytes | None:
        """SHA-256 of the certificate in DER form."""
        return self.certificate.fingerprint(hashes.SHA256()) if self.certificate else None

    @property
    def not_after(self) -> datetime | None:
        """When the certificate ends."""
        return self.certificate.not_valid_after_utc if self.certificate else None


class KeyReader:
    """Reads one key whenever it is used. Taking a PKCS#12 file apart is made slow on purpose: once for each content."""

    def __init__(self, files: KeyFiles) -> None:
        self._files = files
        self._digest = b""
        self._key: SigningKey | None = None

    def read(self) -> SigningKey:
        """The key as the files hold it now. Raises SecretError."""
        files = self._files
        password = files.password.read() if files.password else None
        content = read_octets(files.key)
        certificates = read_octets(files.certificate) if files.certificate else None
        digest = _digest(content, (password or "").encode("utf-8", "replace"), certificates or b"")
        if self._key is None or digest != self._digest:
            self._key = _signing_key(files, content, password, certificates)
            self._digest = digest
        return self._key


def key_of_pem(file: Path, content: bytes) -> SigningKey:
    """The key in a PEM text that `file` holds in some other form. Raises SecretError."""
    return SigningKey(_usable(_from_pem(KeyFiles(file), content, None), file))


def _digest(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).digest()


def _signing_key(files: KeyFiles, content: bytes, password: str | None, certificates: bytes | None) -> SigningKey:
    secret = None if password is None else password.encode("utf-8", "replace")
    if content.lstrip().startswith(b"{"):
        goes_with = 'the key of a Google service account goes with grant = "jwt_bearer"'
        raise SecretError(f"{files.key}: is JSON, not PEM or PKCS#12; {goes_with}")
    if _PEM.search(content):
        private = _from_pem(files, content, secret)
        found = _certificates(content) if _PEM_CERTIFICATE in content else []
    else:
        private, found = _from_pkcs12(files, content, secret)
    usable = _usable(private, files.key)
    if certificates is not None:
        found = _certificates(certificates)
        if not found:
            raise SecretError(f"{files.certificate}: holds no certificate. Name the file with the key's certificate")
    return SigningKey(usable, _of_key(usable, found, files))


def _from_pem(files: KeyFiles, content: bytes, password: bytes | None) -> object:
    key = _PEM_KEY.search(content)
    if key is None:
        raise SecretError(
            f"{files.key}: holds no private key (-----BEGIN PRIVATE KEY-----). Name the file with the key"
        )
    try:
        return serialization.load_pem_private_key(key[0] + b"\n", password)
    except TypeError:
        # The library's way to say that a password is missing, or that there is nothing to use it for.
        if password is None:
            raise SecretError(
                f"{files.key}: is encrypted. Add key_password_file, or store it without password"
            ) from None
        raise SecretError(f"{files.key}: is not encrypted. Remove key_password") from None
    except (ValueError, UnsupportedAlgorithm):
        if files.password is not None:
            raise SecretError(f"{files.key}: does not open with key_password ({files.password.origin})") from None
        raise SecretError(f"{files.key}: the private key in it is damaged. Check that the file is whole") from None


def _from_pkcs12(files: KeyFiles, content: bytes, password: bytes | None) -> tuple[object, list[x509.Certificate]]:
    # "No password" is written in two ways in such files.
    for attempt in (password,) if password is not None else (None, b""):
        try:
            bundle = pkcs12.load_pkcs12(content, attempt)
        except (ValueError, UnsupportedAlgorithm):
            continue
        if bundle.key is None:
            raise SecretError(f"{files.key}: holds no private key. Export the certificate again *with* its key")
        bundled = (bundle.cert, *bundle.additional_certs)
        return bundle.key, [one.certificate for one in bundled if one is not None]
    advice = (
        "Correct key_password, or the file" if password is not None else "If it has a password, add key_password_file"
    )
    raise SecretError(f"{files.key}: is neither a PEM file nor a PKCS#12 file that opens. {advice}")


def _usable(private: object, file: Path) -> PrivateKey:
    if not isinstance(private, PrivateKey):
        raise SecretError(f"{file}: holds a kind of key that cannot sign assertions. Use an RSA or an EC key")
    if isinstance(private, rsa.RSAPrivateKey) and private.key_size < SHORTEST_RSA:
        raise SecretError(
            f"{file}: an RSA key of {private.key_size} bits is too short. Make one of {SHORTEST_RSA} or more"
        )
    return private


def _certificates(content: bytes) -> list[x509.Certificate]:
    try:
        if _PEM_CERTIFICATE in content:
            return x509.load_pem_x509_certificates(content)
        return [x509.load_der_x509_certificate(content)]
    except (ValueError, UnsupportedAlgorithm):
        return []


def _of_key(private: PrivateKey, found: list[x509.Certificate], files: KeyFiles) -> x509.Certificate | None:
    """The one of `found` that is about this key; a chain holds others too."""
    public = _public(private.public_key())
    for certificate in found:
        if _public_of(certificate) == public:
            return certificate
    if found:
        file = files.certificate or files.key
        raise SecretError(
            f"{file}: the certificate is not that of the key in {files.key}. Name the one that belongs to it"
        )
    return None


def _public_of(certificate: x509.Certificate) -> bytes:
    """The key that it is about; b"" where this machine does not know that kind, so that it is another than ours."""
    try:
        return _public(certificate.public_key())
    except (ValueError, UnsupportedAlgorithm):
        return b""


def _public(key: object) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    encoded: bytes = key.public_bytes(serialization.Encoding.DER, form)  # type: ignore[attr-defined]
    return encoded
