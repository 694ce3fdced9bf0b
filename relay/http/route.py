"""Which way a request goes: directly or through a proxy. Pure; the environment is handed in."""

import ipaddress
from collections.abc import Mapping, Sequence


def proxy_for(
    scheme: str, host: str, port: int, *, configured: str | None, exceptions: Sequence[str], system: Mapping[str, str]
) -> str | None:
    """The address of the proxy for a request, None for the direct way.

    `configured` and `exceptions` are `[http] proxy` and `no_proxy`; `system` is what the environment (on Windows and
    macOS also the system) says: "http", "https", "all" and "no". A configured proxy replaces all of that. Loopback
    and link-local addresses (the metadata service of cloud machines) are never asked through a proxy.
    """
    if _stays_here(host):
        return None
    proxy = configured or system.get(scheme) or system.get("all")
    around = list(exceptions)
    if not configured:
        around += system.get("no", "").split(",")
    if not proxy or any(_excepted(host, port, entry.strip().lower()) for entry in around):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _stays_here(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    address = _address(host)
    return address is not None and (address.is_loopback or address.is_link_local)


def _excepted(host: str, port: int, entry: str) -> bool:
    """One entry of `no_proxy`: `*`, a domain and all below it, an address or a network; a port may follow."""
    if entry == "*":
        return True
    name, colon, number = entry.rpartition(":")
    if colon and number.isdecimal() and (":" not in name or name.endswith("]")):
        if number != str(port):
            return False
        entry = name
    entry = entry.strip("[]")
    address = _address(host)
    if address is None:
        domain = entry.removeprefix("*").removeprefix(".")
        return bool(domain) and (host == domain or host.endswith(f".{domain}"))
    try:
        return address in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
