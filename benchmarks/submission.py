"""The submission server that the relays deliver to: STARTTLS, XOAUTH2 (RFC 5321, 3207, 4954), nothing kept.

It is much quicker than what it measures: one write answers whatever commands came in one read, and a message is only
counted and checked.
"""

import asyncio
import base64
import ssl
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from benchmarks.content import Content

_MAX_LINE = 16384
_MAX_PROBLEMS = 10
_TOKEN_REFUSED = base64.b64encode(b'{"status":"401","schemes":"bearer"}')
_EXTENSIONS = (b"PIPELINING", b"SIZE 104857600", b"8BITMIME", b"SMTPUTF8", b"DSN", b"ENHANCEDSTATUSCODES")


@dataclass
class Tally:
    """What has arrived since the last reset; `last` is the monotonic clock at the newest message."""

    check_every: int = 1
    messages: int = 0
    repeated: int = 0
    last: float = 0.0
    problems: list[str] = field(default_factory=list)
    numbers: set[int] = field(default_factory=set)

    def count(self, content: Content) -> None:
        """Take up a finished message."""
        self.messages += 1
        self.last = time.monotonic()
        if content.mark is not None:
            self.repeated += content.mark.number in self.numbers
            self.numbers.add(content.mark.number)
        if content.problem and len(self.problems) < _MAX_PROBLEMS:
            self.problems.append(content.problem)


@dataclass
class Desk:
    """What all connections of the server share.

    `delay` is the seconds that every reply is late, as a real provider's are. `is_token` says whether a bearer token
    is one of ours. `sessions` counts the connections that did STARTTLS.
    """

    tls: ssl.SSLContext
    is_token: Callable[[bytes], bool]
    delay: float = 0.0
    tally: Tally = field(default_factory=Tally)
    sessions: int = 0


