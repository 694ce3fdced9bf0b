"""aiosmtpd's protocol with the traits corrected that would lose or refuse mail, and with a constructor that is cheap.

Nothing here knows of clients or accounts. Each override says what aiosmtpd 1.4.6 does instead; the private names that
it leans on (`_handle_client`, `_reader`, `_writer`, `_reset_timeout`, `_timeout_cb`, `_timeout_handle`,
`_timeout_duration`, `_create_envelope`, `_original_transport`) are held by tests/listener/test_base.py.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Iterable
from typing import Any, cast

from aiosmtpd.smtp import SMTP, Envelope, Session, TLSSetupException

from relay import log

LONGEST_LINE = 64 * 1024
LONGEST_AUTH_LINE = 12_288
"""RFC 4954 4: what an AUTH exchange must be able to take, whatever the other limits."""

_LONGEST_COMMAND = 2048
_MOST_ERRORS = 10
"""Commands that nobody understands, in one session: then it is closed."""
_LAST_WORD = 5.0
"""Seconds that a client has to take our last reply."""
_LARGEST_BACKLOG = 64 * 1024
"""Octets of replies that a client may leave unread before the session waits for it."""
HTTP_METHODS = ("GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH", "CONNECT", "TRACE", "PRI")


class NoHandler:
    """aiosmtpd wants a handler object; our commands are methods of the protocol itself."""

    def __dir__(self) -> Iterable[str]:
        return ()


_NO_HANDLER = NoHandler()


class CorrectedSMTP(SMTP):
    """One connection. Subclasses give the commands; `push()` writes one reply."""

    # aiosmtpd says Optional; both are there from the first connection_made() on.
    session: Session
    envelope: Envelope

    line_length_limit = LONGEST_LINE
    """aiosmtpd: 1,001 octets, for body lines too, which refuses real mail."""

    def __init__(self, *, hostname: str, tls_context: ssl.SSLContext | None, timeout: float) -> None:
        super().__init__(
            _NO_HANDLER,
            hostname=hostname,
            ident="ESMTP relay",
            tls_context=tls_context,
            timeout=timeout,
            enable_SMTPUTF8=True,
            auth_require_tls=False,
            loop=asyncio.get_running_loop(),
        )
        self._gone = False
        self._errors = 0
        self.answering = False
        """The client has said all and waits for our reply."""
        self._active_at = 0.0

    def __dir__(self) -> Iterable[str]:
        """Nothing: aiosmtpd's constructor looks through it all, which is a quarter of a short session's cost."""
        return ()

    # --- the life of a connection

    def eof_received(self) -> bool:
        """Let what has come be answered. aiosmtpd: cancels whatever runs, even a commit."""
        self._reader.feed_eof()
        return self.transport is not None and self.transport.get_extra_info("sslcontext") is None

    async def _handle_client(self) -> None:
        """The session. aiosmtpd's loop masks each line twice for a log that is off, and says 500 to our own faults."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await self.push(f"220 {self.hostname} ESMTP relay")
            while not self._gone:
                line = await self.read_line(LONGEST_AUTH_LINE)
                self._reset_timeout()
                await self._obey(line)
        if self.transport is not None:
            self.transport.close()

    async def _obey(self, line: bytes | None) -> None:
        """Do one command; None is a line that was too long for any."""
        word, _, rest = (line or b"").partition(b" ")
        command = word.decode("ascii", "replace").upper()
        if line is None or (len(line) > _LONGEST_COMMAND and command != "AUTH"):
            await self._not_understood("500 5.5.2 Line too long")
            return
        method = getattr(self, f"smtp_{command}", None) if command.isalpha() else None
        if method is None:
            await self._not_understood("500 5.5.2 Command not recognised")
            return
        try:
            await method(rest.strip().decode("utf-8", "surrogateescape") or None)
        except (ConnectionError, asyncio.IncompleteReadError):
            raise
        except TLSSetupException as error:
            log.listener.tls_failed(self.peer, str(error.__cause__))
            self.connection_lost(None)  # asyncio does not say so to a protocol whose handshake has failed
            raise ConnectionResetError("no TLS") from error
        except Exception as error:  # noqa: BLE001 (a fault of ours is a 451 for the client, and the session goes on)
            log.internal_error(f"the session of {self.peer} failed", error)
            await self.push("451 4.3.0 Internal error, please try again later")

    async def _not_understood(self, reply: str) -> None:
        self._errors += 1
        if self._errors >= _MOST_ERRORS:
            await self.leave("421 4.7.0 Too many errors, closing the connection")
        else:
            await self.push(reply)

    async def push(self, status: str | bytes) -> None:
        """Write one reply. Raises ConnectionResetError when the client has gone, which ends the session."""
        transport = cast("asyncio.WriteTransport | None", self.transport)
        if self._gone or transport is None or transport.is_closing():
            raise ConnectionResetError("the client has gone")
        reply = status.encode("utf-8", "backslashreplace") if isinstance(status, str) else status
        transport.write(reply + b"\r\n")
        if transport.get_write_buffer_size() > _LARGEST_BACKLOG:
            await self._writer.drain()  # a client that never reads must not fill our memory with replies

    def write(self, data: bytes) -> None:
        """Hand octets to the transport: one write a reply."""
        if self.transport is not None and not self.transport.is_closing():
            cast("asyncio.WriteTransport", self.transport).write(data)

    async def leave(self, reply: str) -> None:
        """Write a last reply and close."""
        self.part(reply)

    def part(self, reply: str) -> None:
        """The same without waiting: a client that does not read must not keep us."""
        if not self._gone:
            self.write(reply.encode() + b"\r\n")
        self._gone = True
        transport = cast("asyncio.WriteTransport | None", self.transport)
        if transport is not None:
            transport.close()
            self.loop.call_later(_LAST_WORD, transport.abort)

    def hang_up(self, reply: str = "") -> None:
        """Close, after a last reply if there is one."""
        if reply:
            self.part(reply)
        else:
            self._gone = True
            if self.transport is not None:
                self.transport.close()

    async def read_line(self, longest: int) -> bytes | None:
        """One line without its end; None when it is longer than `longest`.

        Raises asyncio.IncompleteReadError when the client has gone.
        """
        try:
            line: bytes = await self._reader.readuntil(b"\n")
        except asyncio.LimitOverrunError:
            await self._skip_line()
            return None
        return line.rstrip(b"\r\n") if len(line) <= longest else None

    async def _skip_line(self) -> None:
        """Read on to the end of a line that is longer than the stream holds: its rest is no command."""
        while True:
            try:
                await self._reader.readuntil(b"\n")
            except asyncio.LimitOverrunError as error:
                await self._reader.readexactly(error.consumed)
            else:
                return

    def forget_message(self) -> None:
        """End the mail transaction (RSET, or after DATA)."""
        self.envelope = self._create_envelope()

    def _reset_timeout(self, duration: float | None = None) -> None:
        """Note a sign of life. aiosmtpd: a timer cancelled and set anew for each command."""
        self._active_at = self.loop.time()
        if self._timeout_handle is None:
            self._timeout_handle = self.loop.call_later(duration or self._timeout_duration, self._timeout_cb)

    def _timeout_cb(self) -> None:
        """aiosmtpd: closes without a word (RFC 5321 3.8 wants a 421)."""
        left = self._active_at + self._timeout_duration - self.loop.time()
        if self.answering:
            left = self._timeout_duration  # it is we who are slow
        if left > 0:
            self._timeout_handle = self.loop.call_later(left, self._timeout_cb)
            return
        self.part("421 4.4.2 Timeout, closing the connection")

    @property
    def peer(self) -> str:
        """The client's IP address, for people and for limits."""
        name: Any = self.session.peer
        return str(name[0]) if name else "unknown"

    # --- commands that mean little

    async def smtp_NOOP(self, _arg: str | None) -> None:
        await self.push("250 2.0.0 OK")

    async def smtp_RSET(self, _arg: str | None) -> None:
        self.forget_message()
        await self.push("250 2.0.0 OK")

    async def smtp_EXPN(self, _arg: str | None) -> None:
        await self.push("502 5.5.1 EXPN is not offered")

    async def smtp_HELP(self, _arg: str | None) -> None:
        await self.push("214 2.0.0 See the README of smtp-oauth-relay")

    async def smtp_VRFY(self, arg: str | None) -> None:
        await self.push("252 2.1.5 Cannot verify, but will take the message" if arg else "501 5.5.4 VRFY <address>")

    async def smtp_QUIT(self, _arg: str | None) -> None:
        """aiosmtpd: refuses `QUIT` with an argument, which some devices send."""
        await self.leave(f"221 2.0.0 {self.hostname} closing the connection")

    async def _refuse_http(self, _arg: str | None) -> None:
        """A browser or a script was pointed here: whatever its body holds is never read as commands."""
        log.listener.http_refused(self.peer)
        await self.leave("421 4.7.0 This is an SMTP port, not a web server")


for _method in HTTP_METHODS:
    setattr(CorrectedSMTP, f"smtp_{_method}", CorrectedSMTP._refuse_http)  # noqa: SLF001 (this class's own)
