"""Who may use the sink API: whoever has its password; without one, this machine, and others where nothing can leak.

The sink's plane and the relay's own (accounts, queue) are apart: what is given to a test suite opens nothing else.
"""

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from relay.policy import is_loopback
from relay.web.asker import credentials
from relay.web.sink.plane import Plane

PREFIXES = ("/api/v1/", "/api/events", "/view/", "/mail")


class Access:
    """Stands in front of the routes of the sink."""

    def __init__(self, app: ASGIApp, plane: Plane) -> None:
        self._app = app
        self._plane = plane

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        visitor = scope.get("relay.visitor")
        admin = visitor is not None and visitor.admin
        if scope["type"] == "http" and scope["path"].startswith(PREFIXES) and not admin:
            refusal = await self._refusal(Request(scope))
            if refusal is not None:
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _refusal(self, request: Request) -> Response | None:
        peer = request.client.host if request.client else ""
        if self._plane.check is None:
            if self._plane.is_open or is_loopback(peer):
                return None
            text = "The sink API is open to the relay's own machine only: set web.sink_password_hash\n"
            return PlainTextResponse(text, 403)
        found = credentials(request.headers)
        right = await self._plane.check(*found, peer) if found else False
        if right:
            return None
        if right is None:
            return PlainTextResponse("Too many logins, please try again later\n", 429)
        return PlainTextResponse("Unauthorized.\n", 401, {"www-authenticate": 'Basic realm="Login"'})
