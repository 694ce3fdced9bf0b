"""The process that plays the old applications: it sends messages and times the answers.

No TLS and no pipelining, as such applications do it; by default one message a connection. It does as little as it can
beside that, so that it is not what is measured.
"""

import asyncio
import base64
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import cast

import uvloop

from benchmarks.control import Facts, answer_questions
from benchmarks.message import RECIPIENT, SENDER, Template, template

_MAX_REFUSED = 20
_PIECES = 50
_MAIL = f"MAIL FROM:<{SENDER}>\r\n".encode("ascii")
_RCPT = f"RCPT TO:<{RECIPIENT}>\r\n".encode("ascii")


class _RefusedError(Exception):
    """The relay answered with another code than the one that a message needs."""


@dataclass
class Load:
    """One order: what is to be sent, and what has come of it.

    `login` is None for no AUTH; with `kept` a connection carries message after message. `pace` is the seconds over
    which a message's content is spread, as a slow sender does. Nothing new is begun once `messages` have been, or the
    monotonic clock says `until`.
    """

    port: int
    template: Template
    messages: int
    until: float
    login: tuple[str, str] | None
    kept: bool
    pace: float
    begun: int = 0
    reply_seconds: list[float] = field(default_factory=list)
    last_reply: float = 0.0
    refused: list[str] = field(default_factory=list)

    def next_number(self) -> int | None:
        """Return the number of the next message, None when there is to be none."""
        if self.begun >= self.messages or time.monotonic() >= self.until or len(self.refused) >= _MAX_REFUSED:
            return None
        self.begun += 1
        return self.begun - 1

    def accepted(self, asked: float) -> None:
        """Count a message that was taken; `asked` is when its content (with `pace`: the last of it) went out."""
        self.last_reply = time.monotonic()
        self.reply_seconds.append(self.last_reply - asked)


class _Connection(asyncio.Protocol):
    """One connection, written as the conversation that it holds: each `yield` sends, and returns with the reply."""

    def __init__(self, load: Load, number: int, ended: "asyncio.Future[None]") -> None:
        self._load = load
        self._number = number
        self._ended = ended
        self._transport: asyncio.Transport
        self._received = b""
        self._over = False
        self._asked = 0.0
        self._conversation = self._converse()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not isinstance(): uvloop's transports have the methods of asyncio.Transport, but not its name.
        self._transport = cast("asyncio.Transport", transport)
        next(self._conversation)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._over:
            self._load.refused.append(f"the connection was closed: {exc or 'without a word'}")
        if not self._ended.done():
            self._ended.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._received += data
        # Without pipelining one reply is outstanding: it is complete when its last line is.
        last = self._received.rfind(b"\n", 0, -1) + 1
        if not self._received.endswith(b"\n") or self._received[last + 3 : last + 4] == b"-":
            return
        reply, self._received = self._received, b""
        try:
            self._conversation.send(reply)
        except StopIteration:
            self._close()
        except _RefusedError as error:
            self._load.refused.append(str(error))
            self._close()

    def _close(self) -> None:
        self._over = True
        self._transport.close()

    def _converse(self) -> Generator[None, bytes, None]:
        load = self._load
        _expect(b"220", (yield))
        yield from self._ask(b"EHLO app.bench.example\r\n", b"250")
        if load.login is not None:
            response = base64.b64encode("\0{}\0{}".format(*load.login).encode())
            yield from self._ask(b"AUTH PLAIN " + response + b"\r\n", b"235")
        number: int | None = self._number
        while number is not None:
            yield from self._ask(_MAIL, b"250")
            yield from self._ask(_RCPT, b"250")
            yield from self._ask(b"DATA\r\n", b"354")
            self._send_content(load.template.head(number), load.template.wire_body)
            _expect(b"250", (yield))
            load.accepted(self._asked)
            number = load.next_number() if load.kept else None
        yield from self._ask(b"QUIT\r\n", b"221")

    def _send_content(self, head: bytes, body: bytes) -> None:
        self._transport.write(head)
        if not self._load.pace:
            self._asked = time.monotonic()
            self._transport.write(body)
            return
        size = -(-len(body) // _PIECES)
        self._send_pieces([body[start : start + size] for start in range(0, len(body), size)])

    def _send_pieces(self, pieces: list[bytes]) -> None:
        if self._over or self._transport.is_closing():
            return
        self._asked = time.monotonic()
        self._transport.write(pieces[0])
        if len(pieces) > 1:
            asyncio.get_running_loop().call_later(self._load.pace / _PIECES, self._send_pieces, pieces[1:])

    def _ask(self, data: bytes, code: bytes) -> Generator[None, bytes, None]:
        self._transport.write(data)
        _expect(code, (yield))


def _expect(code: bytes, reply: bytes) -> None:
    if not reply.startswith(code):
        raise _RefusedError(reply.decode(errors="replace").strip())


async def _application(load: Load) -> None:
    """Send one message after the other."""
    loop = asyncio.get_running_loop()
    while (number := load.next_number()) is not None:
        ended: asyncio.Future[None] = loop.create_future()

        def connection(number: int = number, ended: "asyncio.Future[None]" = ended) -> _Connection:
            return _Connection(load, number, ended)

        try:
            await loop.create_connection(connection, "127.0.0.1", load.port)
        except OSError as error:
            load.refused.append(str(error))
            continue
        await ended


async def _send(question: Facts) -> Facts:
    """Carry out one order over `connections` at once."""
    start = time.monotonic()
    load = Load(
        port=question["port"],
        template=template(question["size"], dots=question["dots"]),
        messages=question["messages"],
        until=start + question["seconds"],
        login=tuple(question["login"]) if question["login"] else None,
        kept=question["kept"],
        pace=question["pace"],
    )
    await asyncio.gather(*(_application(load) for _ in range(question["connections"])))
    return {
        "start": start,
        "last_reply": load.last_reply,
        "reply_seconds": sorted(load.reply_seconds),
        "refused": load.refused,
    }


if __name__ == "__main__":
    uvloop.run(answer_questions({}, {"send": _send}))
