"""The HTTP server: the one place that knows which it is."""

import asyncio
import contextlib
import email.utils
import socket
import ssl
from collections.abc import AsyncIterator, Iterator, Sequence

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from relay.http.closing import stop_listening

_MOST_REQUESTS = 500
_SILENCE = 10.0
"""Seconds after which a connection without a request may be closed; after twice as many it is."""


class _HttpServer(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone: the service decides when its parts stop."""
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening with nobody left in the door, then as uvicorn has it; at the end nobody is connected."""
        await stop_listening(self.servers)
        await super().shutdown(sockets)
        # Whose request took longer than that has been cancelled. His connection uvicorn leaves open.
        for connection in tuple(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        await asyncio.sleep(0)  # a transport tells its protocol, and closes its socket, in the turn behind


class _Dated:
    """Puts the time on every answer (RFC 9110 6.6.1). uvicorn's own lags behind by up to a second.

    The scope's extension "relay.transport" is the connection itself, for a stand-in that cuts it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                date = email.utils.formatdate(usegmt=True).encode()
                message["headers"] = [*message.get("headers", ()), (b"date", date)]
            await send(message)

        transport = getattr(getattr(send, "__self__", None), "transport", None)  # uvicorn's `send` is a method
        shown = {**scope.get("extensions", {}), "relay.transport": transport}
        await self._app({**scope, "extensions": shown}, receive, send_dated)


@contextlib.asynccontextmanager
async def serve_http(
    app: ASGIApp, sockets: Sequence[socket.socket], *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[None]:
    """Serve `app` on bound `sockets` until the block ends."""
    config = uvicorn.Config(
        _Dated(app),
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=3,
        limit_concurrency=_MOST_REQUESTS,
    )
    config.load()
    config.ssl = tls
    server = _HttpServer(config)
    task = asyncio.create_task(server.serve(sockets=list(sockets)), name="http")
    while not server.started and not task.done():
        await asyncio.sleep(0)
    sweeper = asyncio.create_task(_close_silent(server), name="http sweeper")
    try:
        yield
    finally:
        sweeper.cancel()
        server.should_exit = True
        await task


async def _close_silent(server: uvicorn.Server) -> None:
    """Close connections that ask for nothing: each holds a file, and without files no mail comes in either."""
    before: set[object] = set()
    while True:
        await asyncio.sleep(_SILENCE)
        silent = {each for each in server.server_state.connections if getattr(each, "cycle", None) is None}
        for connection in silent & before:
            if connection.transport is not None:
                connection.transport.close()
        before = set(silent)
