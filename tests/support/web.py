"""Web servers on loopback: well-behaved ones, ones that send whatever octets a test wants, and a proxy."""

import asyncio
import base64
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from relay.http.closing import stop_listening
from relay.service import serve_http

Answer = Callable[[Request], Awaitable[Response]]
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

NAME = "login.test"
"""A name that no resolver knows: only the proxy below finds it."""


@contextlib.asynccontextmanager
async def web(answer: Answer, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """An HTTP server that answers every request with `answer`; yields its port on 127.0.0.1."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        app = Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST", "PUT"])])
        async with serve_http(app, [listening], tls=tls):
            yield port


@contextlib.asynccontextmanager
async def talking(talk: Talk, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server that says whatever `talk` says; yields its port on 127.0.0.1."""
    connections: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            # A client that has seen enough closes: what is still being said to it fails.
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
                await talk(reader, writer)
        except asyncio.CancelledError:
            pass
        finally:
            connections.discard(task)
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        await stop_listening([server])
        for task in list(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


def saying(octets: bytes) -> Talk:
    """Read a request's header, say `octets`, close."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(octets)
        await writer.drain()

    return talk


@dataclass
class Proxy:
    """A web proxy that knows NAME (and every other name) as a port on this machine, and may want a login."""

    target: int
    login: str | None = None
    status: int = 200
    asked: list[str] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def running(self, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
        async with talking(self._talk, tls=tls) as port:
            yield port

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *fields = head.split("\r\n")
        self.asked.append(line)
        headers = dict(each.split(": ", 1) for each in fields if each)
        given = {name.lower(): value for name, value in headers.items()}.get("proxy-authorization", "")
        if self.login is not None and given != f"Basic {base64.b64encode(self.login.encode()).decode()}":
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        elif self.status != 200:
            writer.write(f"HTTP/1.1 {self.status} No\r\nContent-Length: 0\r\n\r\n".encode())
        else:
            await self._tunnel(reader, writer, head if not line.startswith("CONNECT ") else "")
        await writer.drain()

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, forward: str) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self.target)
        if forward:
            there_writer.write(forward.encode("latin-1"))
        else:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        try:
            both = {
                asyncio.ensure_future(_pipe(reader, there_writer)),
                asyncio.ensure_future(_pipe(there_reader, writer)),
            }
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)
        finally:
            there_writer.close()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
