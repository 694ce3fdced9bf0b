"""The commands of SMTP (RFC 5321 4.1.1) as far as they need to know nothing of clients, accounts or mail.

aiosmtpd gives the session's and the envelope's types. Its protocol, which this was a subclass of at first, wakes a task
for each command, cancels whatever runs when a client closes its half of the connection, and answers 500 for a fault of
ours; with all of that replaced nothing of it was left.
"""

import re
from collections.abc import Callable
from typing import Any, ClassVar

from aiosmtpd.smtp import Envelope, Session

from relay import log
from relay.listener.wire import LONGEST_AUTH_LINE, Wire

_LONGEST_COMMAND = 2048
_MOST_ERRORS = 10
"""Commands that nobody understands, in one session: then it is closed."""
_HTTP = re.compile(
    rb"(?:GET|POST|PUT|HEAD|OPTIONS|DELETE|PATCH|CONNECT|TRACE|PRI)(?: |\Z)|\S+ .* HTTP/[0-9.]+\s*\Z", re.IGNORECASE
)
"""The first line of an HTTP request (RFC 9112 3); one that is too long has lost its end."""


class CommandSession(Wire):
    """One connection and its commands: each method `smtp_X` does the command X, given what follows its name."""

    _commands: ClassVar[dict[bytes, Callable[[Any, str], None]]] = {}

    def __init_subclass__(cls) -> None:
        """Collect the commands once for the class: looking through it for each connection cost a quarter of it."""
        cls._commands = {name[5:].encode(): getattr(cls, name) for name in dir(cls) if name.startswith("smtp_")}

    def __init__(self, *, hostname: str, timeout: float, legacy: bool = False) -> None:
        super().__init__(timeout)
        self.hostname = hostname
        self.session = Session(self.loop)
        self.envelope = Envelope()
        self._errors = 0
        self.legacy = legacy
        self.lf_only = legacy
        """Every line of this session has ended in a bare LF."""

    @property
    def peer(self) -> str:
        name: Any = self.session.peer
        return str(name[0]) if name else "unknown"

    def greet(self) -> None:
        """Say who we are."""
        self.push(f"220 {self.hostname} ESMTP relay")
        self.flush()

    def secured(self) -> None:
        """After STARTTLS everything that was learnt before is forgotten (RFC 3207 4.2)."""
        peername = self.session.peer
        self.session = Session(self.loop)
        self.session.peer = peername
        self.forget_message()

    def forget_message(self) -> None:
        """End the mail transaction (RSET, or after DATA)."""
        self.envelope = Envelope()

    def ill_formed(self, line: bytes) -> str:
        """Why a line is none that may come here (RFC 5321 2.3.8, 4.1.1), as a reply; "" if it may."""
        if self._input.bare:
            if not self.legacy:
                return '500 5.5.2 Lines must end in CRLF, not in a bare LF; for old devices there is profile = "legacy"'
        else:
            self.lf_only = False
        if b"\0" in line or b"\r" in line:
            return "500 5.5.2 A line with a NUL or a bare CR is no command"
        return ""

    def obey(self, line: bytes) -> None:
        word, _, rest = line.partition(b" ")
        name = word.upper()
        if len(line) > (LONGEST_AUTH_LINE if name == b"AUTH" else _LONGEST_COMMAND):
            self.not_understood(f"500 {'5.5.6' if name == b'AUTH' else '5.5.2'} Line too long", line)
            return
        command = self._commands.get(name)
        if command is None:
            self.not_understood("500 5.5.2 Command not recognised", line)
        else:
            command(self, rest.strip().decode("utf-8", "surrogateescape"))

    def not_understood(self, reply: str, line: bytes) -> None:
        """Refuse a line; after too many of them the session ends, and at once after one of HTTP."""
        self._errors += 1
        if _HTTP.match(line):
            self._refuse_http()
        elif self._errors >= _MOST_ERRORS:
            self.leave("421 4.7.0 Too many errors, closing the connection")
        else:
            self.push(reply)

    def smtp_NOOP(self, _arg: str) -> None:
        self.push("250 2.0.0 OK")

    def smtp_RSET(self, _arg: str) -> None:
        self.forget_message()
        self.push("250 2.0.0 OK")

    def smtp_EXPN(self, _arg: str) -> None:
        self.push("502 5.5.1 EXPN is not offered")

    def smtp_HELP(self, _arg: str) -> None:
        self.push("214 2.0.0 See the README of smtp-oauth-relay")

    def smtp_VRFY(self, arg: str) -> None:
        self.push("252 2.1.5 Cannot verify, but will take the message" if arg else "501 5.5.4 VRFY <address>")

    def smtp_QUIT(self, _arg: str) -> None:
        """An argument is no error: some devices send one."""
        self.leave(f"221 2.0.0 {self.hostname} closing the connection")

    def _refuse_http(self) -> None:
        """A browser or a script was pointed here: whatever its body holds is never read as commands."""
        log.listener.http_refused(self.peer)
        self.leave("421 4.7.0 This is an SMTP port, not a web server")
