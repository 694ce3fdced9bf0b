"""Where a client comes from: its address, and whether that is in a network, or on this machine."""

import ipaddress
from functools import lru_cache

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@lru_cache(maxsize=1024)
def address_of(peer: str) -> Address | None:
    """The address that a network is compared with: no zone, and IPv4 as IPv4 even on an IPv6 socket."""
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, ipaddress.IPv6Address) else address


def is_loopback(peer: str) -> bool:
    """Whether what `peer`, an IP address, sends does not leave this machine."""
    address = address_of(peer)
    return address is not None and address.is_loopback


def comes_from(networks: tuple[Network, ...], peer: str) -> bool:
    """Whether `peer`, an IP address, is in one of `networks`; nobody is in none."""
    return bool(networks) and may_come_from(networks, address_of(peer))


def may_come_from(networks: tuple[Network, ...], address: Address | None) -> bool:
    """Whether who is bound to `networks`, or to none, may come from `address`."""
    return not networks or (address is not None and any(address in network for network in networks))
