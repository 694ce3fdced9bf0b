"""Whether others could read what a client sends: then passwords of mailboxes and tokens are not even looked at."""

import ipaddress

from relay.listener.visitor import VisitorSession

ENCRYPT_FIRST = "538 5.7.11 Encryption required for authentication: issue STARTTLS first"


def may_be_read(session: VisitorSession) -> bool:
    """Whether there is no TLS between here and a client on another machine, whatever `require_tls` says."""
    return not (session.tls or _is_here(session.peer))


def _is_here(peer: str) -> bool:
    """Whether what `peer` sends does not leave this machine."""
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
