"""How many requests an API is asked at a time: for each mailbox, and for each application (PROVIDERS 4.4).

Graph counts both, whichever account of the relay a request belongs to. So accounts on one mailbox share its places,
and accounts of one app registration share the application's.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from relay.model import Identity


@dataclass(frozen=True, slots=True)
class Gate:
    """The places of one mailbox and of its application."""

    mailbox: asyncio.Semaphore
    app: asyncio.Semaphore | None

    @contextlib.asynccontextmanager
    async def passing(self) -> AsyncIterator[None]:
        """Hold one place of each. The mailbox's own comes first, so that a busy one does not sit on the others'."""
        async with self.mailbox, self.app or contextlib.nullcontext():
            yield


class Gates:
    """All that are in use, one for the whole process. Gates nobody holds any more are forgotten above `most`."""

    def __init__(self, most: int = 1000) -> None:
        self._most = most
        self._mailboxes: dict[Identity, asyncio.Semaphore] = {}
        self._apps: dict[str, asyncio.Semaphore] = {}

    def of(self, identity: Identity, mailbox: int, app: str = "", most_of_app: int = 0) -> Gate:
        """The gate of a mailbox that takes `mailbox` requests at a time; `app` "" is not counted."""
        shared = None
        if app:
            shared = self._apps.setdefault(app, asyncio.Semaphore(most_of_app))
        own = self._mailboxes.get(identity)
        if own is None:
            self._forget()
            own = self._mailboxes[identity] = asyncio.Semaphore(mailbox)
        return Gate(own, shared)

    def _forget(self) -> None:
        """Drop what rests, oldest first: with `mailbox = "sender"` there can be as many as senders."""
        if len(self._mailboxes) < self._most:
            return
        for identity, places in list(self._mailboxes.items())[: self._most // 2]:
            if not places.locked():
                del self._mailboxes[identity]
