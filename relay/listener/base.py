"""aiosmtpd's protocol with the traits corrected that would lose or refuse mail, and with a constructor that is cheap.

Nothing here knows of clients or accounts. Each override says what aiosmtpd 1.4.6 does instead; the private names that
it leans on (`_handle_client`, `_reader`, `_handler_coroutine`, `_reset_timeout`, `_timeout_cb`,
`_set_post_data_state`, `_original_transport`) are held by tests/listener/test_base.py.
"""

import asyncio
import contextlib
import ssl
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, cast

from aiosmtpd.smtp import SMTP, Envelope, Session

from relay import log

LONGEST_LINE = 64 * 1024
LONGEST_AUTH_LINE = 12_288
"""RFC 4954 4: what an AUTH exchange must be able to take, whatever the other limits."""

_COMMAND_LIMITS = defaultdict(lambda: 2048, AUTH=LONGEST_AUTH_LINE)
_ENHANCED = {
    "220": "2.0.0", "221": "2.0.0", "250": "2.0.0", "252": "2.1.5", "421": "4.3.2", "451": "4.3.0", "454": "4.3.0",
    "500": "5.5.2", "501": "5.5.4", "502": "5.5.1", "503": "5.5.1", "530": "5.7.0", "552": "5.3.4", "553": "5.1.3",
    "554": "5.5.1", "555": "5.5.4",
}  # fmt: skip
HTTP_METHODS = ("GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH", "CONNECT", "TRACE", "PRI")


class NoHandler:
    """aiosmtpd wants a handler object; our commands are methods of the protocol itself."""

    def __dir__(self) -> Iterable[str]:
        return ()


_NO_HANDLER = NoHandler()


class Commands:
    """The commands of a session, found when they come: aiosmtpd looks each of them up for each connection."""

    __slots__ = ("_session",)

    def __init__(self, session: "CorrectedSMTP") -> None:
        self._session = session

    def get(self, command: str) -> Any:
        """The method for `command` (in upper case), or None."""
        return getattr(self._session, f"smtp_{command}", None)


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
        self._smtp_methods = cast("dict[str, Any]", Commands(self))
        # aiosmtpd: one dictionary for all connections, which each of them changes.
        self.command_size_limits = _COMMAND_LIMITS
        self._gone = False

    def __dir__(self) -> Iterable[str]:
        """Nothing: aiosmtpd's constructor looks through it all, which is a quarter of a short session's cost."""
        return ()

    # --- the life of a connection

    def eof_received(self) -> bool:
        """Let what has come be answered. aiosmtpd: cancels whatever runs, even a commit."""
        self._reader.feed_eof()
        return self.transport is not None and self.transport.get_extra_info("sslcontext") is None

    async def _handle_client(self) -> None:
        """Run the session; its end, however it comes, is no error of ours."""
        with contextlib.suppress(ConnectionError):
            await super()._handle_client()
        if self.transport is not None:
            self.transport.close()

    async def handle_exception(self, error: Exception) -> str:
        """aiosmtpd: `500 Error: (Class) text`, a permanent refusal that also tells what should stay inside."""
        if isinstance(error, (asyncio.IncompleteReadError, ConnectionError)):
            self._gone = True
        elif isinstance(error, ssl.SSLError) or isinstance(error.__cause__, (ssl.SSLError, OSError)):
            log.tls_failed(self.peer, str(error.__cause__ or error))
            self._gone = True
        else:
            log.internal_error(f"the session of {self.peer} failed", error)
        return "451 4.3.0 Internal error, please try again later"

    async def push(self, status: str | bytes) -> None:
        """Write one reply, with an enhanced status code (RFC 2034) where aiosmtpd's own text has none.

        Raises ConnectionResetError when the client has gone, which ends the session.
        """
        if self._gone or self.transport is None or self.transport.is_closing():
            raise ConnectionResetError("the client has gone")
        reply = status.encode("utf-8", "backslashreplace") if isinstance(status, str) else status
        self.write(with_status(reply) + b"\r\n")
        await self._writer.drain()  # a client that never reads must not fill our memory with replies

    def write(self, data: bytes) -> None:
        """Hand octets to the transport: one write a reply."""
        if self.transport is not None and not self.transport.is_closing():
            cast("asyncio.WriteTransport", self.transport).write(data)

    async def leave(self, reply: str) -> None:
        """Write a last reply and close."""
        with contextlib.suppress(ConnectionError):
            await self.push(reply)
        self._gone = True
        if self.transport is not None:
            self.transport.close()

    async def read_line(self, longest: int) -> bytes | None:
        """One line without its end, outside the command loop (AUTH); None when it is longer than `longest`.

        Raises asyncio.IncompleteReadError when the client has gone.
        """
        self._reset_timeout()
        try:
            line: bytes = await self._reader.readuntil(b"\n")
        except asyncio.LimitOverrunError as error:
            await self._reader.readexactly(error.consumed)
            return None
        return line.rstrip(b"\r\n") if len(line) <= longest else None

    def forget_message(self) -> None:
        """End the mail transaction (RSET, or after DATA)."""
        self.envelope = self._create_envelope()

    def _timeout_cb(self) -> None:
        """aiosmtpd: closes without a word (RFC 5321 3.8 wants a 421)."""
        self.write(b"421 4.4.2 Timeout, closing the connection\r\n")
        self._gone = True
        if self.transport is not None:
            self.transport.close()

    @property
    def peer(self) -> str:
        """The client's IP address, for people and for limits."""
        name: Any = self.session.peer
        return str(name[0]) if name else "unknown"

    # --- commands that mean trouble

    async def smtp_HELP(self, _arg: str | None) -> None:
        await self.push("214 2.0.0 See the README of smtp-oauth-relay")

    async def smtp_VRFY(self, arg: str | None) -> None:
        await self.push("252 2.1.5 Cannot verify, but will take the message" if arg else "501 5.5.4 VRFY <address>")

    async def smtp_QUIT(self, _arg: str | None) -> None:
        """aiosmtpd: refuses `QUIT` with an argument, which some devices send."""
        await self.leave(f"221 2.0.0 {self.hostname} closing the connection")

    async def _refuse_http(self, _arg: str | None) -> None:
        """A browser or a script was pointed here: whatever its body holds is never read as commands."""
        log.http_refused(self.peer)
        await self.leave("421 4.7.0 This is an SMTP port, not a web server")


for _method in HTTP_METHODS:
    setattr(CorrectedSMTP, f"smtp_{_method}", CorrectedSMTP._refuse_http)  # noqa: SLF001 (this class's own)


def with_status(reply: bytes) -> bytes:
    """`500 Error: bad syntax` -> `500 5.5.2 Error: bad syntax`; replies that have a code, or must not, stay."""
    code = reply[:3].decode("ascii", "replace")
    enhanced = _ENHANCED.get(code)
    if enhanced is None or reply[3:4] != b" " or reply[4:6] in (b"2.", b"4.", b"5.") or code == "220":
        return reply
    return reply[:4] + enhanced.encode() + b" " + reply[4:].removeprefix(b"Error: ")
