"""Another account for the time that one is in trouble: which mail goes there, and when."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from relay import log, mime
from relay.config import Settings
from relay.policy import Policy, Refusal
from relay.spool import Moved, Queue, Revise, Spool

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
    _looked_until: dict[Queue, float] = field(default_factory=dict)

    async def divert(self, spool: Spool, queue: Queue, now: float, reason: str) -> set[Queue]:
        """Give the mail of `queue` that is due to its account's fallback; returns the queues that got some.

        Raises StorageError.
        """
        to = self.to.get(queue.account)
        given: set[Queue] = set()
        if to is None:
            return given
        # A clock that was set back meanwhile took the times of what waits along.
        since, after = min(self._looked_until.get(queue, 0.0), now) - _MARGIN, 0
        while True:
            moved, after = await spool.divert(queue, to, self.revise(to), since=since, after=after)
            for each in moved:
                log.delivery.diverted(each.id, queue.account, to, reason)
                given.add(Queue(to, spool.mailboxes.of(to, each.envelope, each.origin)))
            if not after:
                break
        self._looked_until[queue] = now
        return given

    def begin(self, applies: Callable[[Queue], bool]) -> None:
        """A time of trouble begins for these queues: all that waits in them is looked through anew."""
        for queue in [each for each in self._looked_until if applies(each)]:
            del self._looked_until[queue]


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
