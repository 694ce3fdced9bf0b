"""A Graph that answers each request with what a test has written down, over real HTTPS."""

import base64
import contextlib
import json
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from relay.service import serve_http


@dataclass
class Answer:
    """One answer; `error` becomes Graph's JSON."""

    status: int = 202
    error: str = ""
    message: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def response(self) -> Response:
        body: dict[str, Any] = {"error": {"code": self.error, "message": self.message}}
        return Response(json.dumps(body) if self.error else "", self.status, {"request-id": "r-1", **self.headers})


@dataclass
class Asked:
    """One request as it came: `mime` is the message inside."""

    path: str
    headers: dict[str, str]
    body: bytes
    port: int = 0
    """The other end of the connection."""

    @property
    def mime(self) -> bytes:
        return base64.b64decode(self.body, validate=True)


class ScriptedGraph:
    """Answers requests by `answers`, the last one for ever."""

    def __init__(self, *answers: Answer) -> None:
        self.asked: list[Asked] = []
        self.root = ""
        self._answers = list(answers) or [Answer()]

    @contextlib.asynccontextmanager
    async def serving(self, tls: ssl.SSLContext) -> AsyncIterator["ScriptedGraph"]:
        app = Starlette(routes=[Route("/{path:path}", self._answer, methods=["POST"])])
        with socket.create_server(("127.0.0.1", 0)) as sock:
            self.root = f"https://localhost:{sock.getsockname()[1]}"
            async with serve_http(app, [sock], tls=tls):
                yield self

    async def _answer(self, request: Request) -> Response:
        path = request.scope["raw_path"].decode()
        self.asked.append(
            Asked(path, dict(request.headers), await request.body(), request.client.port if request.client else 0)
        )
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return answer.response()
