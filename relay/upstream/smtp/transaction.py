"""One message over one connection: MAIL, RCPT, DATA, content, and what became of each recipient.

With PIPELINING (RFC 2920) the commands go out in one write and the replies are matched in order, which makes two round
trips of four or more. `stage` says how far it came when the connection breaks: before the final dot nothing can have
been accepted, after it nobody knows.
"""

import contextlib
from collections.abc import Callable
from dataclasses import replace

from relay.model import Message, Outcome, Result, Results
from relay.upstream.body import ContentError, all_of, chunks
from relay.upstream.replies import Stage
from relay.upstream.smtp import content, dsn, limits
from relay.upstream.smtp.connection import Connection
from relay.upstream.smtp.reply import Reply
from relay.upstream.smtp.wire import BrokenError
from relay.upstream.trouble import Trace


class Transaction:
    """One attempt at one message.

    `judge` turns a reply into a result; `timeout` and `write_timeout` are in seconds for each reply and each piece of
    the content. `refused` holds the recipients whose fate is settled already, whatever becomes of the rest.
    """

    def __init__(
        self,
        connection: Connection,
        message: Message,
        recipients: list[str],
        *,
        judge: Callable[[Stage, Reply], Result],
        timeout: float,
        write_timeout: float,
        trace: Trace | None,
    ) -> None:
        self.stage = Stage.MAIL
        self.refused: Results = {}
        self._connection = connection
        self._wire = connection.wire
        self._message = message
        self._recipients = recipients
        self._judge = judge
        self._timeout = timeout
        self._write_timeout = write_timeout
        self._trace = trace
        self._pipelining = connection.offers("PIPELINING")
        self._dsn = message.envelope.dsn if connection.offers("DSN") else None
        self.farewell: Reply | None = None
        """A 421 that came before the content."""

    async def run(self) -> Results:
        """Send the message. Raises BrokenError, with `stage` telling where, and ContentError."""
        self._connection.tidy = False
        commands = [self._mail_line(), *map(self._rcpt_line, self._recipients), b"DATA"]
        if self._pipelining:
            self._said(*commands)
            self._wire.write(b"\r\n".join([*commands, b""]), replies=len(commands))
        reply = await self._answer(commands[0])
        if reply.code // 100 != 2:
            result = self._judged(Stage.MAIL, reply)
            if self._pipelining:
                await self._ignore_rest(len(commands) - 1)
            return dict.fromkeys(self._recipients, result)
        accepted = await self._ask_recipients(commands[1:-1])
        self.stage = Stage.DATA
        if not accepted and not self._pipelining:
            return self.refused
        reply = await self._answer(b"DATA")
        if not accepted:
            await self._send_nothing(reply)
            return self.refused
        if reply.code // 100 == 3:
            reply = await self._send_content()
        result = self._judged(self.stage, reply)
        self._connection.tidy = self.stage is Stage.END
        if self._dsn is not None and result.outcome is Outcome.SENT:
            result = replace(result, passed_on=True)
        return self.refused | dict.fromkeys(accepted, result)

    async def _ask_recipients(self, commands: list[bytes]) -> list[str]:
        """Who was accepted; the others are in `refused`."""
        self.stage = Stage.RCPT
        accepted = []
        for recipient, command in zip(self._recipients, commands, strict=True):
            reply = await self._answer(command)
            if reply.code // 100 == 2:
                accepted.append(recipient)
            else:
                self.refused[recipient] = self._judged(Stage.RCPT, reply)
        return accepted

    async def _answer(self, command: bytes) -> Reply:
        """The reply to `command`, which has been sent already when commands are pipelined.

        A 421 (RFC 5321 3.8) is the last thing that a server says, and answers all that was still open.
        """
        if self.farewell is not None:
            return self.farewell
        if self._pipelining:
            reply = await self._wire.read(self._timeout)
            self._heard(reply)
        else:
            reply = await self._connection.ask(command, self._timeout, self._trace)
        if reply.code == 421:
            self.farewell = reply
            self._connection.abort("421")
        return reply

    def _judged(self, stage: Stage, reply: Reply) -> Result:
        """The result of a reply that cannot be followed by more. Raises BrokenError for one that makes no sense.

        A "250" to DATA above all must not be taken for the end: nothing has been sent yet.
        """
        if reply.code // 100 == 3 or (reply.code // 100 == 2 and stage is not Stage.END):
            self._connection.abort(f"{reply.code} out of place")
            raise BrokenError(f"the server answered {reply.code}, which has no meaning here")
        return self._judge(stage, reply)

    async def _ignore_rest(self, replies: int) -> None:
        """Read the replies to what was sent behind a refused MAIL: that refusal says it all."""
        try:
            for _ in range(replies - 1):
                await self._answer(b"")
            await self._send_nothing(await self._answer(b""))
        except BrokenError:
            pass  # the verdict is there; the connection is given up by whoever looks at it next

    async def _send_nothing(self, reply: Reply) -> None:
        """RFC 2920 3.1: a DATA that was accepted although nobody is to receive is ended by a dot alone."""
        if reply.code // 100 != 3:
            return
        try:
            await self._connection.ask(b".", self._timeout, self._trace)
        except BrokenError:
            pass  # all recipients have their result

    async def _send_content(self) -> Reply:
        """Header block, empty line, body, dot; the final reply, or the one that came before its time."""
        self.stage = Stage.CONTENT
        stored = self._message.body
        stuffing = content.Stuffing(stored.dots)
        # A body that cannot be read leaves the server waiting for content: only closing ends that without a message.
        try:
            head = content.head(self._message)
            if len(head) + stored.size <= content.SMALL:
                data = stuffing.stuffed(await all_of(stored))
                self._wire.write(b"".join((head, data, stuffing.end)), replies=1)
                self.stage = Stage.END
            else:
                await self._send_large(head, stuffing)
        except ContentError as error:
            self._connection.abort(str(error))
            raise
        self._said(f"({self._message.size:,} octets)".encode())
        reply = await self._wire.read(self._timeout)
        self._heard(reply)
        if self.stage is not Stage.END:
            self._connection.abort("answered before the end of the message")
        elif reply.code == 421:
            self._connection.abort("421")
        return reply

    async def _send_large(self, head: bytes, stuffing: content.Stuffing) -> None:
        """Piece by piece, no faster than the network takes it, until the server interrupts."""
        wire = self._wire
        wire.write(head, replies=1)
        async with contextlib.aclosing(chunks(self._message.body)) as source:
            async for chunk in source:
                view = memoryview(stuffing.stuffed(chunk))
                for start in range(0, len(view), content.PIECE):
                    if wire.answered:
                        return
                    wire.write(view[start : start + content.PIECE])
                    await wire.drain(self._write_timeout)
        if not wire.answered:
            wire.write(stuffing.end)
            self.stage = Stage.END

    def _mail_line(self) -> bytes:
        message, connection = self._message, self._connection
        parts = [f"MAIL FROM:<{message.envelope.sender}>"]
        if connection.offers("SIZE"):
            parts.append(f"SIZE={message.size}")
        if message.envelope.eight_bit and connection.offers("8BITMIME"):
            parts.append("BODY=8BITMIME")
        if limits.needs_smtputf8(message):
            parts.append("SMTPUTF8")
        if self._dsn is not None:
            parts += dsn.mail_parameters(self._dsn)
        return " ".join(parts).encode()

    def _rcpt_line(self, recipient: str) -> bytes:
        wishes = dsn.rcpt_parameters(self._dsn, recipient) if self._dsn is not None else []
        return " ".join([f"RCPT TO:<{recipient}>", *wishes]).encode()

    def _said(self, *commands: bytes) -> None:
        if self._trace is not None:
            for command in commands:
                self._trace(f"> {command.decode()}")

    def _heard(self, reply: Reply) -> None:
        if self._trace is not None:
            self._trace(f"< {reply}")
