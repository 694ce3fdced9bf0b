"""One operation of the API: what does it, and what is told of it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from relay.database import StorageError
from relay.log import stamp
from relay.web.sink.asking import Refused

ROOT = "/api/admin"
Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Operation:
    """`path` is below /api/admin; `query` and `body` name what may be given, with what it means (JSON Schema)."""

    method: str
    path: str
    handler: Handler
    summary: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    required: tuple[str, ...] = ()
    answer: str = "What was asked for."
    status: int = 200

    def route(self) -> Route:
        """Where it is found. Refusals are JSON: {"error": why}."""

        async def told(request: Request) -> Response:
            try:
                return await self.handler(request)
            except Refused as refused:
                return JSONResponse({"error": str(refused)}, refused.status)
            except StorageError as error:
                return JSONResponse({"error": f"the queue cannot be used now: {error}"}, 503)

        return Route(f"{ROOT}{self.path}", told, methods=[self.method])


def moment(seconds: float | None) -> str | None:
    """A time as RFC 3339 has it; null for none."""
    return None if seconds is None else stamp(seconds)
