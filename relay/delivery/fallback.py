"""Another account for the time that one is in trouble: which mail goes there, and when (DESIGN 7)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from relay import log, mime
from relay.config import Settings
from relay.policy import Policy, Refusal
from relay.spool import Moved, Revise, Spool

_MARGIN = 60.0
"""Seconds: a message becomes due a little before it is committed."""


@dataclass
class Fallbacks:
    """The fallbacks of all accounts, and how far the mail of each has been looked through.

    The accounts behind each other form no circle, and mail only goes forward: it tries each once.
    """

    to: Mapping[str, str]
    revise: Callable[[str], Revise]
    """How mail goes through the account of that name."""
    _looked_until: dict[str, float] = field(default_factory=dict)

    async def divert(self, spool: Spool, account: str, now: float, reason: str) -> str | None:
        """Give the mail of `account` that is due to its fallback: the account that got some. Raises StorageError."""
        to = self.to.get(account)
        if to is None:
            return None
        since, after, given = self._looked_until.get(account, 0.0) - _MARGIN, 0, False
        while True:
            moved, after = await spool.divert(account, to, self.revise(to), since=since, after=after)
            for each in moved:
                log.delivery.diverted(each.id, account, to, reason)
            given = given or bool(moved)
            if not after:
                break
        self._looked_until[account] = now
        return to if given else None

    def begin(self, account: str) -> None:
        """A time of trouble begins: all that waits is looked through anew."""
        self._looked_until.pop(account, None)


def fallbacks_of(settings: Settings) -> Fallbacks:
    """The fallbacks that the accounts name, with the clients' rules."""
    policy = Policy(settings)

    def through(account: str) -> Revise:
        def revise(message: Moved) -> Moved | None:
            headers = mime.split_headers(message.headers)
            found = policy.with_other_account(message.origin.client, account, message.envelope, headers)
            if found is None or isinstance(found, Refusal):
                return None
            if found.edit is None:
                return replace(message, envelope=replace(message.envelope, sender=found.sender))
            edited = b"".join(header.raw for header in mime.edit_sender(headers, found.edit))
            return replace(message, headers=edited, envelope=replace(message.envelope, sender=found.sender))

        return revise

    return Fallbacks({name: one.fallback for name, one in settings.accounts.items() if one.fallback}, through)


NONE = Fallbacks({}, lambda _account: lambda _message: None)
