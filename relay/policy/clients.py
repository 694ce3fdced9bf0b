"""Clients, compiled from the settings: what a check needs, and how a session is recognised as one of them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Literal

from relay import mime
from relay.config import Client, Htpasswd, Secret, Settings
from relay.model import Priority, Rate
from relay.policy.networks import Address, Network, address_of, may_come_from
from relay.policy.patterns import AddressPatterns


@dataclass(frozen=True, slots=True, eq=False)
class ClientPolicy:
    """One client: what it may do, how it logs in, and what it hears. Times are seconds, sizes octets.

    `from_address` is what `sender = "force"` writes. `max_age` is the client's, else the queue's.
    """

    name: str
    account: str
    is_real: bool
    senders: AddressPatterns
    recipients: AddressPatterns
    sender: Literal["keep", "force", "if_not_allowed"]
    from_address: str
    from_name: str | None
    reply_to: str | None
    default_charset: str | None
    redirect_to: str | None
    networks: tuple[Network, ...]
    any_login: bool
    password: Secret | None
    password_hash: Secret | None
    htpasswd: Htpasswd | None
    """A file of users who are all this client, or with `login` the one that is."""
    certificate_subject: str | None
    authenticate: Literal["upstream"] | None
    reply: Literal["queued", "delivered"]
    reply_timeout: float
    max_age: float
    priority: Priority
    rate: tuple[Rate, ...]
    recipient_rate: tuple[Rate, ...]
    holds: bool
    """What is above its rates waits in the queue; otherwise it is refused."""

    @property
    def replaces_sender(self) -> bool:
        """Whether a sender that is not allowed is replaced instead of refused."""
        return self.sender == "force" or (self.sender == "if_not_allowed" and not self.senders.any)

    def used_by(self, mailbox: str) -> "ClientPolicy":
        """The client while the user of `mailbox` is logged in: who may send as nobody else, unless `senders` say so."""
        senders = self.senders or AddressPatterns([mailbox])
        return replace(self, senders=senders, from_address=self.from_address or mailbox)


def compiled(settings: Settings) -> dict[str, ClientPolicy]:
    """The clients of the settings by name. Raises ValueError where two keys do not fit together."""
    return {name: _compiled(name, client, settings) for name, client in settings.clients.items()}


def _compiled(name: str, client: Client, settings: Settings) -> ClientPolicy:
    account = settings.accounts[client.account]
    from_address = account.own_address or ""
    if client.sender != "keep" and not from_address and client.authenticate is None:
        raise ValueError(
            f'clients.{name}.sender = "{client.sender}" needs an address to write: set '
            f"accounts.{client.account}.from_address"
        )
    return ClientPolicy(
        name=name,
        account=client.account,
        is_real=any(settings.accounts[each].is_real for each in client.uses),
        senders=patterns(f"clients.{name}.senders", client.senders),
        recipients=patterns(f"clients.{name}.recipients", client.recipients),
        sender=client.sender,
        from_address=from_address,
        from_name=client.from_name,
        reply_to=client.reply_to,
        default_charset=client.default_charset,
        redirect_to=client.redirect_to,
        networks=client.networks,
        any_login=client.any_login,
        password=client.password,
        password_hash=client.password_hash,
        htpasswd=Htpasswd(client.htpasswd_file) if client.htpasswd_file else None,
        certificate_subject=client.certificate_subject,
        authenticate=client.authenticate,
        reply=client.reply,
        reply_timeout=client.reply_timeout,
        max_age=client.max_age if client.max_age is not None else settings.queue.max_age,
        priority=client.priority,
        rate=client.rate,
        recipient_rate=client.recipient_rate,
        holds=client.over_rate == "hold",
    )


def patterns(key: str, written: tuple[str, ...]) -> AddressPatterns:
    """What a key's patterns mean. Raises ValueError naming the key."""
    try:
        return AddressPatterns(written)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from None


