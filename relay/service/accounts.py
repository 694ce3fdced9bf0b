"""The accounts of a relay that runs: what they send with, exchanged while mail goes out."""

import asyncio
from collections.abc import Mapping

from relay.delivery import Change, Delivery, fallbacks_of, terms_of
from relay.limits import Ledger
from relay.listener.authentication import MailboxLogin
from relay.service.changes import Snapshot
from relay.service.exits import ExitMaker, Exits
from relay.service.parts import Prepared
from relay.service.tokens import Tokens


class Accounts:
    """Tokens, ways out and pace of all accounts, and the delivery that uses them."""

    def __init__(self, maker: ExitMaker, exits: Exits, delivery: Delivery, ledger: Ledger) -> None:
        self._maker = maker
        self._exits = exits
        self._next: Exits | None = None
        self._delivery = delivery
        self._ledger = ledger
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def tokens(self) -> Tokens:
        """The tokens in use."""
        return self._exits.tokens

    @property
    def logins(self) -> Mapping[str, MailboxLogin]:
        """What checks the users of mailboxes once the change is made that is being prepared."""
        return (self._next or self._exits).tokens.logins

    async def prepare(self, old: Snapshot, new: Snapshot) -> Prepared:
        """Make what has changed. Raises ValueError or StorageError."""
        made = self._maker.remake(self._exits, old, new)
        await self._ledger.save()  # what was sent counts for an account that is made anew, too
        self._next = made
        change = Change(
            made.upstreams,
            retry=new.settings.queue.retry,
            terms=terms_of(new.settings),
            fallbacks=fallbacks_of(new.settings),
        )

        async def commit() -> None:
            before, self._exits, self._next = self._exits, made, None
            await self._delivery.use(change)
            task = asyncio.create_task(self._close(before, made), name="closing replaced accounts")
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

        async def discard() -> None:
            self._next = None
            await made.close_replaced(self._exits)

        return Prepared(commit, discard)

    async def close(self) -> None:
        """Give up what is under way."""
        if self._closing:
            await asyncio.wait(self._closing)
        await self._exits.tokens.close()

    async def _close(self, before: Exits, by: Exits) -> None:
        """Let go what was replaced, as soon as no attempt is under way that may use it."""
        if under_way := self._delivery.under_way:
            await asyncio.wait(under_way)
        await before.close_replaced(by)
