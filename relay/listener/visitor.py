"""Who is at the other end of a session: by address, certificate or login; and what of the talk is written down."""

import asyncio
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from relay import log, metrics
from relay.listener import foreign, trouble
from relay.listener.commands import CommandSession
from relay.listener.conversation import Conversation
from relay.listener.reception import Parts
from relay.listener.tls import ServerTls, describe, names_of
from relay.listener.transcript import Transcript
from relay.policy import ClientPolicy, Refusal, comes_from
from relay.sink.faults import Stage, Strike

if TYPE_CHECKING:
    from relay.listener import Server


class VisitorSession(CommandSession):
    """A session and its client. `server` counts it, and ends it when the relay stops."""

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
        """A login was asked for and has not succeeded: its owner means to be somebody, and is not let in as nobody."""
        self.login_later = False
        """Only for the moment."""
        self.failed_logins = 0
        self._at_this_address: ClientPolicy | None = None
        self._by_certificate: ClientPolicy | None = None
        self._unheard = True
        self.dismissed = False
        """The configuration has changed so that it may not go on."""
        self._transcript: Transcript | None = None
        self.conversation: Conversation | None = Conversation()
        """None from the moment that a client whose mail really leaves begins a message."""

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
        strike = trouble.due(self._parts, self._who, "connect")
        if strike is not None and strike.reply:
            self.leave(strike.reply)
            return
        self.greet()

    def data_received(self, data: bytes) -> None:
        self._parts.activity.heard += 1
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
        if self._transcript is not None and self._who is None:
            self._write_down_a_stranger(self._transcript)
        super().connection_lost(error)

    def secured(self) -> None:
        self.client, self.login = None, ""
        super().secured()
        self._look_at_certificate()

    def _look_at_certificate(self) -> None:
        """Whose certificate the client has shown, if it is in TLS and has shown one."""
        if names := self._names_shown():
            self._by_certificate = self._parts.policy.recognise_certificate(self._parts.name, names, self.peer)
            log.listener.certificate_shown(self.peer, names, getattr(self._by_certificate, "name", ""))

    def _names_shown(self) -> frozenset[str]:
        """The names in the client's certificate; none without one."""
        return names_of(self.transport.get_extra_info("peercert")) if self.transport is not None else frozenset()

    @property
    def busy(self) -> bool:
        """A message is being received or committed: a stop waits for it."""
        raise NotImplementedError

    @property
    def committing(self) -> bool:
        """The last octet of a message has come: a stop waits for its reply, however long that takes."""
        raise NotImplementedError

    @property
    def _is_sending(self) -> bool:
        """A message has been begun."""
        return self.busy or self.envelope.mail_from is not None

    @property
    def _who(self) -> ClientPolicy | None:
        """The client that this session is: by login, else by certificate, else by address."""
        return self.client or self._by_certificate or self._at_this_address

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

    def _stranger(self) -> Refusal:
        """Why nobody whom we know is speaking, and what would change that."""
        if self.login_later:
            return Refusal(451, "4.7.0", "The login could not be checked, please try again later")
        if self._parts.policy.offers_login(self._parts.name) and not self.may_login and self._server_tls is not None:
            return Refusal(530, "5.7.0", "Must issue a STARTTLS command first, then log in")
        if self.login_refused:
            return Refusal(530, "5.7.0", "Authentication required: the login was refused")
        if self.may_login:
            return Refusal(530, "5.7.0", "Authentication required")
        text = f"No client of this relay has the address {self.peer}: add it to clients.NAME.networks"
        return Refusal(550, "5.7.1", text)

    def note_refused_login(self, login: str, reason: str) -> None:
        """For the counters and the page."""
        metrics.LOGINS_REFUSED.labels(self._parts.name).inc()
        text = reason or "the login or its password is wrong"
        now = self._parts.clock.time()
        self._parts.visitors.refused("login", at=now, client="", peer=self.peer, subject=login, reply=text)

    def meet(self, stage: Stage, strike: Strike, otherwise: Callable[[], None]) -> None:
        """Let happen what a test wants at this step; `otherwise` goes on where that is no answer."""

        async def meet() -> None:
            if not await trouble.befall(self, self._parts, stage, strike):
                otherwise()

        self.wait_for(meet())

    def too_slow(self, seconds: float, octets: int) -> None:
        log.listener.too_slow(self.peer, seconds, octets)
        refusal = Refusal(421, "4.4.2", f"{octets:,} octets in {log.duration(seconds)} are too slow")
        self._parts.refused(
            "message", refusal, client=self._name, peer=self.peer, subject=self.envelope.mail_from or ""
        )

    def follow(self, parts: Parts, shut_out: Collection[str]) -> None:
        """The configuration has changed to `parts`; the clients in `shut_out` have to show who they are anew.

        What a client has begun goes on under the rules that it began with. Nobody stays who would not be let in now.
        """
        who, names = self._who, self._names_shown()
        by_certificate = parts.policy.recognise_certificate(self._parts.name, names, self.peer) if names else None
        by_address = parts.policy.recognise_address(self._parts.name, self.peer)
        now = parts.policy.client_by_name(self._name) if self.client is not None else by_certificate or by_address
        if who is not None and (who.name in shut_out or not self._is_still(who, now)):
            self.dismissed = True
            if not self.busy:
                self.goodbye()
        elif self.client is None and not self._is_sending:
            self._parts, self._by_certificate, self._at_this_address = parts, by_certificate, by_address

    def _is_still(self, who: ClientPolicy, now: ClientPolicy | None) -> bool:
        """Whether a client of that name may still come from where this one is."""
        if now is None or now.name != who.name:
            return False
        return not now.networks or comes_from(now.networks, self.peer)

    def goodbye(self) -> None:
        """Say that the relay stops, or that this session has to."""
        why = f"{self.hostname} is being stopped, please try again later"
        self.leave(f"421 4.3.2 {'Its configuration has changed, please connect again' if self.dismissed else why}")

    # --- what is said

    def claims_to_be(self, client: ClientPolicy | None) -> None:
        """A login names that client, and may yet prove wrong: its dialogue is wanted most of all then."""
        if self._transcript is not None and client is not None:
            self._transcript.is_of(client.name)

    def _write_down_a_stranger(self, transcript: Transcript) -> None:
        """Who never came to a login is taken for the client that would have to come from there."""
        clients = [self._parts.policy.client_by_name(name) for name in self._parts.conversations]
        likely = [one for one in clients if one is not None and comes_from(one.networks, self.peer)]
        if likely and not transcript.is_somebodys:
            transcript.is_of(likely[0].name)

    def note(self, line: bytes, *, in_auth: bool) -> None:
        """Write down what the client has said, where somebody asks for it."""
        if self.conversation is not None:
            self.conversation.heard(line)
        if self._transcript is not None:
            self._transcript.heard(line, in_auth=in_auth)

    def push(self, reply: str) -> None:
        super().push(reply)
        if self.conversation is None and self._transcript is None:
            return
        who = self._who
        if self.conversation is not None:
            # Until its first message a client known by its address may still log in as one of a sink.
            if who is not None and who.is_real and self.conversation.has_begun:
                self.conversation = None
            else:
                self.conversation.said(reply)
        if self._transcript is not None:
            self._transcript.is_of(who.name if who is not None else "")
            self._transcript.said(reply)
