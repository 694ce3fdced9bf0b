"""What the accounts ask of delivery besides their identity: how fast, and how many recipients at a time."""

from dataclasses import dataclass, replace

from relay import providers
from relay.config import Account, Settings
from relay.model import Rate


@dataclass(frozen=True, slots=True)
class Terms:
    """One account's terms.

    `recipients` is the most in one transaction, None: any number. `mixed` tells that its clients may have different
    priorities.
    """

    recipients: int | None = None
    rates: tuple[Rate, ...] = ()
    mixed: bool = False


NONE = Terms()


def terms_of(settings: Settings) -> dict[str, Terms]:
    """The terms of every account."""
    mixed = len({client.priority for client in settings.clients.values()}) > 1
    return {
        name: replace(Terms(_recipients(account), tuple(account.rate)), mixed=mixed)
        for name, account in settings.accounts.items()
    }


def _recipients(account: Account) -> int | None:
    if account.provider == "google":
        return providers.GMAIL.recipients_per_message
    if account.provider != "microsoft":
        return None
    if (account.host or "").lower() in providers.HIGH_VOLUME_HOSTS:
        return providers.HIGH_VOLUME.recipients_per_message
    return providers.EXCHANGE.recipients_per_message
