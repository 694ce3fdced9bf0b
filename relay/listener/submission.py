"""The commands of a submission session (RFC 5321, RFC 6409) in terms of clients, policy and spool."""

import asyncio
import ssl
from typing import TYPE_CHECKING

from relay import log, metrics
from relay.listener import login, paths, trouble
from relay.listener.base import CorrectedSMTP
from relay.listener.conversation import Conversation
from relay.listener.dsn import Wishes, recipient_wishes
from relay.listener.reception import Parts, Reception
from relay.listener.tls import describe
from relay.model import Envelope, Origin
from relay.policy import ClientPolicy, Refusal

if TYPE_CHECKING:
    from relay.listener import Server

_READ = 1024 * 1024
"""More than the stream ever holds, so that one read empties it."""


class SubmissionSession(CorrectedSMTP):
    """One client's session. `server` counts it, and ends it when the relay stops."""

    def __init__(self, server: "Server", parts: Parts, tls_context: ssl.SSLContext | None) -> None:
        super().__init__(hostname=parts.hostname, tls_context=tls_context, timeout=parts.settings.timeout)
        self._server = server
        self._parts = parts
        self.client: ClientPolicy | None = None
        """Who has logged in."""
        self.login = ""
        self.login_refused = False
        self.failed_logins = 0
        self.busy = False
        """A message is being received or committed: a stop waits for it."""
        self._size = 0
        self._wishes = Wishes()
        self._at_this_address: ClientPolicy | None = None
        self.conversation = Conversation()

    # --- life

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self._original_transport is not None:
            # After STARTTLS everything that was learnt before is forgotten (RFC 3207 4.2), the login too.
            self.client, self.login = None, ""
            super().connection_made(transport)
            return
        refusal = self._server.admit(self, transport.get_extra_info("peername"))
        super().connection_made(transport)
        self._at_this_address = self._parts.policy.recognise_address(self._parts.name, self.peer)
        strike = trouble.due(self._parts, self._at_this_address, "connect")
        refusal = refusal or (strike.reply if strike else "")
        if refusal:
            self.write(refusal.encode() + b"\r\n")
            self._gone = True
            transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._server.left(self)
        super().connection_lost(error)

    @property
    def _who(self) -> ClientPolicy | None:
        """The client that this session is: by login, else by address."""
        return self.client or self._at_this_address

    async def _obey(self, line: bytes | None) -> None:
        self.conversation.heard(line or b"")
        await super()._obey(line)

    async def push(self, status: str | bytes) -> None:
        who = self._who
        if who is not None and who.is_real:
            self.conversation.forget()
        elif isinstance(status, str):
            self.conversation.said(status)
        await super().push(status)

    @property
    def _name(self) -> str:
        """The client's name, "" of a stranger."""
        return self._who.name if self._who is not None else ""

    @property
    def tls(self) -> str:
        """Protocol and cipher, "" without TLS. From the transport, so that implicit TLS counts as well."""
        return describe(self.transport)

    @property
    def may_login(self) -> bool:
        """AUTH is offered here and now."""
        offered = self._parts.policy.offers_login(self._parts.name)
        return offered and bool(self.tls or not self._parts.settings.require_tls)

    def note_refused_login(self, login: str, reason: str) -> None:
        """For the counters and the page."""
        metrics.LOGINS_REFUSED.labels(self._parts.name).inc()
        text = reason or "the login or its password is wrong"
        now = self._parts.clock.time()
        self._parts.visitors.refused("login", at=now, client="", peer=self.peer, subject=login, reply=text)

    def goodbye(self) -> None:
        """Say that the relay stops, without waiting for who does not listen."""
        self.part(f"421 4.3.2 {self.hostname} is being stopped, please try again later")

    # --- commands

    async def smtp_HELO(self, name: str | None) -> None:
        await self._greet(name, extended=False)

    async def smtp_EHLO(self, name: str | None) -> None:
        await self._greet(name, extended=True)

    async def _greet(self, name: str | None, *, extended: bool) -> None:
        if not name:
            await self.push(f"501 5.5.4 {'EHLO' if extended else 'HELO'} needs your name")
            return
        self.forget_message()
        self.session.host_name = name
        self.session.extended_smtp = extended
        if not extended:
            await self.push(f"250 {self.hostname}")
            return
        size = self._parts.policy.max_size(self._parts.name, self._who)
        lines = [self.hostname, f"SIZE {size}", "PIPELINING", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES"]
        if self.tls_context is not None and not self.tls:
            lines.append("STARTTLS")
        if self.may_login:
            lines.append("AUTH PLAIN LOGIN")
        await self.push("\r\n".join([*(f"250-{line}" for line in lines[:-1]), f"250 {lines[-1]}"]))

    async def smtp_STARTTLS(self, arg: str | None) -> None:
        if self.tls_context is None or self.tls:
            await self.push(
                "454 4.7.0 TLS is not available here" if not self.tls else "503 5.5.1 TLS is in use already"
            )
            return
        await super().smtp_STARTTLS(arg)

    async def smtp_AUTH(self, arg: str | None) -> None:
        await login.exchange(self, self._parts, arg or "")

    async def smtp_MAIL(self, arg: str | None) -> None:
        if not self.session.host_name:
            await self.push("503 5.5.1 Send HELO or EHLO first")
            return
        if self.envelope.mail_from is not None:
            await self.push("503 5.5.1 A message is under way already: RSET first")
            return
        refusal = self._check_mail(arg)
        if refusal is None and await self._struck():
            self.forget_message()
            return
        if isinstance(refusal, Refusal):
            log.listener.sender_refused(self.peer, arg or "", str(refusal))
            self._parts.refused("sender", refusal, client=self._name, peer=self.peer, subject=arg or "")
        await self.push(str(refusal) if refusal else "250 2.1.0 Sender OK")

    async def _struck(self) -> bool:
        """A test has asked for trouble with this sender."""
        return await trouble.strikes(self, self._parts, self._who, "mail", self.envelope.mail_from or "")

    def _check_mail(self, arg: str | None) -> Refusal | None:
        """Begin a transaction, or say why not."""
        try:
            path = paths.parse(arg, "FROM")
            parameters = paths.mail_parameters(path)
        except paths.BadPath as bad:
            return Refusal(bad.code, bad.status, f"MAIL: {bad}")
        client = self._who
        if client is None or self.login_refused:
            return self._stranger()
        self._size = self._parts.policy.max_size(self._parts.name, client)
        if parameters.size > self._size:
            text = f"{parameters.size:,} octets are more than the {self._size:,} allowed here"
            return Refusal(552, "5.3.4", text)
        refusal = self._parts.policy.check_sender(client, path.address)
        if refusal is None:
            self.envelope.mail_from = path.address
            self.envelope.smtp_utf8 = parameters.smtputf8
            self._wishes = Wishes(parameters.ret, parameters.envid)
        return refusal

    def _stranger(self) -> Refusal:
        if self.login_refused:
            return Refusal(530, "5.7.0", "Authentication required: the login was refused")
        if self.may_login:
            return Refusal(530, "5.7.0", "Authentication required")
        if self._parts.policy.offers_login(self._parts.name) and self.tls_context is not None:
            return Refusal(530, "5.7.0", "Must issue a STARTTLS command first, then log in")
        text = f"No client of this relay has the address {self.peer}: add it to clients.NAME.networks"
        return Refusal(550, "5.7.1", text)

    async def smtp_RCPT(self, arg: str | None) -> None:
        if self.envelope.mail_from is None:
            await self.push("503 5.5.1 Send MAIL first")
            return
        try:
            path = paths.parse(arg, "TO")
            wishes = recipient_wishes(path.parameters)
        except paths.BadPath as bad:
            await self.push(f"{bad.code} {bad.status} RCPT: {bad}")
            return
        if not path.address:
            await self.push("501 5.1.3 RCPT: the null address cannot receive")
            return
        if await trouble.strikes(self, self._parts, self._who, "rcpt", self.envelope.mail_from, path.address):
            return
        refusal = self._check_recipient(path.address)
        if refusal is not None:
            log.listener.recipient_refused(self.peer, path.address, str(refusal))
            self._parts.refused("recipient", refusal, client=self._name, peer=self.peer, subject=path.address)
        else:
            self._wishes.add(path.address, wishes)
        await self.push(str(refusal) if refusal else "250 2.1.5 Recipient OK")

    def _check_recipient(self, address: str) -> Refusal | None:
        recipients = self.envelope.rcpt_tos
        if address in recipients:
            return None  # twice the same is one delivery
        if len(recipients) >= self._parts.settings.max_recipients:
            # 452 makes a client send the rest in a further transaction (RFC 5321 4.5.3.1.10).
            text = f"Too many recipients, {self._parts.settings.max_recipients} at a time (max_recipients)"
            return Refusal(452, "4.5.3", text)
        client = self._who
        if client is None:
            return self._stranger()
        refusal = self._parts.policy.check_recipient(client, address)
        if refusal is None:
            recipients.append(address)
        return refusal

    async def smtp_DATA(self, arg: str | None) -> None:
        client = self._who
        sender = self.envelope.mail_from
        if arg or client is None or sender is None:
            await self.push("501 5.5.4 DATA takes no argument" if arg else "503 5.5.1 Send MAIL and RCPT first")
            return
        if not self.envelope.rcpt_tos:
            # Also the answer to a pipelined DATA after refused recipients (RFC 2920 3.1).
            await self.push("554 5.5.1 No valid recipients")
            return
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        self.busy = True
        try:
            reply = await self._receive(client, sender)
        finally:
            self.busy = False
        self.forget_message()
        if reply:
            await self.push(reply)
        self.conversation.next_message()
        if self._server.stopping:
            self.goodbye()

    def _client_has_left(self) -> bool:
        """The client has closed the connection: what is written now, nobody reads."""
        return self.transport is None or self.transport.is_closing() or self._reader.at_eof()

    async def _receive(self, client: ClientPolicy, sender: str) -> str:
        recipients = tuple(self.envelope.rcpt_tos)
        international = not all(address.isascii() for address in (sender, *recipients))
        envelope = Envelope(
            sender, recipients, smtputf8=self.envelope.smtp_utf8 or international, dsn=self._wishes.asked
        )
        greeted_as = self.session.host_name or ""
        said = self.conversation.text
        origin = Origin(client.name, self._parts.name, self.peer, greeted_as, self.login, self.tls, said)
        extended = self.session.extended_smtp
        reception = Reception(
            self._parts, client, envelope, origin, limit=self._size, extended=extended, gone=self._client_has_left
        )
        try:
            while not reception.done:
                data = await self._reader.read(_READ)
                if not data:
                    log.listener.client_vanished(self.peer, envelope.sender)
                    raise ConnectionResetError("the client has gone before the end of its message")
                self._reset_timeout()
                await reception.take(data)
        except BaseException:
            await asyncio.shield(reception.abandon())
            raise
        if reception.rest:
            # One read has emptied the stream, so what is put back is in its place.
            self._reader.feed_data(reception.rest)
        strike = trouble.due(self._parts, client, "data", sender, *recipients)
        if strike is not None and await trouble.befall(self, self._parts, "data", strike):
            await reception.abandon()
            return ""
        self.answering = True
        try:
            return await reception.finish()
        finally:
            self.answering = False
