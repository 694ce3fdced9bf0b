"""Addresses of the network as people write them: what to bind, who may come, names for EHLO, and URLs.

Nothing here asks a name server: a relay must start, and its configuration must be checked, without one.
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

EVERYWHERE: tuple[Network, ...] = (ipaddress.IPv4Network("0.0.0.0/0"), ipaddress.IPv6Network("::/0"))
LOOPBACK: tuple[Network, ...] = (ipaddress.IPv4Network("127.0.0.0/8"), ipaddress.IPv6Network("::1/128"))

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
# What name servers and compose files hold, underscores included, though RFC 1123 has none.
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_-]+)*\.?")
_PATH = re.compile(r"(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
# What the HTTP client writes itself; `authorization` in any other form than Basic is for the provider to say.
_OWN_HEADERS = {
    *("host", "content-type", "content-length", "transfer-encoding", "connection", "accept", "accept-encoding"),
    *("user-agent", "te", "upgrade", "expect", "trailer", "proxy-authorization", "cookie"),
}
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_UNIQUE_LOCAL = ipaddress.IPv6Network("fc00::/7")


@dataclass(frozen=True, slots=True)
class Bind:
    """One address to listen on; an `optional` one is skipped where the machine does not have it. Port 0: any free."""

    host: str
    port: int
    optional: bool = False

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return ipaddress.ip_address(self.host).is_loopback

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def bind(text: str) -> tuple[Bind, ...]:
    """`127.0.0.1:2525`, `[::1]:2525`; `localhost:2525` is both, ::1 only where it exists. Raises ValueError."""
    host, colon, digits = text.rpartition(":")
    if not colon or not digits.isascii() or not digits.isdigit():
        raise ValueError(f'"{text}" is not an address and a port: write it like "127.0.0.1:2525" or "[::1]:2525"')
    if len(digits) > 5 or int(digits) > 65535:
        raise ValueError(f'"{text}": a port is a number from 1 to 65535 (0 takes any free one)')
    port = int(digits)
    if not host:
        raise ValueError(
            f'"{text}" does not say which address: write "127.0.0.1:{digits}" for this machine only, '
            f'or "0.0.0.0:{digits}" and "[::]:{digits}" for every network'
        )
    if host.lower() == "localhost":
        return (Bind("127.0.0.1", port), Bind("::1", port, optional=True))
    return (Bind(_bind_host(text, host, digits), port),)


def _bind_host(text: str, host: str, digits: str) -> str:
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        address = ipaddress.ip_address(host[1:-1] if bracketed else host)
    except ValueError:
        raise ValueError(
            f'"{text}": {host} is not an IP address, and names are not looked up: write the address, '
            f'like "127.0.0.1:{digits}", or "localhost:{digits}"'
        ) from None
    if bracketed != (address.version == 6):
        right = f"[{address}]" if address.version == 6 else str(address)
        raise ValueError(f'"{text}": brackets are for IPv6 addresses, which need them: write "{right}:{digits}"')
    return str(address)


def network(text: str) -> Network:
    """`192.0.2.0/24`, `2001:db8::/32`, or one address. IPv4 written as IPv6 becomes IPv4. Raises ValueError."""
    try:
        found = ipaddress.ip_network(text, strict=False)
        address = ipaddress.ip_interface(text).ip
    except ValueError:
        raise ValueError(
            f'"{text}" is no network: write it like "192.0.2.0/24", "2001:db8::/32" or "192.0.2.7"'
        ) from None
    if address != found.network_address:
        raise ValueError(f'"{text}" is an address inside a network: write "{found}" for all of it, or "{address}"')
    if isinstance(found, ipaddress.IPv6Network) and found.prefixlen >= 96 and found.subnet_of(_MAPPED):
        return ipaddress.IPv4Network((int(found.network_address) & 0xFFFFFFFF, found.prefixlen - 96))
    return found


def is_open(networks: Iterable[Network]) -> bool:
    """Whether `networks` let strangers in: everything, or a piece of the internet that no organisation has."""
    four = ipaddress.collapse_addresses(net for net in networks if isinstance(net, ipaddress.IPv4Network))
    six = ipaddress.collapse_addresses(net for net in networks if isinstance(net, ipaddress.IPv6Network))
    return any(net.prefixlen < 8 for net in four) or any(
        net.prefixlen < 16 and not net.subnet_of(_UNIQUE_LOCAL) for net in six
    )


def domain(text: str) -> str:
    """A domain name in its ASCII form (RFC 1123 2.1, RFC 5321 4.1.2). Raises ValueError."""
    if not text.isascii():
        raise ValueError(f'"{text}" is not ASCII: write the name in its xn-- form')
    if len(text) > 253 or not _DOMAIN.fullmatch(text) or text.rpartition(".")[2].isdigit():
        raise ValueError(f'"{text}" is no domain name: it has letters, digits and hyphens, with dots in between')
    return text


def ehlo_name(text: str) -> str:
    """What may follow EHLO (RFC 5321 4.1.1.1): a domain name, or an address in brackets. Raises ValueError."""
    if text.startswith("[") and text.endswith("]"):
        inner = text[1:-1]
        try:
            if inner.lower().startswith("ipv6:"):
                ipaddress.IPv6Address(inner[5:])
            else:
                ipaddress.IPv4Address(inner)
        except ValueError:
            raise ValueError(f'"{text}" is no address: write it like "[192.0.2.1]" or "[IPv6:2001:db8::1]"') from None
        return text
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return domain(text)
    tag = "IPv6:" if address.version == 6 else ""
    raise ValueError(f'"{text}" is an address: write "[{tag}{text}]"')


def usable_hostname(machine: str) -> str:
    """The machine's own name where EHLO can use it, else an address in brackets, which is always valid."""
    try:
        return ehlo_name(machine.rstrip("."))
    except ValueError:
        return "[127.0.0.1]"


