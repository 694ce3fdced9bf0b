"""A submission server's side of one SMTP session, whoever the provider is.

The provider fills in the greeting, what EHLO offers, AUTH, and what becomes of a message; `Replies` holds its wording.
"""

import abc
import re
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from relay import log
from relay.sandbox.content import DataContent
from relay.sandbox.envelope import Transaction, read_mail, read_rcpt
from relay.sandbox.faults import Fault, Faults
from relay.sandbox.replies import Replies
from relay.sandbox.wire import HangUpError, LineTooLongError, Wire

AUTH_LINE = 12288
"""Octets that a server must be able to read in one line of AUTH (RFC 4954 section 4)."""
_BLOCK = 256 * 1024
_GARBAGE = b"\x16\x03\x01\x00\xc8\x00\xff<html>not SMTP\r\n"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the provider answers to a message, and how the message is kept if that is a yes."""

    reply: str
    keep: Callable[[str], None] | None = None


class SmtpSession(abc.ABC):
    """One connection: reads commands, checks their order and form, lets faults strike, asks the provider."""

    replies: ClassVar[Replies]
    advertised_size: ClassVar[int]
    offers: ClassVar[tuple[str, ...]]

    def __init__(self, wire: Wire, tls: ssl.SSLContext, faults: Faults) -> None:
        self.wire = wire
        self.faults = faults
        self.secure = False
        self.mailbox = ""
        """The mailbox that AUTH named, for faults that are ordered for one; not proof of anything."""
        self._tls = tls
        self._greeted = False
        self._transaction: Transaction | None = None
        self._cut_next = False

    @abc.abstractmethod
    def greeting(self) -> str: ...

    @abc.abstractmethod
    def hello(self) -> str:
        """The text of the first line that answers EHLO and HELO."""

    @property
    @abc.abstractmethod
    def authenticated(self) -> bool: ...

    @abc.abstractmethod
    def mechanisms(self) -> tuple[str, ...]:
        """The AUTH mechanisms on offer now."""

    @abc.abstractmethod
    async def authenticate(self, mechanism: str, initial: str | None) -> str:
        """Do the exchange and return the final reply; `initial` is the initial response."""

    @abc.abstractmethod
    def mail_refused(self) -> str:
        """The reply to MAIL from a client that may not send yet, or ""."""

    @property
    @abc.abstractmethod
    def recipient_limit(self) -> int | None: ...

    @property
    @abc.abstractmethod
    def size_limit(self) -> int: ...

    @abc.abstractmethod
    async def judge(self, transaction: Transaction, content: bytes, *, too_large: bool) -> Verdict: ...

    @abc.abstractmethod
    def fault_reply(self, fault: Fault) -> str:
        """The provider's reply for a kind of fault that is its own."""

    @abc.abstractmethod
    def ended(self) -> None:
        """The connection is gone."""

    async def run(self) -> None:
        """Serve the connection until it ends."""
        try:
            if not await self.struck("connect"):
                self.say(self.greeting())
            while not self._cut_next:
                await self._command()
        except HangUpError:
            pass
        except Exception as error:  # noqa: BLE001 (one session's mistake must not pass unseen, nor stop the others)
            log.internal_error("the sandbox's SMTP server failed", error)
        finally:
            self.wire.close()
            self.ended()

    def say(self, reply: str) -> None:
        """Queue a reply; lines after the first are given with their code."""
        self.wire.write(reply.replace("\r\n", "\n").replace("\n", "\r\n").encode() + b"\r\n")

    async def struck(self, point: str, *, recipient: str = "") -> bool:
        """Whether a fault has taken the place of the reply that is due at `point`."""
        fault = await self.faults.at(point, mailbox=self.mailbox, recipient=recipient)
        return fault is not None and not self._passes(fault) and self._obey(fault)

    async def challenge(self, text: str) -> str:
        """Send `334 text` and return the client's line (RFC 4954 section 4). Raises LineTooLongError."""
        self.say(f"334 {text}")
        return (await self.wire.readline(AUTH_LINE)).decode("latin-1")

    def _passes(self, fault: Fault) -> bool:
        """A cut that comes after the reply lets the reply pass."""
        self._cut_next = fault.kind == "disconnect" and fault.after_reply
        return self._cut_next

    def _obey(self, fault: Fault) -> bool:
        if fault.kind == "disconnect":
            self.wire.cut()
            raise HangUpError
        if fault.kind == "garbage":
            self.wire.write(_GARBAGE)
            return True
        reply = self._reply_of(fault)
        self.say(reply)
        if reply.startswith("421"):
            raise HangUpError
        return True

    def _reply_of(self, fault: Fault) -> str:
        if fault.kind == "reply":
            return fault.reply
        return self.replies.service_closing if fault.kind == "service_closing" else self.fault_reply(fault)

    async def _command(self) -> None:
        try:
            line = await self.wire.readline(AUTH_LINE)
        except LineTooLongError:
            self.say(self.replies.line_too_long)
            return
        verb, _, argument = line.partition(b" ")
        handler = self._verbs.get(verb.upper())
        if handler is None:
            self.say(self.replies.unknown_command)
            return
        await handler(self, argument.strip().decode("utf-8", "surrogateescape"))

    async def _ehlo(self, argument: str) -> None:
        if not argument:
            self.say(self.replies.bad_arguments)
            return
        self._greeted, self._transaction = True, None
        if await self.struck("ehlo"):
            return
        offers = [self.hello(), f"SIZE {self.advertised_size}", *self._offers()]
        lines = [f"250-{offer}" for offer in offers[:-1]]
        self.say("\n".join([*lines, f"250 {offers[-1]}"]))

    def _offers(self) -> list[str]:
        security = f"AUTH {' '.join(self.mechanisms())}" if self.secure else "STARTTLS"
        return [security if offer == "STARTTLS" else offer for offer in self.offers]

    async def _helo(self, argument: str) -> None:
        if not argument:
            self.say(self.replies.bad_arguments)
            return
        self._greeted, self._transaction = True, None
        if not await self.struck("ehlo"):
            self.say(f"250 {self.hello()}")

    async def _starttls(self, argument: str) -> None:
        if argument:
            self.say(self.replies.bad_arguments)
        elif not self._greeted:
            self.say(self.replies.hello_first)
        elif self.secure:
            self.say(self.replies.already_tls)
        elif not await self.struck("starttls"):
            self.say(self.replies.start_tls)
            if self._cut_next:
                raise HangUpError
            await self.wire.start_tls(self._tls)
            # RFC 3207 section 4.2: all that was said before is forgotten.
            self.secure, self._greeted, self._transaction = True, False, None

    async def _auth(self, argument: str) -> None:
        mechanism, _, initial = argument.partition(" ")
        if not self._greeted:
            self.say(self.replies.hello_first)
        elif self.authenticated or self._transaction is not None:
            self.say(self.replies.auth_already)
        elif not mechanism:
            self.say(self.replies.bad_arguments)
        elif not self.secure or mechanism.upper() not in self.mechanisms():
            self.say(self.replies.auth_unknown)
        else:
            # "=" stands for an initial response that is empty (RFC 4954 section 4).
            given = {"": None, "=": ""}.get(initial, initial)
            try:
                reply = await self.authenticate(mechanism.upper(), given)
            except LineTooLongError:
                reply = self.replies.line_too_long
            if reply:
                self.say(reply)

    async def _mail(self, argument: str) -> None:
        if not self._greeted:
            self.say(self.replies.hello_first)
        elif refusal := self.mail_refused():
            self.say(refusal)
        elif self._transaction is not None:
            self.say(self.replies.sender_already)
        else:
            transaction = read_mail(argument, self.replies, self.advertised_size)
            if isinstance(transaction, str):
                self.say(transaction)
            elif not await self.struck("mail"):
                self._transaction = transaction
                self.say(self.replies.sender_ok)

    async def _rcpt(self, argument: str) -> None:
        transaction, limit = self._transaction, self.recipient_limit
        if transaction is None:
            self.say(self.replies.mail_first if self._greeted else self.replies.hello_first)
            return
        recipient = read_rcpt(argument, self.replies, smtputf8=transaction.smtputf8)
        if isinstance(recipient, str):
            self.say(recipient)
        elif limit is not None and len(transaction.recipients) >= limit:
            self.say(self.replies.too_many_recipients)
        elif not await self.struck("rcpt", recipient=recipient.address):
            transaction.recipients.append(recipient.address)
            transaction.recipient_parameters.append(recipient.parameters)
            self.say(self.replies.recipient_ok)

    async def _data(self, argument: str) -> None:
        transaction = self._transaction
        if argument:
            self.say(self.replies.bad_arguments)
        elif transaction is None or not transaction.recipients:
            self.say(self.replies.rcpt_first if transaction else self.replies.mail_first)
        elif transaction.chunked or transaction.binary:
            self.say(self.replies.no_binary_data)
        elif not await self.struck("data"):
            self.say(self.replies.start_input)
            if self._cut_next:
                raise HangUpError
            content = await self._read_content()
            await self._end_of_data(transaction, content.content(), too_large=content.too_large)

    async def _read_content(self) -> DataContent:
        await self.wire.flush()
        # A third is the most that dots can add: each takes a line of at least three octets.
        content = DataContent(self.size_limit + self.size_limit // 3)
        fault = await self.faults.at("body", mailbox=self.mailbox)
        while True:
            if fault is not None and content.received >= fault.after_bytes:
                self._obey(fault)
            most = _BLOCK if fault is None else max(1, fault.after_bytes - content.received)
            rest = content.feed(await self.wire.read(most))
            if rest is not None:
                self.wire.unread(rest)
                return content

    async def _bdat(self, argument: str) -> None:
        """RFC 3030 section 2: the octets are read before anything is answered, whatever is wrong."""
        match = re.fullmatch(r"(\d{1,12})( +LAST)?", argument, re.IGNORECASE)
        if match is None:
            self.say(self.replies.bad_arguments)
            return
        transaction, left = self._transaction, int(match[1])
        wanted = transaction if transaction and transaction.recipients else None
        while left:
            block = await self.wire.read(left)
            left -= len(block)
            if wanted is not None:
                self._keep_chunk(wanted, block)
        if wanted is None:
            self.say(self.replies.rcpt_first if transaction else self.replies.mail_first)
        elif match[2]:
            await self._end_of_data(wanted, bytes(wanted.chunks), too_large=wanted.too_large)
        else:
            wanted.chunked = True
            self.say(self.replies.chunk_ok.format(octets=match[1]))

    def _keep_chunk(self, transaction: Transaction, block: bytes) -> None:
        transaction.too_large = transaction.too_large or len(transaction.chunks) + len(block) > self.size_limit
        if transaction.too_large:
            transaction.chunks.clear()
        else:
            transaction.chunks += block

    async def _end_of_data(self, transaction: Transaction, content: bytes, *, too_large: bool) -> None:
        self._transaction = None
        verdict = await self.judge(transaction, content, too_large=too_large)
        fault = await self.faults.at("end_of_data", mailbox=self.mailbox)
        lost = fault is not None and fault.kind in ("disconnect", "garbage")
        reply = verdict.reply if fault is None or lost else self._reply_of(fault)
        # A reply that gets lost on the way does not undo what was taken: this is where duplicates come from.
        if verdict.keep is not None and reply.startswith("2"):
            verdict.keep(reply)
        else:
            log.sandbox.refused("smtp", transaction.sender, transaction.recipients, reply)
        if fault is None or self._passes(fault):
            self.say(reply)
            if reply.startswith("421"):
                raise HangUpError
        else:
            self._obey(fault)

    async def _rset(self, _argument: str) -> None:
        self._transaction = None
        if not await self.struck("rset"):
            self.say(self.replies.reset)

    async def _noop(self, _argument: str) -> None:
        self.say(self.replies.noop)

    async def _vrfy(self, _argument: str) -> None:
        self.say(self.replies.verify)

    async def _help(self, _argument: str) -> None:
        self.say(self.replies.help)

    async def _quit(self, _argument: str) -> None:
        if not await self.struck("quit"):
            self.say(self.replies.bye)
        raise HangUpError

    _verbs: ClassVar[Mapping[bytes, Callable[["SmtpSession", str], Awaitable[None]]]] = {
        b"EHLO": _ehlo,
        b"HELO": _helo,
        b"STARTTLS": _starttls,
        b"AUTH": _auth,
        b"MAIL": _mail,
        b"RCPT": _rcpt,
        b"DATA": _data,
        b"BDAT": _bdat,
        b"RSET": _rset,
        b"NOOP": _noop,
        b"VRFY": _vrfy,
        b"HELP": _help,
        b"QUIT": _quit,
    }