class Submission(asyncio.Protocol):
    """One connection. With `plain` neither TLS nor a token is asked for: the load generator alone can be measured."""

    def __init__(self, desk: Desk, *, plain: bool = False) -> None:
        self._desk = desk
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._secure = self._authenticated = plain
        self._lines = b""
        self._replies: list[bytes] = []
        self._content: Content | None = None
        self._next_line: Callable[[bytes], None] = self._command
        self._upgrade: asyncio.Task[None] | None = None
        self._commands = {
            b"EHLO": self._ehlo,
            b"STARTTLS": self._starttls,
            b"AUTH": self._auth,
            b"MAIL": self._mail,
            b"RCPT": self._rcpt,
            b"DATA": self._data,
            b"RSET": self._ok,
            b"NOOP": self._ok,
            b"QUIT": self._quit,
        }

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not isinstance(): uvloop's transports have the methods of asyncio.Transport, but not its name.
        self._transport = cast("asyncio.Transport", transport)
        self._send(b"220 upstream.bench.example ESMTP\r\n")

    def connection_lost(self, _exc: Exception | None) -> None:
        if self._upgrade is not None:
            self._upgrade.cancel()

    def data_received(self, data: bytes) -> None:
        rest: bytes | None = data
        while rest:
            rest = self._content_received(rest) if self._content is not None else self._lines_received(rest)
        if self._replies:
            self._send(b"".join(self._replies))
            self._replies.clear()

    def _content_received(self, data: bytes) -> bytes | None:
        assert self._content is not None
        rest = self._content.feed(data)
        if rest is not None:
            self._desk.tally.count(self._content)
            self._content = None
            self._replies.append(b"250 2.0.0 OK <bench@upstream.bench.example>\r\n")
        return rest

    def _lines_received(self, data: bytes) -> bytes | None:
        self._lines += data
        while self._content is None and self._upgrade is None:
            line, end, rest = self._lines.partition(b"\r\n")
            if not end:
                if len(line) > _MAX_LINE:
                    self._transport.abort()
                return None
            self._lines = rest
            self._next_line(line)
        rest, self._lines = self._lines, b""
        return rest if self._content is not None else None

    def _send(self, replies: bytes) -> None:
        if self._desk.delay:
            self._loop.call_later(self._desk.delay, self._transport.write, replies)
        else:
            self._transport.write(replies)

    def _command(self, line: bytes) -> None:
        verb, _, argument = line.partition(b" ")
        action = self._commands.get(verb.upper())
        if action is None:
            self._replies.append(b"502 5.5.1 Unknown command\r\n")
        else:
            action(argument)

    def _ok(self, _argument: bytes) -> None:
        self._replies.append(b"250 2.0.0 OK\r\n")

    def _ehlo(self, _argument: bytes) -> None:
        last = b"AUTH PLAIN LOGIN XOAUTH2" if self._secure else b"STARTTLS"
        lines = (b"upstream.bench.example", *_EXTENSIONS)
        self._replies.append(b"".join(b"250-%b\r\n" % line for line in lines) + b"250 %b\r\n" % last)

    def _starttls(self, _argument: bytes) -> None:
        # The client's hello must not be read as a command while the upgrade is on its way.
        self._transport.pause_reading()
        self._transport.write(b"220 2.0.0 Go ahead\r\n")
        self._upgrade = self._loop.create_task(self._start_tls())

    async def _start_tls(self) -> None:
        try:
            transport = await self._loop.start_tls(self._transport, self, self._desk.tls, server_side=True)
        except OSError as error:
            print(f"STARTTLS failed: {error!r}", file=sys.stderr, flush=True)
            self._transport.abort()
            return
        assert transport is not None
        self._transport = transport
        self._secure = True
        self._desk.sessions += 1
        self._upgrade = None

    def _auth(self, argument: bytes) -> None:
        mechanism, _, response = argument.partition(b" ")
        if not self._secure or (mechanism.upper() != b"XOAUTH2" and not self._authenticated):
            self._replies.append(b"504 5.7.4 Unrecognized authentication type\r\n")
        elif response:
            self._token(response)
        else:
            self._next_line = self._token
            self._replies.append(b"334 \r\n")

    def _token(self, response: bytes) -> None:
        """The initial client response: `user=NAME ^A auth=Bearer TOKEN ^A ^A`."""
        self._next_line = self._command
        if self._authenticated or self._is_ours(response):
            self._authenticated = True
            self._replies.append(b"235 2.7.0 Authentication successful\r\n")
        else:
            self._next_line = self._refuse_token
            self._replies.append(b"334 %b\r\n" % _TOKEN_REFUSED)

    def _is_ours(self, response: bytes) -> bool:
        fields = base64.b64decode(response).split(b"\x01")
        return len(fields) > 1 and fields[1].startswith(b"auth=Bearer ") and self._desk.is_token(fields[1][12:])

    def _refuse_token(self, _line: bytes) -> None:
        self._next_line = self._command
        self._replies.append(b"535 5.7.3 Authentication unsuccessful\r\n")

    def _mail(self, _argument: bytes) -> None:
        self._replies.append(
            b"250 2.1.0 Sender OK\r\n" if self._authenticated else b"530 5.7.57 Client not authenticated\r\n"
        )

    def _rcpt(self, _argument: bytes) -> None:
        self._replies.append(b"250 2.1.5 Recipient OK\r\n" if self._authenticated else b"503 5.5.1 MAIL first\r\n")

    def _data(self, _argument: bytes) -> None:
        if not self._authenticated:
            self._replies.append(b"503 5.5.1 RCPT first\r\n")
            return
        self._content = Content(self._desk.tally.check_every)
        self._replies.append(b"354 Start mail input\r\n")

    def _quit(self, _argument: bytes) -> None:
        self._send(b"".join((*self._replies, b"221 2.0.0 Bye\r\n")))
        self._replies.clear()
        self._loop.call_later(self._desk.delay, self._transport.close)
