"""One connection's octets: what comes is obeyed as it comes, what is answered goes out together.

An `asyncio.Protocol`: the commands of one packet are done in the call that brings it, and their replies leave in one
write. Only what has to wait (a commit, a password, a TLS handshake) is a task, the connection's *step*; what comes
meanwhile is kept, and past a limit not even read. A reader and a task woken for each command, as aiosmtpd has them,
cost twice as much for a small message.
"""

import asyncio
import ssl
from collections.abc import Coroutine
from typing import Any, cast

from relay import log
from relay.listener.encrypted import Encrypted
from relay.listener.lines import LineBuffer

LONGEST_AUTH_LINE = 12_288
"""RFC 4954 4: what an AUTH exchange must be able to take, whatever the other limits."""

_LAST_WORD = 5.0
"""Seconds that a client has to take our last reply."""
_LARGEST_BACKLOG = 64 * 1024
"""Octets that wait for a step to end before no more are read."""
LONGEST_DATA = 3600.0
"""Seconds that the content of one message may take, however steadily it comes."""
SLOWEST_DATA = 100
"""Octets a second, on average, once `timeout` has passed: who is slower than an old modem only holds a place."""
_MOST_COMMANDS = 200
"""Obeyed in one turn of the loop: others get theirs, and who reads no reply is not obeyed further until he does."""


