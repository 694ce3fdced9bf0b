"""The listener that a browser is sent back to (RFC 8252 7.3): on this machine only, for one answer, then closed."""

import asyncio
import contextlib
import errno
import html
import socket
from collections.abc import AsyncIterator, Callable
from urllib.parse import urlsplit

from relay.http.closing import stop_listening
from relay.oauth.consent.errors import ConsentError

_LONGEST = 16 * 1024
_PATIENCE = 10.0
_LAST_WORDS = 1.0
_TRIES = 20
_PAGE = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Mail relay</title></head>
<body><h1>{title}</h1><p>{text}</p></body></html>"""
_DONE = ("You have signed in", "Close this window: the rest is shown where the sign-in began.")
_NOT_HERE = ("Not here", "This address waits for the answer to one sign-in.")

Answered = Callable[[str], None]
"""Takes the address that came. Raises ConsentError for a refusal, LookupError for what is no answer."""


class Loopback:
    """Waits at `redirect_uri`; without a port in `wanted` any free one is taken."""

    def __init__(self, wanted: str) -> None:
        self._wanted = urlsplit(wanted)
        self.redirect_uri = wanted

    @contextlib.asynccontextmanager
    async def waiting(self, answered: Answered) -> AsyncIterator[None]:
        """Listen while the block runs. Raises OSError when the port is taken."""
        sockets = _sockets(self._wanted.hostname or "127.0.0.1", self._wanted.port or 0)
        host = f"[{self._wanted.hostname}]" if ":" in (self._wanted.hostname or "") else self._wanted.hostname
        self.redirect_uri = f"http://{host}:{sockets[0].getsockname()[1]}{self._wanted.path}"

        talks: set[asyncio.Task[object] | None] = set()

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            talks.add(asyncio.current_task())
            try:
                with contextlib.suppress(OSError, ValueError, asyncio.IncompleteReadError, TimeoutError):
                    await self._answer(reader, writer, answered)
            finally:
                writer.close()
                talks.discard(asyncio.current_task())

        servers = [await asyncio.start_server(connected, sock=sock, limit=_LONGEST) for sock in sockets]
        try:
            yield
        finally:
            await stop_listening(servers)
            # The browser is still being told; whoever says nothing is not waited for.
            open_talks = [talk for talk in talks if talk is not None]
            if open_talks:
                await asyncio.wait(open_talks, timeout=_LAST_WORDS)
            for talk in open_talks:
                talk.cancel()
            await asyncio.gather(*open_talks, return_exceptions=True)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answered: Answered) -> None:
        async with asyncio.timeout(_PATIENCE):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        method, _, rest = head.partition(" ")
        target = rest.partition(" ")[0]
        status, page = "404 Not Found", _NOT_HERE
        if method == "GET" and (urlsplit(target).path or "/") == (self._wanted.path or "/"):
            try:
                answered(target)
                status, page = "200 OK", _DONE
            except ConsentError as error:
                status, page = "400 Bad Request", ("The sign-in came to nothing", str(error))
            except LookupError:
                status = "400 Bad Request"
        body = _PAGE.format(title=html.escape(page[0]), text=html.escape(page[1])).encode()
        writer.write(
            f"HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
            "Connection: close\r\nCache-Control: no-store\r\nReferrer-Policy: no-referrer\r\n"
            "Content-Security-Policy: default-src 'none'\r\nX-Content-Type-Options: nosniff\r\n\r\n".encode()
            + body
        )
        await writer.drain()


def _sockets(host: str, port: int) -> list[socket.socket]:
    """For `localhost` both loopback addresses, or another program could wait at the one that is tried first."""
    if host != "localhost":
        return [_bound(host, port)]
    for _ in range(_TRIES):
        first = _bound("127.0.0.1", port)
        try:
            return [first, _bound("::1", first.getsockname()[1])]
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                return [first]  # this machine has no ::1
            first.close()
            if port:
                raise
    raise OSError("no port is free on both 127.0.0.1 and ::1")


def _bound(host: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)
    return sock
