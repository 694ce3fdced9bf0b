"""An account that acts as whoever sends: a way out for each mailbox, opened when its mail comes.

Each mailbox is an identity of its own: what its pace, its places and its pauses are is delivery's to keep.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from relay.config.mailbox_users import ActsAs
from relay.model import Identity, Message, Outcome, Result, Results, Scope
from relay.upstream.copies import first_copy
from relay.upstream.trouble import Trace

MOST_OPEN = 64
"""Ways that are kept for the next message: each can hold connections."""
TOGETHER = 20
"""Messages that are sent at a time over all mailboxes."""


class Way(Protocol):
    """The upstream of one mailbox."""

    async def send(self, message: Message, trace: Trace | None = None) -> Results: ...
    async def close(self) -> None: ...


@dataclass(slots=True)
class _Open:
    way: Way
    active: int = 0


class ByMailbox:
    """Sends each message through the mailbox of whom the account acts as.

    `concurrency` is what one mailbox takes at a time, `together` what all of them do. `make` opens the way of a
    mailbox, `identity_of` names it; `identity` is what the account is called where no mailbox is meant.
    """

    together = TOGETHER

    def __init__(
        self,
        name: str,
        identity: Identity,
        make: Callable[[str], Way],
        *,
        acts_as: ActsAs,
        identity_of: Callable[[str], Identity],
        concurrency: int,
    ) -> None:
        self.identity = identity
        self.identity_of = identity_of
        self.concurrency = concurrency
        self._name = name
        self._make = make
        self._acts_as = acts_as
        self._ways: OrderedDict[str, _Open] = OrderedDict()

    def wrap(self, around: Callable[[Way], Way]) -> None:
        """Put something around the way of each mailbox that is opened from now on."""
        make = self._make
        self._make = lambda mailbox: around(make(mailbox))

    async def send(self, message: Message, trace: Trace | None = None) -> Results:
        """Send `message`: a result for each recipient, whatever happens."""
        mailbox = self._acts_as.mailbox(message.envelope.sender, message.origin.login)
        if not mailbox:
            return dict.fromkeys(message.envelope.recipients, self._nobody())
        one = await self._opened(mailbox)
        one.active += 1
        try:
            return await one.way.send(message, trace)
        finally:
            one.active -= 1

    def first_copy(self, message: Message) -> tuple[str, ...]:
        """As the way of its mailbox has it."""
        mailbox = self._acts_as.mailbox(message.envelope.sender, message.origin.login)
        return first_copy(self._way_of(mailbox).way, message) if mailbox else message.envelope.recipients

    async def close(self) -> None:
        """Leave every server politely."""
        while self._ways:
            _, one = self._ways.popitem()
            await one.way.close()

    def _way_of(self, mailbox: str) -> _Open:
        one = self._ways.get(mailbox)
        if one is None:
            one = self._ways[mailbox] = _Open(self._make(mailbox))
        return one

    async def _opened(self, mailbox: str) -> _Open:
        one = self._way_of(mailbox)
        self._ways.move_to_end(mailbox)
        one.active += 1  # it is not for closing while another one is waited for
        try:
            await self._close_idle()
        finally:
            one.active -= 1
        return one

    async def _close_idle(self) -> None:
        """Close those that were not used for longest; those at work stay, however many they are."""
        idle = [mailbox for mailbox, one in self._ways.items() if not one.active]
        for mailbox in idle[: max(0, len(self._ways) - MOST_OPEN)]:
            await self._ways.pop(mailbox).way.close()

    def _nobody(self) -> Result:
        by_login = self._acts_as is ActsAs.LOGIN
        what = "nobody has logged in with it" if by_login else "it has no sender"
        text = f"the account {self._name} acts as whoever sends a message, and {what}"
        hint = (
            'Send it through a client with authenticate = "upstream"'
            if by_login
            else "Send with an envelope sender, or through an account with a mailbox of its own"
        )
        return Result(Outcome.FAILED, 550, "5.7.1", text, Scope.MESSAGE, hint=hint)
