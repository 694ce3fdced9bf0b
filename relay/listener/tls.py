"""The listener's side of TLS."""

import asyncio
import ssl

from relay.config import Listener


def server_context(listener: Listener) -> ssl.SSLContext | None:
    """The context of a listener with TLS, or None. Raises OSError or ssl.SSLError when its files cannot be used."""
    if listener.tls == "off" or listener.certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[listener.min_tls]
    password = listener.key_password.read() if listener.key_password else ""
    # Without a password OpenSSL would ask at the terminal: an empty one is an error instead.
    context.load_cert_chain(listener.certificate, listener.key, password=lambda: password)
    return context


def describe(transport: asyncio.BaseTransport | None) -> str:
    """`TLSv1.3 TLS_AES_256_GCM_SHA384` for a connection with TLS, "" without."""
    cipher = transport.get_extra_info("cipher") if transport is not None else None
    return f"{cipher[1]} {cipher[0]}" if cipher else ""
