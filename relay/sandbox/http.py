"""What the sandbox's HTTP services share: bounded bodies, general faults, and a way to hang up."""

import json
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from relay.sandbox.faults import Fault

_HANG_UP = "relay.sandbox.hang_up"
_UNAVAILABLE = """<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01//EN""http://www.w3.org/TR/html4/strict.dtd">
<HTML><HEAD><TITLE>Service Unavailable</TITLE>
<META HTTP-EQUIV="Content-Type" Content="text/html; charset=us-ascii"></HEAD>
<BODY><h2>Service Unavailable</h2>
<hr><p>HTTP Error 503. The service is unavailable.</p>
</BODY></HTML>
"""


class Breakable:
    """Wraps an ASGI application so that `hang_up()` can cut the connection of a request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def cut() -> None:
            # ASGI has no way to hang up without an answer: what serves this shows its transport.
            transport = scope.get("extensions", {}).get("relay.transport")
            if transport is None:
                raise RuntimeError("the HTTP server does not show its transport: a connection cannot be cut")
            transport.abort()
            while (await receive())["type"] != "http.disconnect":
                pass

        scope[_HANG_UP] = cut
        try:
            await self._app(scope, receive, send)
        except ClientDisconnect:
            pass  # a client that hangs up in the middle of its request has asked for nothing


async def hang_up(request: Request) -> Response:
    """Cut the connection; what is returned reaches nobody."""
    cut: Callable[[], Awaitable[None]] = request.scope[_HANG_UP]
    await cut()
    return Response()


async def read_body(request: Request, limit: int) -> bytes | None:
    """The body, or None if it is larger than `limit` octets."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            return None
    return bytes(body)


async def general_fault(request: Request, fault: Fault) -> Response | None:
    """The answer to a kind of fault that is the same at every service; None if the kind is the service's own."""
    if fault.kind == "disconnect":
        return await hang_up(request)
    if fault.kind == "unavailable":
        headers = retry_after(fault) | {"content-type": "text/html; charset=us-ascii"}
        return Response(_UNAVAILABLE, HTTPStatus.SERVICE_UNAVAILABLE, headers)
    if fault.kind == "http_reply":
        return Response(fault.body, fault.status, media_type=fault.content_type)
    return None


def retry_after(fault: Fault) -> dict[str, str]:
    """The header field that the fault asks for, as it was written."""
    return {} if fault.retry_after is None else {"retry-after": str(fault.retry_after)}


def json_bytes(value: Any) -> bytes:
    """Compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def truncated(response: Response) -> Response:
    """The same answer, well-formed HTTP, its JSON cut off in the middle."""
    body = bytes(response.body)
    headers = {name: value for name, value in response.headers.items() if name != "content-length"}
    return Response(body[: len(body) * 2 // 3], response.status_code, headers)
