"""What every answer carries, and who may ask for one: a page that any site in the same browser can reach."""

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none';"
    " form-action 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
HEALTH = ("/livez", "/readyz")
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS", "TRACE")


@dataclass
class Names:
    """Where the page is: its host names; whether any IP address is one of them; how its paths begin ("" or "/mail")."""

    hosts: frozenset[str]
    any_address: bool = False
    base_path: str = ""

    def use(self, other: "Names") -> None:
        """Answer to these names from now on. The base path stays: links to it are everywhere."""
        self.hosts, self.any_address = other.hosts, other.any_address


class SafeHeaders:
    """No script, no frame, nothing from elsewhere, nothing kept in a cache; an answer may have a policy of its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_safely)


class HostCheck:
    """Answers only to the names that it is meant to have.

    A page elsewhere can make its own name resolve to 127.0.0.1 and have the browser read what is served here (DNS
    rebinding); the Host header still says that other name. An address in place of a name cannot be made to point
    elsewhere: where every address of this machine is bound, all are good. The health routes tell nothing and are open.
    """

    def __init__(self, app: ASGIApp, names: Names) -> None:
        self._app = app
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in HEALTH:
            sent = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
            name = _without_port(sent)
            if not self._is_ours(name):
                text = f"This page does not answer to the name {name!r}. Add it to web.hosts if it should.\n"
                await PlainTextResponse(text, 421)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _is_ours(self, name: str) -> bool:
        if name in self._names.hosts or name.endswith(".localhost"):
            return True
        return self._names.any_address and _is_address(name)


class SameSite:
    """Nothing is changed, and no API is read, for a page of another site (Go 1.25's CrossOriginProtection).

    Browsers tell where a request comes from: in Sec-Fetch-Site where the address is trustworthy, in Origin elsewhere.
    Programs send neither, and are let through.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _is_foreign(scope, Headers(scope=scope)):
            await PlainTextResponse("A page of another site may not do that.\n", 403)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _is_foreign(scope: Scope, headers: Headers) -> bool:
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if scope["method"] in _SAFE_METHODS and not (scope["path"].startswith("/api/") and origin is not None):
        return False
    if site is not None:
        return site not in ("same-origin", "none")
    if origin is None:
        return False
    try:
        parts = urlsplit(origin)
    except ValueError:
        return True
    # A proxy in front may speak TLS where we do not: host and port tell the site.
    return parts.scheme not in ("http", "https") or parts.netloc != headers.get("host", "")


class BasePath:
    """Takes off what a proxy in front puts before every path. The health routes are found without it too."""

    def __init__(self, app: ASGIApp, path: str) -> None:
        self._app = app
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._path or scope["type"] != "http" or scope["path"] in HEALTH:
            await self._app(scope, receive, send)
        elif scope["path"] == self._path:
            await RedirectResponse(f"{self._path}/")(scope, receive, send)
        elif scope["path"].startswith(f"{self._path}/"):
            inner = {**scope, "path": scope["path"].removeprefix(self._path)}
            raw = scope.get("raw_path")
            if raw is not None:
                inner["raw_path"] = raw.removeprefix(self._path.encode())
            await self._app(inner, receive, send)
        else:
            text = f"Nothing is here: everything is below {self._path}/ (web.base_path)\n"
            await PlainTextResponse(text, 404)(scope, receive, send)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0][1:].lower()
    return host.partition(":")[0].lower()
