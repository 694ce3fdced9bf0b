"""The first octets of a connection that speaks no SMTP: what it is, and what somebody has to change."""

from relay import log
from relay.config import Listener
from relay.listener import proxy_header
from relay.listener.opening import TLS_HELLO

_SHORTEST = 6
"""Octets from which a PROXY header can be told from a command."""


def looks_foreign(data: bytes) -> bool:
    """Whether a connection that begins like this is TLS or the PROXY protocol, not SMTP."""
    first = data[0]
    if first == TLS_HELLO:
        return True
    # A PROXY header of version 2 holds a QUIT: read as commands it would end in a puzzle.
    return first in b"\rP" and len(data) >= _SHORTEST and proxy_header.looks_like_one(data)


def tell(data: bytes, peer: str, listener: str, settings: Listener) -> None:
    """Write the line that names what came and what to change."""
    if data[0] != TLS_HELLO:
        log.listener.proxy_refused(peer, listener)
    elif settings.tls == "starttls":
        log.listener.tls_refused(peer, listener, f'write listeners.{listener}.tls = "auto"')
    else:
        log.listener.tls_refused(
            peer,
            listener,
            f'write listeners.{listener}.tls = "auto" with certificate and key ("self-signed" for a try)',
        )
