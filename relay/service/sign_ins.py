"""Mail that waits for somebody to sign in goes on when he has, also when he did so by a command beside this process."""

import contextlib
from collections.abc import Callable

from relay import log
from relay.config import Store
from relay.database import StorageError
from relay.model import Clock
from relay.oauth import ConsentStore
from relay.seal import SealError
from relay.service.tokens import Tokens
from relay.spool import Queue

EVERY = 1.0
"""Seconds between two looks."""


async def take_over_key(settings: Store, store: ConsentStore) -> None:
    """Where [store] names a previous key, seal everything with the new one, so that the old one can go.

    Raises StorageError.
    """
    if settings.key_previous is None:
        return
    with contextlib.suppress(SealError):  # whoever wants a token hears of it
        log.oauth.key_changed(*await store.seal_anew())


class SignIns:
    """Has `tokens` asked for with each new sign-in in the store, and what waits in its queue go on (`resume`)."""

    def __init__(self, store: ConsentStore, clock: Clock, tokens: Tokens, resume: Callable[[Queue], None]) -> None:
        self._store = store
        self._clock = clock
        self._resume = resume
        self._newest: float | None = None
        self.use(tokens)

    def use(self, tokens: Tokens) -> None:
        """Look after these from now on: the accounts have changed."""
        self._tokens = tokens
        tokens.on_sign_in(lambda account, mailbox: self._resume(Queue(account, mailbox)))

    async def run(self) -> None:
        """Look, again and again, until cancelled."""
        while True:
            with contextlib.suppress(StorageError):  # delivery tells of it; the next look tries again
                await self.look()
            await self._clock.sleep(EVERY)

    async def look(self) -> None:
        """Use what has come since the last look; the first one only takes note. Raises StorageError."""
        found = await self._store.since(-1.0 if self._newest is None else self._newest)
        for account, mailbox, _ in found if self._newest is not None else ():
            self._tokens.signed_in(account, mailbox)
            self._resume(Queue(account, mailbox))
        self._newest = max([self._newest or 0.0, *(at for _, _, at in found)])
