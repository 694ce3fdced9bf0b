"""What a request tells of who asks: an address, a user name and a password. Both doors of the page go by it."""

import base64
import binascii
import ipaddress

from starlette.datastructures import Headers


def is_loopback(peer: str) -> bool:
    """Whether an address is this machine's own."""
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def credentials(headers: Headers) -> tuple[str, str] | None:
    """User name and password of HTTP Basic (RFC 7617); None without."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic" or len(token) > 4096:
        return None
    try:
        user, colon, password = base64.b64decode(token, validate=True).decode("utf-8", "replace").partition(":")
    except (binascii.Error, ValueError):
        return None
    return (user, password) if colon else None
