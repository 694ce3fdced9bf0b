"""Settings with the clients that a test of the policy needs, and the policy made of them."""

from ipaddress import ip_network
from pathlib import Path
from typing import Any

from relay.config import Account, Bind, Client, Listener, Settings
from relay.model import Envelope
from relay.policy import ClientPolicy, Policy

MAILBOX = "noreply@example.com"


def client(**keys: Any) -> Client:
    """A client of the account `office`; `networks` may be texts."""
    keys["networks"] = tuple(ip_network(network) for network in keys.get("networks", ()))
    defaults: dict[str, Any] = {"account": "office", "senders": (MAILBOX,), "listeners": ("default",)}
    return Client(**(defaults | keys))


def policy(clients: dict[str, Client], accounts: dict[str, Account] | None = None, **keys: Any) -> Policy:
    """A policy with the listeners `default` and `other`, and the accounts `office`, `hub` and `sink` unless given."""
    bind = (Bind("127.0.0.1", 0),)
    settings = Settings(
        hostname="relay.example.com",
        state_folder=Path("state"),
        listeners={"default": Listener(bind=bind, max_message_size=1000), "other": Listener(bind=bind)},
        clients=clients,
        accounts=accounts
        or {
            "office": Account(provider="microsoft", mailbox=MAILBOX, max_message_size=800),
            "hub": Account(provider="smtp", host="smtp.example.com"),
            "sink": Account(provider="sink"),
        },
    )
    return Policy(settings, **keys)


def one(**keys: Any) -> tuple[Policy, ClientPolicy]:
    """A policy whose only client is `scanner`, and that client."""
    made = policy({"scanner": client(**keys)})
    found = made.client_by_name("scanner")
    assert found is not None
    return made, found


def envelope(sender: str = MAILBOX, *recipients: str) -> Envelope:
    return Envelope(sender, recipients or ("someone@example.org",))
