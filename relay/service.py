"""Builds every part, runs them, stops them."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Iterator, Sequence

import uvicorn
from starlette.types import ASGIApp


class _HttpServer(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone: the service decides when its parts stop."""
        yield


@contextlib.asynccontextmanager
async def serve_http(
    app: ASGIApp, sockets: Sequence[socket.socket], *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[None]:
    """Serve `app` on bound `sockets` until the block ends; the one place that knows the HTTP server."""
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", server_header=False, timeout_graceful_shutdown=3
    )
    config.load()
    config.ssl = tls
    server = _HttpServer(config)
    task = asyncio.create_task(server.serve(sockets=list(sockets)), name="http")
    while not server.started and not task.done():
        await asyncio.sleep(0)
    try:
        yield
    finally:
        server.should_exit = True
        await task
