"""Who is told of a message that was not delivered, and through which account: pure, from the settings."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from relay.config import Settings
from relay.policy.rules import Policy

_TAKES_NULL = frozenset({"smtp", "sink", "discard", "fail"})
"""Exchange, Graph and Gmail let a mailbox send as itself only (docs/sources.md); other servers take a null sender."""


@dataclass(frozen=True, slots=True)
class Route:
    """How a report goes: to whom, through which account, with which envelope sender ("" is null) and From."""

    to: str
    account: str
    sender: str
    author: str


class ReportRules:
    """`queue.bounces`, `bounce_to` and `bounce_account`, and what they mean for one message."""

    def __init__(self, settings: Settings, policy: Policy) -> None:
        self._settings = settings
        self._policy = policy

    @property
    def wanted(self) -> bool:
        return self._settings.queue.bounces != "off"

    @property
    def delay(self) -> float | None:
        """After how many seconds a delay is told; None for never."""
        return self._settings.queue.delay_warning if self.wanted else None

    def route(self, client: str, sender: str, account: str) -> Route | str:
        """The way of a report about a message of `client` from `sender` through `account`; or why there is none."""
        queue = self._settings.queue
        to = self._reader(client, sender)
        if not to:
            return "set queue.bounce_to to an address that is to hear of it"
        way = queue.bounce_account or account
        found = self._settings.accounts.get(way)
        if found is None:
            return f"the account {way} is not in the configuration: put it back, or set queue.bounce_account"
        own = found.own_address or ""
        author = own or f"postmaster@{self._settings.hostname}"
        return Route(to, way, "" if found.provider in _TAKES_NULL else own, author)

    def second_sender(self, account: str) -> str:
        """What a report is sent from after a null sender was refused; "" for nothing."""
        found = self._settings.accounts.get(account)
        return (found.own_address if found is not None else None) or ""

    def remote(self, account: str) -> str:
        """The server that speaks for an account, as a report names it; "" if none does."""
        found = self._settings.accounts.get(account)
        if found is None or not found.is_real:
            return ""
        if found.via[0] == "smtp" or found.mail_endpoint is None:
            return found.host or ""
        return urlsplit(found.mail_endpoint).hostname or ""

    def max_age(self) -> float:
        """How long a report is tried, in seconds."""
        return self._settings.queue.max_age

    def _reader(self, client: str, sender: str) -> str:
        """The sender only where it is one that the client may have: anybody else would get mail he knows nothing of."""
        known = self._policy.client_by_name(client)
        if self._settings.queue.bounces == "sender" and known is not None and sender in known.senders:
            return sender
        return self._settings.queue.bounce_to or ""
