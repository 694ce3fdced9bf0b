"""Which of a client's accounts carries a message: by its sender and by each recipient."""

from dataclasses import dataclass, replace

from relay.config import Account, Settings
from relay.policy.clients import ClientPolicy, patterns
from relay.policy.patterns import AddressPatterns


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """One account of a client, and the client as it is with this account alone.

    What is None is not looked at.
    """

    client: ClientPolicy
    senders: AddressPatterns | None
    recipients: AddressPatterns | None

    def takes(self, sender: str, recipient: str) -> bool:
        """Whether the account is for this mail; `sender` is "" where there is none to go by."""
        return (not sender or self.senders is None or sender in self.senders) and (
            self.recipients is None or recipient in self.recipients
        )


class Routes:
    """The accounts of all clients that have several. Raises ValueError for patterns that are none."""

    def __init__(self, settings: Settings, clients: dict[str, ClientPolicy]) -> None:
        self._routes = {
            name: [_route(clients[name], account, settings.accounts[account]) for account in client.accounts]
            for name, client in settings.clients.items()
            if client.accounts
        }

    def has(self, client: ClientPolicy) -> bool:
        """Whether there is a choice."""
        return client.name in self._routes

    def find(self, client: ClientPolicy, reverse_path: str, recipient: str) -> ClientPolicy | None:
        """The client with the first account that is for this mail, None if there is none."""
        routes = self._routes.get(client.name)
        if routes is None:
            return client
        replaced = client.sender == "force" or (client.replaces_sender and reverse_path not in client.senders)
        sender = "" if replaced else reverse_path
        return next((route.client for route in routes if route.takes(sender, recipient)), None)


def fallback(client: ClientPolicy, name: str, account: Account) -> Route:
    """Another account for the client's mail: it is for all of it, but for what its `senders` and `recipients` say."""
    key = f"accounts.{name}"
    return Route(
        replace(client, account=name, is_real=account.is_real, from_address=account.own_address or ""),
        patterns(f"{key}.senders", account.senders) if account.senders else None,
        patterns(f"{key}.recipients", account.recipients) if account.recipients else None,
    )


def _route(client: ClientPolicy, name: str, account: Account) -> Route:
    """One with neither `senders` nor `recipients` is for mail from its mailbox, or for all."""
    route = fallback(client, name, account)
    if route.senders is None and route.recipients is None and account.mailbox:
        return replace(route, senders=patterns(f"accounts.{name}.mailbox", (account.mailbox,)))
    return route
