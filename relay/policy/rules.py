"""The rules: recognise a client, check what it asks for step by step, decide on the message."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from relay import mime
from relay.config import Settings
from relay.mime import Header, SenderEdit
from relay.model import Envelope
from relay.policy import senders, sizes
from relay.policy.clients import ClientPolicy, Recognition, compiled
from relay.policy.routes import Routes, fallback
from relay.policy.sizes import SizeLimit
from relay.policy.verdicts import Decision, Refusal, shown

MAX_HOPS = 50
"""Received fields; Gmail stops at 50, Exchange at about 20, RFC 5321 6.3 would have at least 100."""


class Policy:
    """Compiled once from the settings. Raises ValueError where they do not fit together."""

    def __init__(self, settings: Settings, *, max_hops: int = MAX_HOPS) -> None:
        self._max_hops = max_hops
        self._settings = settings
        self._clients = compiled(settings)
        self._routes = Routes(settings, self._clients)
        self._recognition = {name: Recognition(name, settings, self._clients) for name in settings.listeners}
        self._sizes = sizes.limits(settings)

    def offers_login(self, listener: str) -> bool:
        """Whether any client of this listener has a login."""
        return self._recognition[listener].offers_login

    def mechanisms(self, listener: str) -> tuple[str, ...]:
        """The ways to log in that are offered (RFC 4954 3)."""
        return self._recognition[listener].mechanisms

    def recognise_address(self, listener: str, peer: str) -> ClientPolicy | None:
        """The client that comes from `peer` (an IP address) without a login; None for a stranger."""
        return self._recognition[listener].by_address(peer)

    def recognise_certificate(self, listener: str, names: Iterable[str], peer: str) -> ClientPolicy | None:
        """The client whose TLS certificate has one of these names, in lower case."""
        return self._recognition[listener].by_certificate(names, peer)

    def clients_with_users(self, listener: str, peer: str) -> list[ClientPolicy]:
        """The clients that may come from `peer` and whose users stand in a file."""
        return self._recognition[listener].with_users(peer)

    def clients_with_login(self, listener: str) -> Sequence[ClientPolicy]:
        """The clients of this listener whose passwords the relay itself checks."""
        return self._recognition[listener].with_passwords

    def clients_with_tokens(self, listener: str, peer: str) -> Sequence[ClientPolicy]:
        """The clients that may come from `peer` and are recognised by access tokens."""
        return self._recognition[listener].with_tokens(peer)

    def client_for_login(self, listener: str, login: str, peer: str) -> ClientPolicy | None:
        """The client with this login, if it may come from `peer`. The caller still has to check the password."""
        return self._recognition[listener].by_login(login, peer)

    def client_by_name(self, name: str) -> ClientPolicy | None:
        """The client of that name, None when the configuration has none."""
        return self._clients.get(name)

    def size_limit(self, listener: str, client: ClientPolicy | None) -> SizeLimit:
        """How large a message may be here: the smallest limit of listener, client and account."""
        return self._sizes[listener, client.name if client else None]

    def check_sender(self, client: ClientPolicy, reverse_path: str) -> Refusal | None:
        """At MAIL: whether the client may not use this envelope sender ("" is the null sender)."""
        if client.replaces_sender:
            return None
        if reverse_path and client.is_real and "@" not in reverse_path:
            text = f"The sender <{shown(reverse_path)}> has no domain: send with a whole address"
            return Refusal(553, "5.1.7", f'{text}, or set clients.{client.name}.sender = "force"')
        return senders.envelope_refusal(client, reverse_path)

    def qualified(self, client: ClientPolicy, forward_path: str) -> str:
        """`postmaster` alone, which RFC 5321 4.1.1.3 knows, as that of the account's own domain."""
        domain = client.from_address.rpartition("@")[2]
        if forward_path.lower() == "postmaster" and client.is_real and domain:
            return f"{forward_path}@{domain}"
        return forward_path

    def check_recipient(self, client: ClientPolicy, forward_path: str) -> Refusal | None:
        """At RCPT: whether the client may not write to this address."""
        if client.is_real and "@" not in forward_path:
            # RFC 6409 4.2: nothing goes out that is not fully qualified.
            return Refusal(553, "5.1.3", f"The recipient <{shown(forward_path)}> has no domain: write a whole address")
        if forward_path in client.recipients:
            return None
        text = f'{shown(forward_path)} may not be written to by client "{client.name}"'
        return Refusal(550, "5.7.1", f"{text}: add it to clients.{client.name}.recipients")

    def check_route(self, client: ClientPolicy, reverse_path: str, forward_path: str) -> Refusal | None:
        """At RCPT: whether none of the client's accounts is for this mail."""
        found = self._routes.find(client, reverse_path, forward_path)
        return None if found is not None else _no_route(client, reverse_path, forward_path)

    def decide(
        self, client: ClientPolicy, envelope: Envelope, headers: Sequence[Header]
    ) -> Refusal | tuple[Decision, ...]:
        """At the end of the header block: through which accounts the message goes, or why it is refused."""
        if not self._routes.has(client):
            decision = self.check_message(client, envelope, headers)
            return decision if isinstance(decision, Refusal) else (decision,)
        groups: dict[ClientPolicy, list[str]] = {}
        for recipient in envelope.recipients:
            chosen = self._routes.find(client, envelope.sender, recipient)
            if chosen is None:
                return _no_route(client, envelope.sender, recipient)
            groups.setdefault(chosen, []).append(recipient)
        decisions = []
        for chosen, recipients in groups.items():
            decision = self.check_message(chosen, envelope, headers)
            if isinstance(decision, Refusal):
                return decision
            decisions.append(replace(decision, recipients=tuple(recipients)))
        return tuple(decisions)

    def with_other_account(
        self, client_name: str, account: str, envelope: Envelope, headers: Sequence[Header]
    ) -> Refusal | Decision | None:
        """What is decided about a message that another account is to take over; None: its client is no more.

        The client's rules are looked at again, and what the account is for.
        """
        client = self._clients.get(client_name)
        if client is None:
            return None
        route = fallback(client, account, self._settings.accounts[account])
        for recipient in envelope.recipients:
            if not route.takes(envelope.sender if client.sender != "force" else "", recipient):
                return _no_route(client, envelope.sender, recipient)
        return self.check_message(route.client, envelope, headers)

    def check_message(self, client: ClientPolicy, envelope: Envelope, headers: Sequence[Header]) -> Refusal | Decision:
        """At the end of the header block: what to do with the message, or why it is refused.

        A client whose `senders` are `*` and are kept may write what it likes: there is no rule to walk around, and a
        test-mail sink is there to see broken mail too.
        """
        hops = mime.hop_count(headers)
        if hops > self._max_hops:
            return Refusal(554, "5.4.6", f"Too many hops: {hops} Received fields, {self._max_hops} are allowed")
        if headers and headers[0].raw.startswith((b" ", b"\t")):
            # It would continue whatever field is put in front.
            return Refusal(554, "5.6.0", "The header block begins with white space: no field that it could continue")
        if client.senders.any and client.sender != "force":
            return Decision(client.account, envelope.sender, _edit(client))
        refusal = senders.ambiguous(headers)
        if refusal is not None:
            return refusal
        if client.sender == "force":
            return Decision(client.account, _own(client, envelope), _edit(client, client.from_address))
        return _checked(client, envelope, headers)


