"""One SMTP connection as bytes: lines and blocks in, replies out, TLS in between, and ways to break it.

A protocol of its own instead of aiosmtpd: nearly every reply and limit here is the provider's and not the library's,
faults strike between any two of its steps, and STARTTLS is done by asyncio's public `start_tls()`.
"""

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from typing import Any, cast

_HIGH_WATER = 256 * 1024
_HANDSHAKE_TIMEOUT = 30


class HangUpError(Exception):
    """The connection has ended, or must end."""


class LineTooLongError(Exception):
    """A line passed the limit; it has been read to its end and forgotten."""


class Wire(asyncio.Protocol):
    """Runs `serve` for its connection. Replies are gathered and written when the next input must be waited for."""

    def __init__(self, serve: Callable[["Wire"], Coroutine[Any, Any, None]], monotonic: Callable[[], float]) -> None:
        self._serve = serve
        self._monotonic = monotonic
        self._transport: asyncio.Transport
        self._buffer = bytearray()
        self._replies: list[bytes] = []
        self._lost = False
        self._paused = False
        self._readable = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self.task: asyncio.Task[None]
        self.peer = ""
        self.idle_since: float | None = None
        """When it began to wait for input; None while it has work."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.peer = str(transport.get_extra_info("peername")[0])
        self.task = asyncio.get_running_loop().create_task(self._serve(self), name=f"sandbox smtp {self.peer}")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._readable.set()
        if len(self._buffer) > _HIGH_WATER and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's own signature)
        self._lost = True
        self._readable.set()
        self._writable.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    async def readline(self, limit: int) -> bytes:
        """One line without its line end. Raises HangUpError, or LineTooLongError above `limit` octets."""
        too_long = False
        scanned = 0
        while (end := self._buffer.find(b"\n", scanned)) < 0:
            if len(self._buffer) > limit + 1:
                too_long = True
                self._buffer.clear()
            scanned = len(self._buffer)
            await self._more()
        line = bytes(self._buffer[:end]).removesuffix(b"\r")
        self._consume(end + 1)
        if too_long or len(line) > limit:
            raise LineTooLongError
        return line

    async def read(self, most: int) -> bytes:
        """At least one octet and at most `most`, as they come. Raises HangUpError."""
        while not self._buffer:
            await self._more()
        block = bytes(self._buffer) if most >= len(self._buffer) else bytes(self._buffer[:most])
        self._consume(len(block))
        return block

    def unread(self, data: bytes) -> None:
        """Put back what was read too far."""
        self._buffer[:0] = data

    def write(self, reply: bytes) -> None:
        """Queue a reply."""
        self._replies.append(reply)

    async def flush(self) -> None:
        """Send what is queued. Raises HangUpError if nobody is there."""
        if self._lost:
            raise HangUpError
        if self._replies:
            self._transport.write(b"".join(self._replies))
            self._replies.clear()
            await self._writable.wait()

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Send what is queued, then do the server's side of the handshake. Raises HangUpError if it fails."""
        if self._buffer:
            # What follows STARTTLS in plain text could be an attacker's (RFC 3207 section 4.2; CVE-2011-0411).
            raise HangUpError
        await self.flush()
        try:
            transport = await asyncio.get_running_loop().start_tls(
                self._transport, self, context, server_side=True, ssl_handshake_timeout=_HANDSHAKE_TIMEOUT
            )
        except OSError:
            raise HangUpError from None
        if transport is None:
            raise HangUpError
        self._transport = transport

    def close(self) -> None:
        """Send what is queued and hang up."""
        if not self._lost:
            self._transport.write(b"".join(self._replies))
            self._replies.clear()
        self._transport.close()

    def cut(self) -> None:
        """Break the connection: no goodbye, not even TLS's."""
        if self._replies:
            self.close()
        else:
            self._transport.abort()

    async def _more(self) -> None:
        await self.flush()
        self._readable.clear()
        self.idle_since = self._monotonic()
        await self._readable.wait()
        self.idle_since = None
        if self._lost:
            raise HangUpError

    def _consume(self, count: int) -> None:
        del self._buffer[:count]
        if self._paused and len(self._buffer) <= _HIGH_WATER:
            self._paused = False
            self._transport.resume_reading()
