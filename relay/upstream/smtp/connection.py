"""One open SMTP session, ready for messages."""

from collections.abc import Mapping

from relay.upstream.smtp.reply import Reply
from relay.upstream.smtp.wire import BrokenError, Wire
from relay.upstream.trouble import Trace

QUIT_SECONDS = 2.0
"""How long a server may take to say goodbye."""


class Connection:
    """A session after EHLO, and after AUTH where there is one.

    `extensions` is what EHLO offers, names in upper case with their parameters. `used` counts messages; `kept` says
    that it has rested between two. `tidy` is False while the server may still hold a transaction that has to be reset.
    Times are the clock's monotonic seconds.
    """

    __slots__ = ("extensions", "host", "idle_since", "kept", "opened_at", "tidy", "used", "wire")

    def __init__(self, wire: Wire, host: str, extensions: Mapping[str, str], now: float) -> None:
        self.wire = wire
        self.host = host
        self.extensions = extensions
        self.opened_at = now
        self.idle_since = now
        self.used = 0
        self.kept = False
        self.tidy = True

    @property
    def alive(self) -> bool:
        return self.wire.alive

    def offers(self, extension: str) -> bool:
        return extension in self.extensions

    @property
    def mechanisms(self) -> list[str]:
        """The AUTH mechanisms on offer, in upper case."""
        return self.extensions.get("AUTH", "").upper().split()

    async def ask(self, line: bytes, seconds: float, trace: Trace | None = None, shown: str | None = None) -> Reply:
        """Send one command and read its reply; `shown` is what the trace says in place of a line with a secret.

        Raises BrokenError.
        """
        if trace is not None:
            trace(f"> {line.decode('utf-8', 'replace') if shown is None else shown}".rstrip())
        self.wire.write(line + b"\r\n", replies=1)
        reply = await self.wire.read(seconds)
        if trace is not None:
            trace(f"< {reply}")
        return reply

    async def reset(self, seconds: float) -> bool:
        """Ask by RSET whether the session is still good; False means that it has been given up."""
        try:
            reply = await self.ask(b"RSET", seconds)
        except BrokenError:
            return False
        if reply.code != 250:
            self.wire.abort(f"RSET was answered with {reply}")
            return False
        self.tidy = True
        return True

    async def quit(self) -> None:
        """Leave politely (RFC 5321 4.1.1.10), but within some seconds."""
        try:
            if self.alive:
                await self.ask(b"QUIT", QUIT_SECONDS)
        except BrokenError:
            pass  # the server has closed already, or does not care
        await self.wire.close(QUIT_SECONDS)

    def abort(self, reason: str) -> None:
        """Close at once: nothing can be said any more that would be understood."""
        self.wire.abort(reason)
