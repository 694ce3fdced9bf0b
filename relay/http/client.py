"""The client that the whole process shares: which way a request goes, and what is trusted on it."""

import functools
import ssl
import urllib.request
from collections.abc import AsyncIterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlencode, urlsplit

from relay import __version__
from relay.config.secret import Secret, SecretError
from relay.http.errors import HttpError
from relay.http.route import proxy_for
from relay.http.waiting import retry_after
from relay.model import Clock

if TYPE_CHECKING:
    from relay.http.wire import Wire

MIB = 1024 * 1024
_USER_AGENT = f"smtp-oauth-relay/{__version__}"


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """An answer, whatever its status. Header names are in lower case; `retry_after` is in seconds."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    retry_after: float | None = None


class HttpSettings(Protocol):
    """What `[http]` says; `timeout` is in seconds."""

    @property
    def proxy(self) -> Secret | None: ...
    @property
    def no_proxy(self) -> Sequence[str]: ...
    @property
    def ca_file(self) -> Path | None: ...
    @property
    def timeout(self) -> float: ...


@dataclass(frozen=True, slots=True)
class DefaultSettings:
    """`[http]` when nothing is written there."""

    proxy: Secret | None = None
    no_proxy: tuple[str, ...] = ()
    ca_file: Path | None = None
    timeout: float = 30.0


class HttpClient:
    """One for the whole process: connections are kept, and the certificate authorities are read once."""

    def __init__(self, settings: HttpSettings | None = None, *, clock: Clock | None = None) -> None:
        self._settings = settings or DefaultSettings()
        self._clock = clock or Clock()
        # One for each proxy in use, almost always one in all; a proxy whose password was changed is a new one.
        self._wires: dict[str | None, Wire] = {}
        self._closed = False

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | AsyncIterable[bytes] | None = None,
        form: Mapping[str, str] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 (its expiry is an HttpError that says how far it came)
        max_response: int = MIB,
        direct: bool = False,
    ) -> HttpResponse:
        """Send one request and read the whole answer; `form` is sent form-urlencoded in place of `content`.

        `timeout` is the deadline in seconds for everything together (`[http] timeout`), `max_response` the largest
        body in octets; `direct` keeps it from every proxy. Raises HttpError; an exception of a streamed `content`
        passes through unchanged.
        """
        wire = self._wire(*_target(url), direct=direct)
        sent = dict(headers or {})
        if form is not None:
            content = urlencode(form).encode()
            sent.setdefault("content-type", "application/x-www-form-urlencoded")
        seconds = self._settings.timeout if timeout is None else timeout
        status, received, body = await wire.exchange(method, url, sent, content, seconds, max_response)
        return HttpResponse(status, received, body, retry_after(received, self._clock.time()))

    async def close(self) -> None:
        """Close every connection; later requests are refused."""
        self._closed = True
        wires, self._wires = self._wires, {}
        for wire in wires.values():
            await wire.close()

    def _wire(self, scheme: str, host: str, port: int, *, direct: bool) -> "Wire":
        from relay.http.wire import Wire  # noqa: PLC0415 (loads the HTTP library: see the package's text)

        if self._closed:
            raise HttpError("connect", f"{host} was not asked", "The relay is stopping")
        proxy = None if direct else self._proxy(scheme, host, port)
        if proxy not in self._wires:
            self._wires[proxy] = Wire(self._trust, proxy, _USER_AGENT)
        return self._wires[proxy]

    def _proxy(self, scheme: str, host: str, port: int) -> str | None:
        try:
            written = self._settings.proxy.read() if self._settings.proxy else None
        except SecretError as error:
            raise HttpError("proxy", f"[http] proxy: {error}", "No request is made without it") from None
        system = urllib.request.getproxies()
        return proxy_for(scheme, host, port, configured=written, exceptions=self._settings.no_proxy, system=system)

    @functools.cached_property
    def _trust(self) -> ssl.SSLContext:
        """The system's certificate authorities and those of `ca_file`."""
        context = ssl.create_default_context()
        file = self._settings.ca_file
        if file is None:
            return context
        try:
            context.load_verify_locations(file)
        except OSError as error:
            reason = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
            hint = "Give the PEM file with the certificate of the authority to trust"
            raise HttpError("tls", f"[http] ca_file: {file} cannot be used: {reason}", hint) from None
        return context


def _target(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of `url`. Raises HttpError."""
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme, parts.hostname or "", parts.port
    except ValueError:
        scheme, host, port = "", "", None
    if scheme not in ("http", "https") or not host:
        raise HttpError("protocol", "the address is not an http(s) URL", "Write it as https://HOST/PATH")
    return scheme, host, port or (443 if scheme == "https" else 80)
