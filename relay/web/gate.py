"""The door of the administration: what is behind it needs a session, or the password with each request.

The sink's plane has a door of its own (relay.web.sink.access): what is given to a test suite opens nothing here.
"""

from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send

from relay import metrics
from relay.policy import is_loopback
from relay.web.asker import credentials
from relay.web.view import View

COOKIE = "relay_session"
OPEN = ("/login", "/livez", "/readyz", "/theme")
OPEN_BELOW = ("/static/", "/api/v1/", "/api/events", "/view/", "/mail")
"""The sink's own paths are among them: its plane decides about those."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks. `name` says how he came in, for the log; `admin` whether he may administer."""

    admin: bool
    name: str
    peer: str


def visitor(request: Request) -> Visitor:
    """Who asks, as the gate found."""
    found: Visitor = request.scope["relay.visitor"]
    return found


class Gate:
    """Finds out who asks, and stands in front of everything that is not open."""

    def __init__(self, app: ASGIApp, view: View, base_path: str) -> None:
        self._app = app
        self._view = view
        self._base = base_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        found = await self._visitor(request)
        if isinstance(found, Response):
            await found(scope, receive, send)
            return
        scope["relay.visitor"] = found
        if not found.admin and not _is_open(scope["path"], found.peer) and not _is_nowhere(scope):
            await self._refusal(request)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _visitor(self, request: Request) -> Visitor | Response:
        peer = request.client.host if request.client else ""
        cookie = request.cookies.get(COOKIE, "")
        if cookie and self._view.sessions.is_open(cookie):
            return Visitor(True, "a session", peer)
        found = credentials(request.headers)
        if found is None or self._view.check is None or request.scope["path"].startswith(OPEN_BELOW):
            return Visitor(False, "", peer)
        right = await self._view.check(*found, peer)
        if right:
            return Visitor(True, f"the user {found[0]!r}" if found[0] else "the password", peer)
        metrics.LOGINS_REFUSED.labels("web").inc()
        if right is None:
            return PlainTextResponse("Too many logins, please try again later\n", 429)
        return _unauthorized(basic=True)

    def _refusal(self, request: Request) -> Response:
        path, by_form = request.scope["path"], "text/html" in request.headers.get("accept", "")
        reads = request.method in ("GET", "HEAD")
        if path.startswith("/api/") or path == "/metrics" or not (reads or by_form):
            return _unauthorized(basic=self._view.check is not None)
        query = f"?{request.url.query}" if request.url.query and reads else ""
        following = path + query if reads else _page_of(path)
        return RedirectResponse(f"{self._base}/login?next={quote(following, safe='')}", 303)


def _is_open(path: str, peer: str) -> bool:
    if path == "/" or path in OPEN or path.startswith(OPEN_BELOW):
        return True
    return path == "/metrics" and is_loopback(peer)


def _is_nowhere(scope: Scope) -> bool:
    """Whether nothing is there to be guarded: whoever mistypes an address is told so, and not asked for a login."""
    if scope["path"].startswith("/api/"):
        return False
    return all(route.matches(scope)[0] is Match.NONE for route in scope["app"].routes)


def _page_of(path: str) -> str:
    """The page with the form that was sent to `path`."""
    first, _, rest = path.removeprefix("/").partition("/")
    return f"/{first}/{rest.rpartition('/')[0]}".rstrip("/") if first in ("accounts", "configuration") else path


def _unauthorized(*, basic: bool) -> Response:
    text = (
        "This needs the password of web.password_hash, by HTTP Basic with any user name"
        if basic
        else "This needs a login: open the page by the one-time link in the log, or set web.password_hash"
    )
    headers = {"www-authenticate": 'Basic realm="relay administration", charset="UTF-8"'} if basic else {}
    return JSONResponse({"error": text}, 401, headers)


def local_path(text: str) -> str:
    """`text` if it is a path of this page and of nothing else, "/" otherwise: a link must not lead away."""
    if not text.startswith("/") or text.startswith(("//", "/\\")) or not text.isprintable() or "\\" in text:
        return "/"
    parts = urlsplit(text)
    return "/" if parts.scheme or parts.netloc else text
