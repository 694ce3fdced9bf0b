"""The commands of a submission session (RFC 5321, RFC 6409) in terms of clients, policy and spool."""

from collections.abc import Coroutine
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from relay import log
from relay.listener import paths, trouble
from relay.listener.data import DataReader
from relay.listener.dsn import RecipientWishes, Wishes, recipient_wishes
from relay.listener.legacy import LegacyReader
from relay.listener.login_session import LoginSession
from relay.listener.reception import NO_ROOM, TOO_MUCH, Parts, Reception
from relay.listener.tls import ServerTls
from relay.model import Envelope, Origin
from relay.policy import ClientPolicy, Refusal, SizeLimit
from relay.sink.faults import Strike

if TYPE_CHECKING:
    from relay.listener import Server

_SENDER_OK = "250 2.1.0 Sender OK"
_MOST_TOLD = 100
"""Refused senders and recipients of one session that get a line in the log."""
_WAIT_FOR_MEMORY = 20.0
"""Seconds that a client waits for its turn when too much is being received."""
_HANDSHAKE = 15.0
"""Seconds for a TLS handshake after STARTTLS."""


class SubmissionSession(LoginSession):
    """The commands that need to know who speaks, and the messages that they bring."""

    def __init__(
        self, server: "Server", parts: Parts, tls: ServerTls | None, peername: tuple[str, int] | None = None
    ) -> None:
        super().__init__(server, parts, tls, peername)
        self._reception: Reception | None = None
        self._limit = SizeLimit(0, "")
        """How large the message may be, from MAIL on."""
        self._announced = 0
        """Octets that MAIL said the message has."""
        self._refusals = 0
        self._wishes = Wishes()

    def vanished(self) -> None:
        if self._reception is not None:
            if not self.answering:
                log.listener.client_vanished(self.peer, self.envelope.mail_from or "")
            self._reception.abandon()
            self._reception = None

    @property
    def busy(self) -> bool:
        """A message is being received or committed: a stop waits for it."""
        return self._reception is not None

    @property
    def committing(self) -> bool:
        """A message is being committed, or its delivery waited for: its reply comes by itself."""
        return self._reception is not None and self._reception.handed_over

    def goodbye(self) -> None:
        """After that reply: who heard 421 in its place would send again what is safe."""
        if self._reception is not None and self.committing:
            self._reception.answer_soon()
        else:
            super().goodbye()

    # --- commands

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
        size = self._parts.policy.size_limit(self._parts.name, self._who).octets
        mechanisms = self._parts.policy.mechanisms(self._parts.name) if self.may_login else ()
        self.push(_offer(self.hostname, size, self._server_tls is not None and not self.tls, mechanisms))

    def smtp_STARTTLS(self, arg: str) -> None:
        if self.tls:
            self.push("503 5.5.1 TLS is in use already")
        elif self._server_tls is None:
            key = f"listeners.{self._parts.name}.tls"
            self.push(f'454 4.7.0 No TLS here: turn it off in the client, or write {key} = "starttls"')
        elif arg:
            self.push("501 5.5.4 STARTTLS takes no argument")
        else:
            self.upgrade(self._server_tls.current(), _HANDSHAKE)

    def smtp_MAIL(self, arg: str) -> None:
        if not self.session.host_name:
            self.push("503 5.5.1 Send HELO or EHLO first")
            return
        if self.envelope.mail_from is not None:
            self.push("503 5.5.1 A message is under way already: RSET first")
            return
        refusal = self._check_mail(arg)
        if refusal is not None:
            if not (refusal is NO_ROOM and self._parts.spool.capacity.troubles) and self._is_told():
                log.listener.sender_refused(self.peer, arg, str(refusal))
            self._parts.refused("sender", refusal, client=self._name, peer=self.peer, subject=arg)
            self.push(str(refusal))
        else:
            self._accept_sender()

    def _accept_sender(self) -> None:
        strike = trouble.due(self._parts, self._who, "mail", self.envelope.mail_from or "")
        if strike is None:
            self.push(_SENDER_OK)
            return
        if strike.answers:
            self.forget_message()
        self.meet("mail", strike, lambda: self.push(_SENDER_OK))

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
        self._limit = self._parts.policy.size_limit(self._parts.name, client)
        if too_large := self._limit.refusal(parameters.size):
            return too_large
        refusal = self._parts.policy.check_sender(client, path.address) or self._parts.rates.at_mail(client)
        if refusal is None and self._parts.spool.capacity.refusal(parameters.size):
            refusal = NO_ROOM
        if refusal is None:
            self._announced = parameters.size
            self.envelope.mail_from = path.address
            self.envelope.smtp_utf8 = parameters.smtputf8
            self._wishes = Wishes(parameters.ret, parameters.envid)
        return refusal

    def _is_told(self) -> bool:
        """Whether the log tells of this refusal: a client that tries a hundred thousand addresses does not fill it."""
        self._refusals += 1
        if self._refusals == _MOST_TOLD:
            log.listener.refusals_untold(self.peer, _MOST_TOLD)
        return self._refusals < _MOST_TOLD

    def smtp_RCPT(self, arg: str) -> None:
        if self.envelope.mail_from is None:
            self.push("503 5.5.1 Send MAIL first")
            return
        try:
            path = paths.parse(arg, "TO")
            wishes = recipient_wishes(path.parameters)
        except paths.BadPath as bad:
            self.push(f"{bad.code} {bad.status} RCPT: {bad}")
            return
        if not path.address:
            self.push("501 5.1.3 RCPT: the null address cannot receive")
            return
        strike = trouble.due(self._parts, self._who, "rcpt", self.envelope.mail_from, path.address)
        if strike is not None:
            self.meet("rcpt", strike, lambda: self._add_recipient(path.address, wishes))
        else:
            self._add_recipient(path.address, wishes)

    def _add_recipient(self, address: str, wishes: RecipientWishes) -> None:
        if self._who is not None:
            address = self._parts.policy.qualified(self._who, address)
        refusal = self._check_recipient(address)
        if refusal is not None:
            if self._is_told():
                log.listener.recipient_refused(self.peer, address, str(refusal))
            self._parts.refused("recipient", refusal, client=self._name, peer=self.peer, subject=address)
        else:
            self._wishes.add(address, wishes)
        self.push("250 2.1.5 Recipient OK" if refusal is None else str(refusal))

    def _check_recipient(self, address: str) -> Refusal | None:
        recipients = self.envelope.rcpt_tos
        client = self._who
        if client is None:
            return self._stranger()
        if address in recipients:
            return None  # twice the same is one delivery
        if len(recipients) >= self._parts.settings.max_recipients:
            # 452 makes a client send the rest in a further transaction (RFC 5321 4.5.3.1.10).
            text = f"Too many recipients, {self._parts.settings.max_recipients} at a time (max_recipients)"
            return Refusal(452, "4.5.3", text)
        refusal = self._parts.policy.check_recipient(client, address)
        sender = self.envelope.mail_from or ""
        refusal = refusal or self._parts.policy.check_route(client, sender, address)
        refusal = refusal or self._parts.rates.at_rcpt(client, address, len(recipients) + 1)
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
        if self._parts.memory.over:
            self.wait_for(self._wait_for_memory(client, sender))
        else:
            self._take_message(client, sender)

    async def _wait_for_memory(self, client: ClientPolicy, sender: str) -> None:
        if await self._parts.memory.room(_WAIT_FOR_MEMORY):
            self._take_message(client, sender)
        else:
            log.listener.message_refused(client.name, self.peer, sender, str(TOO_MUCH))
            self._not_taken(TOO_MUCH, client, sender)

    def _take_message(self, client: ClientPolicy, sender: str) -> None:
        if self._parts.spool.capacity.refusal(self._announced):
            self._not_taken(NO_ROOM, client, sender)
            return
        self.push("354 End data with <CR><LF>.<CR><LF>")
        self._reception = self._begin(client, sender)
        self.expect_content()

    def _not_taken(self, refusal: Refusal, client: ClientPolicy, sender: str) -> None:
        self._parts.refused("message", refusal, client=client.name, peer=self.peer, subject=sender)
        self.push(str(refusal))
        self.forget_message()

    def _begin(self, client: ClientPolicy, sender: str) -> Reception:
        recipients = tuple(self.envelope.rcpt_tos)
        international = not (sender.isascii() and all(map(str.isascii, recipients)))
        smtputf8 = self.envelope.smtp_utf8 or international
        envelope = Envelope(sender, recipients, smtputf8=smtputf8, dsn=self._wishes.asked)
        greeted_as = self.session.host_name or ""
        said = "" if self.conversation is None or client.is_real else self.conversation.text
        origin = Origin(client.name, self._parts.name, self.peer, greeted_as, self.login, self.tls, said)
        extended, gone = self.session.extended_smtp, self._client_has_left
        reader = LegacyReader(lf=self.lf_only) if self.legacy else DataReader()
        return Reception(
            self._parts,
            client,
            envelope,
            origin,
            reader,
            limit=self._limit,
            announced=self._announced,
            extended=extended,
            gone=gone,
        )

    def _client_has_left(self) -> bool:
        """The client has closed the connection: what is written now, nobody reads."""
        return self._gone or self._ended or self.transport is None or self.transport.is_closing()

    def receive(self, data: bytes) -> bytes:
        reception = self._reception
        assert reception is not None  # noqa: S101 (smtp_DATA made it)
        reception.take(data)
        if reception.done:
            self.receiving = False
            self.answering = True
            if self._transcript is not None:
                self._transcript.content(reception.size)
            self._finish(reception)
            return b"" if self.lf_only else reception.rest
        if reception.full:
            self.wait_for(reception.spill())
        return b""

    def _finish(self, reception: Reception) -> None:
        """Begin the commit, or what a test wants in its place."""
        strike = trouble.due(self._parts, self._who, "data", self.envelope.mail_from or "", *self.envelope.rcpt_tos)
        if strike is not None:
            self.wait_for(self._struck(reception, strike))
            return
        try:
            reply = reception.finish()
        except BaseException:
            self._over()
            raise
        self.wait_for(self._end(reply))

    async def _struck(self, reception: Reception, strike: Strike) -> None:
        if not await trouble.befall(self, self._parts, "data", strike):
            await self._end(reception.finish())
            return
        reception.abandon()
        self._over()

    async def _end(self, reply: Coroutine[Any, Any, str]) -> None:
        try:
            self.push(await reply)
        finally:
            self._over()
        if self.lf_only:
            # What came behind an end that only this session knows is never read as a command.
            self.leave(f"221 2.0.0 {self.hostname} closing the connection: one message a session with bare LFs")
        if self._server.stopping or self.dismissed:
            self.goodbye()

    def _over(self) -> None:
        self.answering = False
        if self._reception is not None:
            self._reception.leave()
            self._reception = None
        if self.conversation is not None:
            self.conversation.next_message()
        self.forget_message()


@lru_cache(maxsize=256)
def _offer(hostname: str, size: int, tls: bool, mechanisms: tuple[str, ...]) -> str:
    """The reply to EHLO."""
    lines = [hostname, f"SIZE {size}", "PIPELINING", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES"]
    lines += ["STARTTLS"] if tls else []
    lines += [f"AUTH {' '.join(mechanisms)}"] if mechanisms else []
    return "".join([f"250-{line}\r\n" for line in lines[:-1]]) + f"250 {lines[-1]}"