class Wire(asyncio.Protocol):
    """One connection. A subclass gives `obey()` and `receive()`; `push()` answers."""

    def __init__(self, timeout: float) -> None:
        self.loop = asyncio.get_running_loop()
        self.transport: asyncio.Transport | None = None
        self.receiving = False
        """What comes is content, not commands."""
        self.answering = False
        """The client has said all and waits for our reply."""
        self._input = LineBuffer(LONGEST_AUTH_LINE)
        self._replies: list[bytes] = []
        self._step: asyncio.Task[None] | None = None
        self._clogged = False
        """The client does not read: nothing more is answered, so nothing is obeyed."""
        self._held_up = False
        """Nothing is read: enough is there to be obeyed."""
        self._ended = False
        """The client says nothing more, but may still be listening."""
        self._gone = False
        self._timeout = timeout
        self._timer: asyncio.TimerHandle | None = None
        self._active_at = 0.0
        self._content_since = 0.0
        self._content_octets = 0

    # --- for the subclass

    def obey(self, line: bytes) -> None:
        """Do one command, given without its line end; one that is too long has more than LONGEST_AUTH_LINE octets."""
        raise NotImplementedError

    def receive(self, data: bytes) -> bytes:
        """Take content; the octets behind its end are handed back."""
        raise NotImplementedError

    def vanished(self) -> None:
        """The client has gone for good, or has said all that it ever will: forget what is unfinished."""
        raise NotImplementedError

    def too_slow(self, seconds: float, octets: int) -> None:
        """The content has come so slowly that the connection is closed."""
        raise NotImplementedError

    def expect_content(self) -> None:
        """What comes next is content."""
        self.receiving = True
        self._content_since = self.loop.time()
        self._content_octets = 0

    # --- the life of a connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not isinstance(): uvloop's transports have the methods of asyncio.Transport, but not its name.
        self.transport = cast("asyncio.Transport", transport)
        self._active_at = self.loop.time()
        self._timer = self.loop.call_later(self._timeout, self._look_at_the_clock)

    def connection_lost(self, _error: Exception | None) -> None:
        self._gone = True
        self.transport = None
        self._input.clear()
        if self._timer is not None:
            self._timer.cancel()
        if self._step is not None:
            # In the next turn: a step that has not even begun would never clean up behind itself.
            self.loop.call_soon(self._step.cancel)
        self.vanished()

    def data_received(self, data: bytes) -> None:
        if self._gone:
            return
        if self.receiving or b"\n" in data:  # a command counts when it is whole
            self._active_at = self.loop.time()
        self._input.feed(data)
        if self._step is None and not self._clogged:
            self._go_on()
        # Also where nothing has to wait: a client can send more commands than are obeyed in one turn.
        if len(self._input) > _LARGEST_BACKLOG and not self._held_up and self.transport is not None:
            self._held_up = True
            self.transport.pause_reading()

    def eof_received(self) -> bool:
        """Let what has come be answered: a client that has said QUIT may close its half at once."""
        self._ended = True
        if self._step is None and not self._clogged:
            self._go_on()
        return self.transport is not None

    def pause_writing(self) -> None:
        self._clogged = True

    def resume_writing(self) -> None:
        self._clogged = False
        if self._step is None:
            self._go_on()

    def _go_on(self) -> None:
        """Obey what has come as far as that can be done now, and send the replies."""
        commands = 0
        while not (self._step or self._clogged or self._gone):
            if self.receiving:
                data = self._input.take()
                if not data:
                    break
                self._receive(data)
                continue
            line = self._input.line()
            if line is None:
                break
            self._do(line)
            commands += 1
            if commands == _MOST_COMMANDS:
                self.flush()
                self.loop.call_soon(self._go_on)
                return
        self.flush()
        if not (self._step or self._clogged or self._gone):
            self._at_rest()

    def _at_rest(self) -> None:
        """All that had come is dealt with: end the connection if it has ended, else read on."""
        transport = self.transport
        if transport is None:
            return
        if self._ended:
            self._gone = True
            self.vanished()
            transport.close()
        elif self._held_up:
            self._held_up = False
            transport.resume_reading()

    def _receive(self, data: bytes) -> None:
        self._content_octets += len(data)
        try:
            rest = self.receive(data)
        except Exception as error:  # noqa: BLE001 (as below; but what follows may be content, which is never obeyed)
            log.internal_error(f"the session of {self.peer} failed", error)
            self.leave("421 4.3.0 Internal error, closing the connection, please try again later")
        else:
            if rest:
                self._input.feed(rest)

    def _do(self, line: bytes) -> None:
        try:
            self.obey(line)
        except Exception as error:  # noqa: BLE001 (a fault of ours is a 451 for the client, and the session goes on)
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        log.internal_error(f"the session of {self.peer} failed", error)
        self.push("451 4.3.0 Internal error, please try again later")

    # --- what has to wait

    def wait_for(self, work: Coroutine[Any, Any, None]) -> None:
        """Do `work` before anything else of this connection; it is cancelled when the client goes."""
        self._step = self.loop.create_task(self._stepping(work))

    async def _stepping(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 (as in _do)
            self._failed(error)
        if self._step is asyncio.current_task():  # else the work has begun a step of its own
            self._step = None
            self._go_on()

    # --- replies

    def push(self, reply: str) -> None:
        """Answer; it is sent with the other replies to what came in the same packet."""
        self._replies.append(reply.encode("utf-8", "backslashreplace") + b"\r\n")

    def flush(self) -> None:
        """Send the replies that are there, in one write."""
        if self._replies:
            replies = self._replies
            data = replies[0] if len(replies) == 1 else b"".join(replies)
            replies.clear()
            if self.transport is not None:
                self.transport.write(data)

    def leave(self, reply: str) -> None:
        """Say a last word and close, without waiting long for a client that does not read."""
        if self._gone or self.transport is None:
            return
        self.push(reply)
        self.flush()
        self._gone = True
        self._close_soon(self.transport)

    def hang_up(self, reply: str = "") -> None:
        """Close, after a last reply if there is one."""
        if reply:
            self.leave(reply)
        elif self.transport is not None:
            self._gone = True
            self.transport.close()

    def _close_soon(self, transport: asyncio.Transport) -> None:
        transport.close()
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(_LAST_WORD, transport.abort)

    def _look_at_the_clock(self) -> None:
        """One timer for the whole connection, not one for each command."""
        now = self.loop.time()
        idle = left = self._active_at + self._timeout - now
        if self.answering:
            left = self._timeout  # it is we who are slow
        elif self.receiving:
            left = min(idle, self._content_since + self._patience_for_content() - now)
        if left > 0:
            self._timer = self.loop.call_later(left, self._look_at_the_clock)
        elif idle > 0:
            self.too_slow(now - self._content_since, self._content_octets)
            self.leave("421 4.4.2 The message comes too slowly, closing the connection")
        else:
            self.leave("421 4.4.2 Timeout, closing the connection")

    def _patience_for_content(self) -> float:
        """How long the content may take, by what has come of it: a drip does not hold a place for ever."""
        return min(max(LONGEST_DATA, self._timeout), max(self._timeout, self._content_octets / SLOWEST_DATA))

    # --- facts

    @property
    def peer(self) -> str:
        """The client's IP address, for people and for limits."""
        raise NotImplementedError

    # --- TLS

    def upgrade(self, context: ssl.SSLContext, patience: float) -> None:
        """Answer 220 and begin TLS; whatever came in the clear behind the command is thrown away (RFC 3207 5)."""
        transport = self.transport
        if transport is None:
            return
        self.push("220 2.0.0 Ready to start TLS")
        self.flush()
        self._input.clear()
        self.transport = Encrypted(transport, context, self, peer=self.peer, patience=patience, ready=self.secured)

    def secured(self) -> None:
        """TLS has begun: the subclass forgets what it was told before."""
        raise NotImplementedError
