"""The listener's side of TLS: its context, kept up to date with its files, and what is known of a connection's."""

import asyncio
import hashlib
import ssl
import warnings
from pathlib import Path
from typing import Any

from relay import log
from relay.config import Listener, SecretError
from relay.listener import self_signed
from relay.model import Clock

_LOOK_AGAIN = 10.0
"""Seconds for which files are taken to be what they were."""
_VERSIONS = {
    "1.0": ssl.TLSVersion.TLSv1,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}
_OLD_CIPHERS = "DEFAULT:@SECLEVEL=0"
"""OpenSSL 3 does not speak TLS 1.0 and 1.1 on any higher level, nor with the small keys of such devices."""


class ServerTls:
    """The context of a listener with TLS. Raises OSError, ssl.SSLError or SecretError when its files cannot be used.

    `current()` looks at the files again: connections that begin afterwards get the new certificate. One that cannot be
    used leaves the old in place, and the log says so once.
    """

    def __init__(self, listener: Listener, clock: Clock, hostname: str = "") -> None:
        self._listener = listener
        self._clock = clock
        if listener.self_signed and listener.certificate and listener.key:
            self_signed.make(listener.certificate, listener.key, hostname)
        self._context = _context(listener)
        self._loaded = self._fingerprint()
        self._refused = b""
        self._looked_at = clock.monotonic()

    def current(self) -> ssl.SSLContext:
        """The context for a connection that begins now."""
        now = self._clock.monotonic()
        if now - self._looked_at >= _LOOK_AGAIN:
            self._looked_at = now
            self._look()
        return self._context

    def _look(self) -> None:
        found = self._fingerprint()
        if found in (self._loaded, self._refused):
            return
        try:
            fresh = _context(self._listener)
        except (OSError, ssl.SSLError, SecretError, ValueError) as error:
            self._refused = found
            log.listener.certificate_refused(str(self._listener.certificate), str(error))
            return
        if self._fingerprint() != found:
            return  # somebody is writing them: the next look finds all of it
        self._context, self._loaded, self._refused = fresh, found, b""
        log.listener.certificate_renewed(str(self._listener.certificate))

    def _fingerprint(self) -> bytes:
        listener = self._listener
        digest = hashlib.sha256()
        for path in (listener.certificate, listener.key, listener.client_ca):
            digest.update(hashlib.sha256(_octets(path)).digest())
        return digest.digest()


def _octets(path: Path | None) -> bytes:
    try:
        return path.read_bytes() if path is not None else b""
    except OSError:
        return b""  # Loading it says why.


def server_tls(listener: Listener, clock: Clock, hostname: str = "") -> ServerTls | None:
    """What a listener with TLS needs, None for one without. Raises like ServerTls."""
    if listener.tls == "off" or listener.certificate is None:
        return None
    return ServerTls(listener, clock, hostname)


def _context(listener: Listener) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with warnings.catch_warnings():
        # Python warns of what profile = "legacy" asks for on purpose.
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = _VERSIONS[listener.min_tls]
    if listener.profile == "legacy":
        context.set_ciphers(_OLD_CIPHERS)
    password = listener.key_password.read() if listener.key_password else ""
    assert listener.certificate is not None  # noqa: S101 (server_tls() asks)
    # Without a password OpenSSL would ask at the terminal: an empty one is an error instead.
    context.load_cert_chain(listener.certificate, listener.key, password=lambda: password)
    if listener.client_ca is not None:
        context.load_verify_locations(listener.client_ca)
        # Optional: who shows none is recognised some other way, or by nothing.
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def describe(transport: asyncio.BaseTransport | None) -> str:
    """`TLSv1.3 TLS_AES_256_GCM_SHA384` for a connection with TLS, "" without."""
    cipher = transport.get_extra_info("cipher") if transport is not None else None
    return f"{cipher[1]} {cipher[0]}" if cipher else ""


def names_of(certificate: Any) -> frozenset[str]:
    """The names of a client's certificate, as `ssl.SSLObject.getpeercert()` gives it, in lower case.

    Its common name, its alternative names (host, e-mail, URI), and its whole subject as `CN=printer,O=Example`.
    """
    if not certificate:
        return frozenset()
    parts = [pair for group in certificate.get("subject", ()) for pair in group]
    names = [value for key, value in parts if key == "commonName"]
    names += [value for kind, value in certificate.get("subjectAltName", ()) if kind in ("DNS", "email", "URI")]
    names.append(",".join(f"{_SHORT.get(key, key)}={value}" for key, value in reversed(parts)))
    return frozenset(name.lower() for name in names)


_SHORT = {
    "commonName": "CN",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "countryName": "C",
    "stateOrProvinceName": "ST",
    "localityName": "L",
    "domainComponent": "DC",
    "userId": "UID",
}
"""RFC 4514 3."""