def host(text: str) -> str:
    """The name or address of a server to connect to, without a port. Raises ValueError, which quotes nothing:
    people paste URLs with a password here.
    """
    if "://" in text or "/" in text:
        raise ValueError("is a URL: write only the name of the host")
    try:
        return str(ipaddress.ip_address(text.removeprefix("[").removesuffix("]")))
    except ValueError:
        pass  # Not an address: a name, checked below.
    _, colon, digits = text.rpartition(":")
    if colon and digits.isdigit():
        raise ValueError(f"holds a port: write port = {digits} as a key of its own, and only the name here")
    if not text.isascii() or len(text) > 253 or not _HOST.fullmatch(text):
        raise ValueError("is no host name: write it like smtp.example.com")
    return text


def https_url(text: str) -> str:
    """An address that tokens or secrets are sent to: https, a host, nothing secret inside. Raises ValueError.

    The text is not quoted in the error: people put keys into URLs.
    """
    try:
        parts = urlsplit(text)
        named, user = parts.hostname, parts.username
        _ = parts.port
    except ValueError:
        raise ValueError("is not a URL: write it like https://login.example.com/oauth2/token") from None
    if parts.scheme == "http":
        raise ValueError(
            "begins with http://, so secrets and tokens would cross the network readable, and on this machine any "
            "program that takes the port would get them: write https://"
        )
    if parts.scheme != "https" or not named:
        raise ValueError("is not an https URL: write it like https://login.example.com/oauth2/token")
    if user is not None or parts.fragment:
        raise ValueError("holds a user name or a fragment: write only the address")
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("holds characters that a URL cannot have: encode them with %")
    return text


def webhook(text: str) -> str:
    """An address that alerts are posted to; plain http is for programs on this machine. Raises ValueError.

    The text is not quoted in the error: such an address often holds its own password.
    """
    if not text.startswith("http://"):
        return https_url(text)
    named = urlsplit(https_url(f"https{text[4:]}")).hostname or ""
    if named != "localhost" and not _is_loopback(named):
        raise ValueError("begins with http://, so that others could read and use the address: write https://")
    return text


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def issuer(text: str) -> str:
    """A provider's name for itself, which is an address; https:// may be left out. Raises ValueError."""
    whole = text if "://" in text else f"https://{text}"
    found = https_url(whole)
    if urlsplit(found).query:
        raise ValueError("holds a query: an issuer has none (OpenID Connect Discovery)")
    if "/.well-known/" in found:
        raise ValueError("is the address of the metadata: write only what stands in front of /.well-known/")
    return found


def base_path(text: str) -> str:
    """`/` or `/mail`: how a proxy's addresses for the page begin, without the final slash. Raises ValueError."""
    bare = text.rstrip("/")
    if not text.startswith("/") or not _PATH.fullmatch(bare):
        raise ValueError(f'"{text}" is no path: write it like "/mail", with letters, digits, ".", "_", "-" and "/"')
    return bare or "/"


def redirect_uri(text: str) -> str:
    """Where a browser is sent after a sign-in: https, or http on this machine (RFC 8252 7.3). Raises ValueError."""
    try:
        parts = urlsplit(text)
        loopback = parts.scheme == "http" and parts.hostname in {"localhost", "127.0.0.1", "::1"}
        usable = (loopback or (parts.scheme == "https" and parts.hostname)) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.fragment or parts.query:
        raise ValueError(
            "is no redirect URI: write http://localhost, http://127.0.0.1 (with a port to use that one), or the https "
            "address that is registered for the application"
        )
    return text


def header_name(text: str) -> str:
    """The name of an HTTP header (RFC 9110 5.1) that may carry a secret. Raises ValueError."""
    if not _TOKEN.fullmatch(text):
        raise ValueError(f'"{text}" is no name of an HTTP header: write it like "X-Client-Secret"')
    if text.lower() in _OWN_HEADERS:
        raise ValueError(
            f'"{text}" is a header that the request needs for itself: write the one that the provider names'
        )
    return text


def proxy_url(text: str) -> str:
    """`http://host:port`, with or without user and password. Raises ValueError, which quotes nothing."""
    try:
        parts = urlsplit(text)
        if parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0 and not parts.path.strip("/"):
            return text
    except ValueError:
        pass  # A port out of range, or brackets that do not match: the same answer.
    raise ValueError("is no proxy address: write it like http://proxy.example.com:3128")