class Recognition:
    """Who a session of one listener is."""

    def __init__(self, listener: str, settings: Settings, clients: dict[str, ClientPolicy]) -> None:
        self._logins: dict[str, list[ClientPolicy]] = {}
        self._any_login: list[ClientPolicy] = []
        self._upstream: list[ClientPolicy] = []
        self._htpasswd: list[ClientPolicy] = []
        self._bearers: list[ClientPolicy] = []
        self._certificates: dict[str, ClientPolicy] = {}
        self._networks = _NetworkTable()
        for name, client in settings.clients.items():
            if listener not in client.listeners:
                continue
            if client.authenticate is not None:
                self._upstream.append(clients[name])
                continue
            if client.issuer is not None:
                # Who must be a certain user goes before who may be any.
                self._bearers.insert(0 if client.login else len(self._bearers), clients[name])
                continue
            if client.certificate_subject is not None:
                self._certificates[client.certificate_subject.lower()] = clients[name]
                continue
            if client.htpasswd_file is not None and client.login is None:
                self._htpasswd.append(clients[name])
                continue
            if client.has_login:
                self._logins.setdefault(client.login or name, []).append(clients[name])
                continue
            if client.any_login:
                self._any_login.append(clients[name])
            for network in client.networks:
                self._networks.add(network, clients[name])
        self.mechanisms = self._offered()
        """The ways to log in that are offered."""

    @property
    def offers_login(self) -> bool:
        return self._offers_passwords or bool(self._bearers)

    @property
    def _offers_passwords(self) -> bool:
        return bool(self._logins or self._any_login or self._upstream or self._htpasswd)

    def _offered(self) -> tuple[str, ...]:
        """PLAIN and LOGIN; what else works with each login there is, since clients take the strongest that is offered.

        CRAM-MD5 needs the password itself, not its hash. A bearer token is for clients with an issuer, and for apps
        that speak to a sink as they would to Microsoft or Google.
        """
        found = [*chain.from_iterable(self._logins.values())]
        others = self._htpasswd or self._upstream or self._any_login
        plain = bool(found) and not others and all(client.password is not None for client in found)
        tokens = self._bearers or any(not client.is_real for client in (*found, *self._any_login))
        return (
            *(("PLAIN", "LOGIN") if self._offers_passwords else ()),
            *(("CRAM-MD5",) if plain else ()),
            *(("XOAUTH2", "OAUTHBEARER") if tokens else ()),
        )

    def by_address(self, peer: str) -> ClientPolicy | None:
        """The client without login whose network holds `peer`, the longest prefix first."""
        address = address_of(peer)
        return None if address is None else self._networks.find(address)

    def by_certificate(self, names: Iterable[str], peer: str) -> ClientPolicy | None:
        """The client whose TLS certificate holds one of these names (in lower case), if it may come from there."""
        address = address_of(peer)
        found = (self._certificates[name] for name in names if name in self._certificates)
        return next((client for client in found if may_come_from(client.networks, address)), None)

    def with_users(self, peer: str) -> list[ClientPolicy]:
        """The clients whose users stand in a file, if they may come from there."""
        address = address_of(peer)
        return [client for client in self._htpasswd if may_come_from(client.networks, address)]

    def with_tokens(self, peer: str) -> list[ClientPolicy]:
        """The clients that an access token may be, if they may come from there."""
        address = address_of(peer)
        return [client for client in self._bearers if may_come_from(client.networks, address)]

    @property
    def with_passwords(self) -> list[ClientPolicy]:
        """The clients with a login of their own or with users in a file."""
        return [*chain.from_iterable(self._logins.values()), *self._htpasswd]

    def by_login(self, login: str, peer: str) -> ClientPolicy | None:
        """The client that this login may be, from there; whether the password is right is not known here."""
        address = address_of(peer)
        candidates = [*self._logins.get(login, ()), *self._any_login]
        if not candidates and mime.canonical(login) is not None:
            # Only what is a mailbox and no login of the relay's own: that one's password is nobody else's business.
            candidates = self._upstream
        return next((client for client in candidates if may_come_from(client.networks, address)), None)


class _NetworkTable:
    """Networks by prefix length: one look-up per length in use, however many networks there are."""

    def __init__(self) -> None:
        self._tables: dict[tuple[int, int], dict[int, ClientPolicy]] = {}

    def add(self, network: Network, client: ClientPolicy) -> None:
        table = self._tables.setdefault((network.version, network.prefixlen), {})
        # Looked at for each connection: the longest first.
        self._tables = dict(sorted(self._tables.items(), key=lambda entry: entry[0], reverse=True))
        prefix = int(network.network_address) >> (network.max_prefixlen - network.prefixlen)
        other = table.setdefault(prefix, client)
        if other is not client:
            raise ValueError(
                f"clients.{client.name}.networks and clients.{other.name}.networks both hold {network} for the same "
                "listener: who comes from there could be either; give them different networks, listeners or logins"
            )

    def find(self, address: Address) -> ClientPolicy | None:
        return next(self._matches(address), None)

    def _matches(self, address: Address) -> Iterator[ClientPolicy]:
        for (version, length), table in self._tables.items():
            if version == address.version:
                client = table.get(int(address) >> (address.max_prefixlen - length))
                if client is not None:
                    yield client