def _no_route(client: ClientPolicy, reverse_path: str, forward_path: str) -> Refusal:
    text = f'No account of client "{client.name}" takes mail from <{shown(reverse_path)}> to {shown(forward_path)}'
    return Refusal(550, "5.7.1", f"{text}: add it to accounts.NAME.senders or accounts.NAME.recipients")


def _checked(client: ClientPolicy, envelope: Envelope, headers: Sequence[Header]) -> Refusal | Decision:
    """Every sender is allowed, or is replaced by the account's own where the client's rules say so."""
    fields = senders.sender_fields(headers)
    by_envelope = senders.envelope_refusal(client, envelope.sender)
    by_sender = senders.sender_refusal(client, fields)
    by_from = senders.from_refusal(client, envelope.sender, fields, sender_goes=by_sender is not None)
    refusal = by_envelope or by_from or by_sender
    if refusal is None:
        return Decision(client.account, envelope.sender, _edit(client))
    if client.sender == "keep":
        return refusal
    sender = _own(client, envelope) if by_envelope else envelope.sender
    address = client.from_address if by_from else ""
    return Decision(client.account, sender, _edit(client, address, drop_sender=by_sender is not None))


def _own(client: ClientPolicy, envelope: Envelope) -> str:
    """The account's address; a null sender stays null, or a report about a report could come back (RFC 5321 4.5.5)."""
    return client.from_address if envelope.sender else ""


def _edit(client: ClientPolicy, address: str = "", *, drop_sender: bool = False) -> SenderEdit | None:
    """The edit that the client's keys ask for, None if there is nothing to do."""
    if not address and not drop_sender and client.from_name is None and client.reply_to is None:
        return None
    return SenderEdit(address, client.from_name, client.reply_to, drop_sender)
