"""How large a message may be: the smallest limit on its way, and the key that sets it."""

from collections.abc import Iterator
from dataclasses import dataclass

from relay.config import Client, Settings
from relay.policy.verdicts import Refusal


@dataclass(frozen=True, slots=True)
class SizeLimit:
    """The octets that a message may have, and the key that says so."""

    octets: int
    key: str

    def refusal(self, size: int) -> Refusal | None:
        """What a message of `size` octets hears, as announced at MAIL (RFC 1870 6.1) or as read so far."""
        if size <= self.octets:
            return None
        text = f"The message is larger than the {self.octets:,} octets allowed here: raise {self.key}"
        return Refusal(552, "5.3.4", text)


def limits(settings: Settings) -> dict[tuple[str, str | None], SizeLimit]:
    """The limit for each listener and client; None is whoever is not known yet."""
    found: dict[tuple[str, str | None], SizeLimit] = {}
    for name, listener in settings.listeners.items():
        own = SizeLimit(listener.max_message_size, f"listeners.{name}.max_message_size")
        found[name, None] = own
        for client_name, client in settings.clients.items():
            further = _further(client_name, client, settings)
            found[name, client_name] = min([own, *further], key=lambda limit: limit.octets)
    return found


def _further(name: str, client: Client, settings: Settings) -> Iterator[SizeLimit]:
    """What the client's own table and those of its accounts say."""
    if client.max_message_size is not None:
        yield SizeLimit(client.max_message_size, f"clients.{name}.max_message_size")
    for account in client.uses:
        octets = settings.accounts[account].max_message_size
        if octets is not None:
            yield SizeLimit(octets, f"accounts.{account}.max_message_size")
