"""The commands of a submission session (RFC 5321, RFC 6409) in terms of clients, policy and spool."""

import asyncio
from collections.abc import Coroutine
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from relay import log
from relay.listener import foreign, login, paths
from relay.listener.commands import CommandSession
from relay.listener.data import DataReader
from relay.listener.legacy import LegacyReader
from relay.listener.reception import Parts, Reception
from relay.listener.tls import ServerTls, describe, names_of
from relay.listener.transcript import Transcript
from relay.model import Envelope, Origin
from relay.policy import ClientPolicy, Refusal

if TYPE_CHECKING:
    from relay.listener import Server

_HANDSHAKE = 15.0
"""Seconds for a TLS handshake after STARTTLS."""


class SubmissionSession(CommandSession):
    """One client's session. `server` counts it, and ends it when the relay stops."""

    def __init__(
        self, server: "Server", parts: Parts, tls: ServerTls | None, peername: tuple[str, int] | None = None
    ) -> None:
        legacy = parts.settings.profile == "legacy"
        super().__init__(hostname=parts.hostname, timeout=parts.settings.timeout, legacy=legacy)
        self._server = server
        self._parts = parts
        self._server_tls = tls
        self._peername = peername
        """Where the client is, if a load balancer says so."""
        self.client: ClientPolicy | None = None
        """Who has logged in."""
        self.login = ""
        self.login_refused = False
        self.failed_logins = 0
        self._dialogue: login.Dialogue | None = None
        """An AUTH exchange: the next line is not a command."""
        self._reception: Reception | None = None
        self._size = 0
        self._unheard = True
        self._transcript: Transcript | None = None
        self._at_this_address: ClientPolicy | None = None
        self._by_certificate: ClientPolicy | None = None

    # --- life

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        peername: Any = self._peername or transport.get_extra_info("peername")
        self.session.peer = peername
        refusal = self._server.admit(self, peername)
        if refusal:
            self.leave(refusal)
            return
        if self._parts.conversations:
            self._transcript = Transcript(self._parts.conversations, self.peer)
        self._at_this_address = self._parts.policy.recognise_address(self._parts.name, self.peer)
        self._look_at_certificate()
        self.greet()

    def data_received(self, data: bytes) -> None:
        if self._unheard:
            self._unheard = False
            if foreign.looks_foreign(data) and not self.tls:
                self._refuse_foreign(data)
                return
        super().data_received(data)

    def _refuse_foreign(self, data: bytes) -> None:
        """Something that is no mail client speaks another protocol: nothing of it is read as commands."""
        foreign.tell(data, self.peer, self._parts.name, self._parts.settings)
        self.leave("421 4.7.0 This port speaks SMTP, closing the connection")

    def connection_lost(self, error: Exception | None) -> None:
        self._server.left(self)
        super().connection_lost(error)

    def vanished(self) -> None:
        if self._reception is not None:
            if not self.answering:
                log.listener.client_vanished(self.peer, self.envelope.mail_from or "")
            self._reception.abandon()
            self._reception = None

    def secured(self) -> None:
        self.client, self.login = None, ""
        super().secured()
        self._look_at_certificate()

    def _look_at_certificate(self) -> None:
        """Whose certificate the client has shown, if it is in TLS and has shown one."""
        certificate = self.transport.get_extra_info("peercert") if self.transport is not None else None
        if certificate:
            names = names_of(certificate)
            self._by_certificate = self._parts.policy.recognise_certificate(self._parts.name, names, self.peer)
            log.listener.certificate_shown(self.peer, names, getattr(self._by_certificate, "name", ""))

    @property
    def busy(self) -> bool:
        """A message is being received or committed: a stop waits for it."""
        return self._reception is not None

    @property
    def _who(self) -> ClientPolicy | None:
        """The client that this session is: by login, else by certificate, else by address."""
        return self.client or self._by_certificate or self._at_this_address

    @property
    def tls(self) -> str:
        """Protocol and cipher, "" without TLS. From the transport, so that implicit TLS counts as well."""
        return describe(self.transport)

    @property
    def may_login(self) -> bool:
        """AUTH is offered here and now."""
        offered = self._parts.policy.offers_login(self._parts.name)
        return offered and bool(self.tls or not self._parts.settings.require_tls)

    def goodbye(self) -> None:
        """Say that the relay stops."""
        self.leave(f"421 4.3.2 {self.hostname} is being stopped, please try again later")

    # --- what is said

    def push(self, reply: str) -> None:
        super().push(reply)
        if self._transcript is not None:
            self._note_client()
            self._transcript.said(reply)

    def _note_client(self) -> None:
        who = self._who
        if who is not None and self._transcript is not None:
            self._transcript.is_of(who.name)

    # --- commands

    def obey(self, line: bytes) -> None:
        if self._transcript is not None:
            self._transcript.heard(line, in_auth=self._dialogue is not None)
        if refusal := self.ill_formed(line):
            self._dialogue = None
            self.not_understood(refusal)
        elif self._dialogue is None:
            super().obey(line)
        else:
            self._dialogue_goes_on(line)

    def smtp_HELO(self, name: str) -> None:
        self._greeted(name, extended=False)

    def smtp_EHLO(self, name: str) -> None:
        self._greeted(name, extended=True)

    def _greeted(self, name: str, *, extended: bool) -> None:
        if not name and self.legacy:
            name = f"[{self.peer}]"
        if not name:
            self.push(f"501 5.5.4 {'EHLO' if extended else 'HELO'} needs your name")
            return
        self.forget_message()
        self.session.host_name = name
        self.session.extended_smtp = extended
        if not extended:
            self.push(f"250 {self.hostname}")
            return
        size = self._parts.policy.max_size(self._parts.name, self._who)
        mechanisms = self._parts.policy.mechanisms(self._parts.name) if self.may_login else ()
        self.push(_offer(self.hostname, size, self._server_tls is not None and not self.tls, mechanisms))

    def smtp_STARTTLS(self, arg: str) -> None:
        if self.tls:
            self.push("503 5.5.1 TLS is in use already")
        elif self._server_tls is None:
            self.push("454 4.7.0 TLS is not available here")
        elif arg:
            self.push("501 5.5.4 STARTTLS takes no argument")
        else:
            self.upgrade(self._server_tls.current(), _HANDSHAKE)

    def smtp_AUTH(self, arg: str) -> None:
        refusal = login.not_now(self, self._parts)
        if refusal:
            self.push(refusal)
            return
        self._dialogue = login.dialogue(arg, self._parts)
        self._dialogue_goes_on(None)

    def _dialogue_goes_on(self, line: bytes | None) -> None:
        """Hand the client's line to the AUTH exchange, and its next prompt or its outcome to the client."""
        dialogue, self._dialogue = self._dialogue, None
        assert dialogue is not None  # noqa: S101 (obey() asks)
        try:
            self.push(next(dialogue) if line is None else dialogue.send(line))
        except StopIteration as ended:
            login.decide(self, self._parts, ended.value)
        except login.Refused as refused:
            self.push(str(refused))
        else:
            self._dialogue = dialogue

    def smtp_MAIL(self, arg: str) -> None:
        if not self.session.host_name:
            self.push("503 5.5.1 Send HELO or EHLO first")
            return
        if self.envelope.mail_from is not None:
            self.push("503 5.5.1 A message is under way already: RSET first")
            return
        refusal = self._check_mail(arg)
        if refusal is not None:
            log.listener.sender_refused(self.peer, arg, str(refusal))
        self.push("250 2.1.0 Sender OK" if refusal is None else str(refusal))

    def _check_mail(self, arg: str) -> Refusal | None:
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
        return refusal

    def _stranger(self) -> Refusal:
        if self.login_refused:
            return Refusal(530, "5.7.0", "Authentication required: the login was refused")
        if self.may_login:
            return Refusal(530, "5.7.0", "Authentication required")
        if self._parts.policy.offers_login(self._parts.name) and self._server_tls is not None:
            return Refusal(530, "5.7.0", "Must issue a STARTTLS command first, then log in")
        text = f"No client of this relay has the address {self.peer}: add it to clients.NAME.networks"
        return Refusal(550, "5.7.1", text)

    def smtp_RCPT(self, arg: str) -> None:
        if self.envelope.mail_from is None:
            self.push("503 5.5.1 Send MAIL first")
            return
        try:
            path = paths.parse(arg, "TO")
            paths.no_parameters(path)
        except paths.BadPath as bad:
            self.push(f"{bad.code} {bad.status} RCPT: {bad}")
            return
        if not path.address:
            self.push("501 5.1.3 RCPT: the null address cannot receive")
            return
        refusal = self._check_recipient(path.address)
        if refusal is not None:
            log.listener.recipient_refused(self.peer, path.address, str(refusal))
        self.push(str(refusal) if refusal else "250 2.1.5 Recipient OK")

    def _check_recipient(self, address: str) -> Refusal | None:
        recipients = self.envelope.rcpt_tos
        client = self._who
        if client is None:
            return self._stranger()
        address = self._parts.policy.qualified(client, address)
        if address in recipients:
            return None  # twice the same is one delivery
        if len(recipients) >= self._parts.settings.max_recipients:
            # 452 makes a client send the rest in a further transaction (RFC 5321 4.5.3.1.10).
            text = f"Too many recipients, {self._parts.settings.max_recipients} at a time (max_recipients)"
            return Refusal(452, "4.5.3", text)
        refusal = self._parts.policy.check_recipient(client, address)
        if refusal is None:
            recipients.append(address)
        return refusal

    def smtp_DATA(self, arg: str) -> None:
        client = self._who
        sender = self.envelope.mail_from
        if arg or client is None or sender is None:
            self.push("501 5.5.4 DATA takes no argument" if arg else "503 5.5.1 Send MAIL and RCPT first")
            return
        if not self.envelope.rcpt_tos:
            # Also the answer to a pipelined DATA after refused recipients (RFC 2920 3.1).
            self.push("554 5.5.1 No valid recipients")
            return
        self.push("354 End data with <CR><LF>.<CR><LF>")
        self._reception = self._begin(client, sender)
        self.receiving = True

    def _begin(self, client: ClientPolicy, sender: str) -> Reception:
        recipients = tuple(self.envelope.rcpt_tos)
        international = not (sender.isascii() and all(map(str.isascii, recipients)))
        envelope = Envelope(sender, recipients, smtputf8=self.envelope.smtp_utf8 or international)
        greeted_as = self.session.host_name or ""
        origin = Origin(client.name, self._parts.name, self.peer, greeted_as, self.login, self.tls)
        extended = self.session.extended_smtp
        reader = LegacyReader(lf=self.lf_only) if self.legacy else DataReader()
        return Reception(self._parts, client, envelope, origin, reader, limit=self._size, extended=extended)

    def receive(self, data: bytes) -> bytes:
        reception = self._reception
        assert reception is not None  # noqa: S101 (smtp_DATA made it)
        reception.take(data)
        if reception.done:
            self.receiving = False
            self.answering = True
            if self._transcript is not None:
                self._transcript.content(reception.size)
            try:
                reply = reception.finish()
            except BaseException:
                self._over()
                raise
            self.wait_for(self._end(reply))
            return b"" if self.lf_only else reception.rest
        if reception.full:
            self.wait_for(reception.spill())
        return b""

    async def _end(self, reply: Coroutine[Any, Any, str]) -> None:
        try:
            self.push(await reply)
        finally:
            self._over()
        if self.lf_only:
            # What came behind an end that only this session knows is never read as a command.
            self.leave(f"221 2.0.0 {self.hostname} closing the connection: one message a session with bare LFs")
        if self._server.stopping:
            self.goodbye()

    def _over(self) -> None:
        self.answering = False
        self._reception = None
        self.forget_message()


@lru_cache(maxsize=256)
def _offer(hostname: str, size: int, tls: bool, mechanisms: tuple[str, ...]) -> str:
    """The reply to EHLO."""
    lines = [hostname, f"SIZE {size}", "PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"]
    lines += ["STARTTLS"] if tls else []
    lines += [f"AUTH {' '.join(mechanisms)}"] if mechanisms else []
    return "".join([f"250-{line}\r\n" for line in lines[:-1]]) + f"250 {lines[-1]}"
