"""The PROXY protocol, versions 1 and 2: what a load balancer says about a connection in front of it.

No I/O. The text is the specification's (haproxy.org/download/2.8/doc/proxy-protocol.txt, sections 2.1 and 2.2).
"""

import ipaddress
import struct
from typing import NamedTuple

SIGNATURE_2 = b"\r\n\r\n\x00\r\nQUIT\n"
_SIGNATURE_1 = b"PROXY "
_LONGEST_1 = 107
"""Octets of a version 1 line with its CRLF."""
_HEADER_2 = struct.Struct("!12sBBH")
_LARGEST_2 = 4096
"""Octets of addresses and TLVs that are taken; the specification asks for 536."""


class BadProxyHeaderError(ValueError):
    """What came is no PROXY header; the text says what is wrong with it."""


class ProxyHeader(NamedTuple):
    """What was said: the client's address and port ("" where the load balancer speaks for itself), and the rest."""

    address: str
    port: int
    rest: bytes


def looks_like_one(data: bytes) -> bool:
    """Whether `data` begins, as far as it goes, like a PROXY header of either version."""
    return bool(data) and any(data.startswith(start) or start.startswith(data) for start in (SIGNATURE_2, _SIGNATURE_1))


def parse(data: bytes) -> ProxyHeader | None:
    """Read the header at the beginning of `data`; None when it has not come whole. Raises BadProxyHeaderError."""
    if not looks_like_one(data):
        raise BadProxyHeaderError("the connection does not begin with a PROXY header")
    return _version_2(data) if data[:1] == b"\r" else _version_1(data)


def _version_1(data: bytes) -> ProxyHeader | None:
    line, end, rest = data[:_LONGEST_1].partition(b"\r\n")
    if not end:
        if len(data) >= _LONGEST_1:
            raise BadProxyHeaderError("the line of version 1 does not end")
        return None
    words = line.split(b" ")
    if words[1] == b"UNKNOWN":
        return ProxyHeader("", 0, data[len(line) + 2 :])
    if len(words) != 6 or words[1] not in (b"TCP4", b"TCP6"):
        raise BadProxyHeaderError("the line of version 1 is malformed")
    version = 4 if words[1] == b"TCP4" else 6
    source, _ = (_address(word, version) for word in words[2:4])
    port, _ = (_port(word) for word in words[4:6])
    return ProxyHeader(source, port, rest + data[_LONGEST_1:])


def _address(word: bytes, version: int) -> str:
    try:
        found = ipaddress.ip_address(word.decode("ascii"))
    except ValueError:
        raise BadProxyHeaderError("an address of version 1 is malformed") from None
    if found.version != version:
        raise BadProxyHeaderError("an address of version 1 is of the other family")
    return _plain(found)


def _port(word: bytes) -> int:
    if not (word.isdigit() and len(word) <= 5 and int(word) <= 65535):
        raise BadProxyHeaderError("a port of version 1 is malformed")
    return int(word)


def _version_2(data: bytes) -> ProxyHeader | None:
    if len(data) < _HEADER_2.size:
        return None
    _, version_command, family, length = _HEADER_2.unpack_from(data)
    if version_command >> 4 != 2:
        raise BadProxyHeaderError(f"version {version_command >> 4} is not known")
    if length > _LARGEST_2:
        raise BadProxyHeaderError(f"the header claims {length} octets, more than {_LARGEST_2}")
    if len(data) < _HEADER_2.size + length:
        return None
    block = data[_HEADER_2.size : _HEADER_2.size + length]
    rest = data[_HEADER_2.size + length :]
    command = version_command & 0x0F
    if command == 0:
        return ProxyHeader("", 0, rest)  # LOCAL: the load balancer's own health check
    if command != 1:
        raise BadProxyHeaderError(f"command {command} is not known")
    return _proxied(family, block, rest)


def _proxied(family: int, block: bytes, rest: bytes) -> ProxyHeader:
    sizes = {0x11: 4, 0x21: 16}
    size = sizes.get(family)
    if size is None:
        if family == 0:
            return ProxyHeader("", 0, rest)
        raise BadProxyHeaderError(f"address family {family:#x} is not TCP over IPv4 or IPv6")
    if len(block) < 2 * size + 4:
        raise BadProxyHeaderError("the addresses of version 2 are cut short")
    address = ipaddress.ip_address(block[:size])
    return ProxyHeader(_plain(address), int.from_bytes(block[2 * size : 2 * size + 2], "big"), rest)


def _plain(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """IPv4 written as IPv6 is the IPv4 address that it stands for."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
