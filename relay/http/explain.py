"""What went wrong with a request, in words: from what the HTTP library raises to an `HttpError` with a next step.

Nothing that a library says about the request or the answer is quoted: it can hold a header with a token in it.
"""

import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import httpx2

from relay.http.errors import HttpError


class Connection(Protocol):
    """What the library calls a network stream, as far as it is needed here."""

    async def aclose(self) -> None: ...


@dataclass(slots=True)
class Progress:
    """How far a request came: it decides what an error means, and whether the server may have seen the request.

    `proxy` is "" on the direct way.
    """

    host: str
    port: int
    seconds: float
    connect_seconds: float
    proxy: str
    stage: Literal["connect", "tunnel", "tls", "sent"] = "connect"
    connection: Connection | None = None

    async def trace(self, name: str, info: Mapping[str, Any]) -> None:
        """What the library tells of its progress (its extension "trace")."""
        if name.endswith("connect_tcp.complete"):
            self.connection = info["return_value"]
        elif name.endswith("start_tls.started"):
            self.stage = "tls"
        elif name.endswith("send_request_headers.started"):
            # The CONNECT to a proxy is a request of its own and not yet ours.
            self.stage = "tunnel" if info["request"].method == b"CONNECT" else "sent"

    async def clean_up(self) -> None:
        """Close what the library leaves open when it is cancelled in the middle of a TLS handshake."""
        if self.stage == "tls" and self.connection is not None:
            await self.connection.aclose()


def explained(error: Exception, progress: Progress) -> HttpError:
    """The error to raise in place of the library's `error`."""
    host, sent = progress.host, progress.stage == "sent"
    if isinstance(error, httpx2.ProxyError):
        return proxy_refused(progress, str(error)[:3])
    if isinstance(error, TimeoutError | httpx2.TimeoutException):
        return _too_slow(progress)
    if isinstance(error, httpx2.LocalProtocolError | httpx2.InvalidURL | UnicodeError):
        hint = "Check the configured address, names and secrets for control characters and line ends"
        return HttpError("protocol", f"the request to {host} holds a character that HTTP does not allow", hint)
    if progress.stage in ("connect", "tls"):
        return _not_connected(error, progress)
    if progress.stage == "tunnel":
        hint = "Check the address of the proxy in [http] proxy or HTTPS_PROXY"
        return HttpError("proxy", f"the proxy {progress.proxy} broke off or is no HTTP proxy", hint)
    if isinstance(error, httpx2.RemoteProtocolError):
        hint = "If it stays so, check the address and what stands between the relay and that server"
        return HttpError("protocol", f"{host} closed the connection or did not answer in HTTP", hint, sent=sent)
    hint = "If it stays so, check firewalls and proxies between the relay and that server"
    return HttpError("protocol", f"the connection to {host} broke off", hint, sent=sent)


def proxy_refused(progress: Progress, status: str) -> HttpError:
    """`status` is the HTTP status that the proxy answered."""
    proxy = progress.proxy or f"in front of {progress.host}"
    if status == "407":
        hint = "Write its user and password into [http] proxy as http://USER:PASSWORD@HOST:PORT, percent-encoded"
        return HttpError("proxy", f"the proxy {proxy} wants a login, or another one (407)", hint)
    hint = f"Ask who runs it to allow {progress.host} port {progress.port}"
    return HttpError("proxy", f"the proxy {proxy} refused a connection to {progress.host} ({status})", hint)


def unusable_proxy(proxy: str) -> HttpError:
    """`proxy` is its address without the login."""
    hint = "Write http://HOST:PORT or http://USER:PASSWORD@HOST:PORT into [http] proxy or HTTPS_PROXY"
    return HttpError("proxy", f"the proxy {proxy} cannot be used: its address is not that of an HTTP proxy", hint)


def _not_connected(error: Exception, progress: Progress) -> HttpError:
    first_hop = progress.stage == "connect" and progress.proxy
    peer = f"the proxy {progress.proxy}" if first_hop else f"{progress.host} port {progress.port}"
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _not_trusted(cause, progress)
        if isinstance(cause, socket.gaierror):
            text = f"the name of {peer} cannot be resolved ({cause.strerror})"
            return HttpError("connect", text, f"Check its spelling and this machine's DNS{_or_proxy(progress)}")
    if progress.stage == "tls":
        reasons = [cause.reason for cause in causes if isinstance(cause, ssl.SSLError) and cause.reason]
        reason = f" ({reasons[-1].replace('_', ' ').lower()})" if reasons else ""
        hint = "Check that this port speaks TLS 1.2 or newer and that no firewall breaks it off"
        return HttpError("tls", f"no TLS connection to {peer}{reason}", hint)
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        hint = "Check the address, and that the server runs and no firewall refuses it"
        return HttpError("connect", f"{peer} refused the connection", hint)
    reasons = [cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror]
    text = f"{peer} cannot be reached{f' ({reasons[-1]})' if reasons else ''}"
    return HttpError("connect", text, f"Check this machine's network and firewall{_or_proxy(progress)}")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """`error`, what it came from, and what that was made of (one failure for each address that was tried)."""
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for part in error.exceptions:
                yield from _causes(part)
        error = error.__cause__ or error.__context__


def _not_trusted(error: ssl.SSLCertVerificationError, progress: Progress) -> HttpError:
    # OpenSSL's numbers (x509_vfy.h): 9 and 10 not yet or no longer valid, 62 another host name, 64 another address.
    hints = {
        9: "Check this machine's clock",
        10: "Check this machine's clock; if it is right, the server's certificate must be renewed",
        62: "Check the host name in the address",
        64: "Write the host name, not the address, or check that it is the right server",
    }
    private = (
        "If your network inspects TLS or the server's certificate authority is your own, give that authority's"
        " certificate as [http] ca_file"
    )
    text = f"the certificate of {progress.host} is not trusted ({error.verify_message})"
    return HttpError("tls", text, hints.get(error.verify_code, private))


def _too_slow(progress: Progress) -> HttpError:
    if progress.stage == "sent":
        text = f"{progress.host} did not answer within {progress.seconds:g} s"
        return HttpError("timeout", text, "If it stays so, raise [http] timeout", sent=True)
    peer = f"the proxy {progress.proxy}" if progress.proxy else f"{progress.host} port {progress.port}"
    hint = f"Check that the firewall lets the relay out{_or_proxy(progress)}"
    return HttpError("timeout", f"no connection to {peer} within {progress.connect_seconds:g} s", hint)


def _or_proxy(progress: Progress) -> str:
    return "" if progress.proxy else "; if this network has a web proxy, set [http] proxy"
