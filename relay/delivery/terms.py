"""What the accounts ask of delivery besides their identity: how many recipients at a time, which app they share."""

from dataclasses import dataclass, replace

from relay import providers
from relay.config import Account, SecretError, Settings


@dataclass(frozen=True, slots=True)
class Terms:
    """One account's terms.

    `recipients` is the most in one transaction, None: any number. `app` names the application that `app_concurrency`
    holds for, whatever mailbox it sends as; "" for none. `mixed` tells that its clients may have different priorities.
    """

    recipients: int | None = None
    app: str = ""
    app_concurrency: int = 0
    mixed: bool = False


NONE = Terms()


def terms_of(settings: Settings) -> dict[str, Terms]:
    """The terms of every account."""
    mixed = len({client.priority for client in settings.clients.values()}) > 1
    return {name: replace(_terms(name, account), mixed=mixed) for name, account in settings.accounts.items()}


def _terms(name: str, account: Account) -> Terms:
    if account.provider == "google":
        return Terms(providers.GMAIL.recipients_per_message)
    if account.provider != "microsoft":
        return NONE
    if (account.host or "").lower() in providers.HIGH_VOLUME_HOSTS:
        return Terms(providers.HIGH_VOLUME.recipients_per_message)
    if "graph" not in account.via:
        return Terms(providers.EXCHANGE.recipients_per_message)
    most = max(providers.GRAPH.requests_per_app, account.concurrency)
    return Terms(providers.EXCHANGE.recipients_per_message, _app(name, account), most)


def _app(name: str, account: Account) -> str:
    """The application by its tenant and id; an id that cannot be read now makes it the account's own."""
    try:
        identifier = account.oauth.client_id.read() if account.oauth and account.oauth.client_id else name
    except SecretError:
        identifier = name
    return "/".join(("graph", account.cloud, account.tenant or "", identifier)).lower()
