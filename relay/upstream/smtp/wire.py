"""The octets of an SMTP session after EHLO: commands out, replies in.

aiosmtplib connects, does TLS and EHLO; then this protocol takes over its transport, because one reply per round trip
is all that aiosmtplib can wait for. Here any number of commands may be under way: the replies are counted, and one that
nobody waits for makes the whole connection worthless (it could be taken for the answer to the next command).
"""

import asyncio
import math
import ssl
from collections import deque

from relay.upstream.smtp.reply import Reply, ReplyError, ReplyReader


class BrokenError(Exception):
    """The connection is of no use any more; the text says what happened."""


_ROOM = 8 * 1024
"""Octets that are read at once. Without a buffer of ours each read asks the system for 256 KiB and gives them back."""


class Wire(asyncio.BufferedProtocol):
    """Our side of a connection whose transport is handed over open."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._buffer = memoryview(bytearray(_ROOM))
        self._reader = ReplyReader()
        self._replies: deque[Reply] = deque()
        self._due = 0
        self._fault = ""
        self._paused = False
        self._waiter: asyncio.Future[bool] | None = None
        """True for something that has come, False when it took too long."""
        self._patient_until = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._closed: asyncio.Future[None] = self._loop.create_future()

    @property
    def alive(self) -> bool:
        """Whether the next command can be sent: connected, and no reply open, broken or too many."""
        return not (self._fault or self._due or self._replies or self._transport.is_closing())

    @property
    def tls(self) -> ssl.SSLObject | None:
        """The TLS session, None where there is none."""
        session: ssl.SSLObject | None = self._transport.get_extra_info("ssl_object")
        return session

    @property
    def answered(self) -> bool:
        """Whether something is there to be read at once: a reply, or the news that none will come."""
        return bool(self._replies or self._fault)

    def write(self, data: bytes | memoryview, replies: int = 0) -> None:
        """Send `data`, to which the server owes `replies` replies. Raises BrokenError."""
        if self._fault or self._transport.is_closing():
            raise BrokenError(self._fault or "the connection is closed")
        self._due += replies
        self._transport.write(data)

    async def drain(self, seconds: float) -> None:
        """Wait until the network has taken most of what was written, or a reply came before its time.

        A network that takes nothing for `seconds` (0 = for ever) breaks the connection. Raises BrokenError.
        """
        # Even where the network takes everything: others get their turn, and news of a lost connection comes in.
        await asyncio.sleep(0)
        while self._paused and not self.answered:
            if not await self._woken(seconds):
                self.abort(f"the server took no data for {seconds:g} seconds")
        if self._fault and not self._replies:
            raise BrokenError(self._fault)

    async def read(self, seconds: float) -> Reply:
        """The next reply in order, within `seconds` (0 = for ever). Raises BrokenError."""
        while not self._replies:
            if self._fault:
                raise BrokenError(self._fault)
            if not await self._woken(seconds) and not self._replies:
                self.abort(f"no reply within {seconds:g} seconds")
        return self._replies.popleft()

    def abort(self, reason: str) -> None:
        """Close at once, without a word."""
        self._fault = self._fault or reason
        self._transport.abort()
        self._wake()

    async def close(self, seconds: float) -> None:
        """Close, and do not wait longer than `seconds` for the other side to agree."""
        self._fault = self._fault or "closed by us"
        self._transport.close()
        await asyncio.wait([self._closed], timeout=seconds)
        self._transport.abort()

    def get_buffer(self, _sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._fault:
            return
        try:
            replies = self._reader.feed(bytes(self._buffer[:nbytes]))
        except ReplyError as error:
            self.abort(f"the server sent {error}")
            return
        if not self._due and not replies:
            self.abort("the server sent something that nobody had asked for")
            return
        for reply in replies:
            if not self._due:
                self.abort(f"the server sent a reply that nobody had asked for: {reply}")
                return
            self._due -= 1
            self._replies.append(reply)
        if self._replies:
            self._wake()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._wake()

    def eof_received(self) -> bool:
        self._fault = self._fault or "the server closed the connection"
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._fault = self._fault or (f"the connection was lost: {exc}" if exc else "the server closed the connection")
        self._wake()
        if self._timer is not None:
            self._timer.cancel()
        if not self._closed.done():
            self._closed.set_result(None)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(True)

    async def _woken(self, seconds: float) -> bool:
        """Wait for a reply, room or the end; False when `seconds` passed first."""
        waiter: asyncio.Future[bool] = self._loop.create_future()
        self._waiter = waiter
        self._patient_until = self._loop.time() + seconds if seconds else math.inf
        # One timer for many waits: it is set anew only for one that ends sooner than it would look.
        if seconds and (self._timer is None or self._timer.when() > self._patient_until):
            self._look_again()
        try:
            return await waiter
        finally:
            self._waiter = None

    def _look_again(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._patient_until, self._look_at_the_clock)

    def _look_at_the_clock(self) -> None:
        self._timer = None
        if self._waiter is None or self._waiter.done() or self._patient_until == math.inf:
            return
        if self._loop.time() < self._patient_until:
            self._look_again()
        else:
            self._waiter.set_result(False)
