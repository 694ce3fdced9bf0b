"""How many requests an API is asked at a time: for each mailbox, and for each application (PROVIDERS 4.4).

Graph counts both, whichever account of the relay a request belongs to. So accounts on one mailbox share its places,
and accounts of one app registration share the application's.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from weakref import WeakValueDictionary

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
    """All that are in use, one for the whole process: this alone holds requests back, on whichever way they come.

    What nobody holds any more is forgotten: with `mailbox = "sender"` there can be as many as senders.
    """

    def __init__(self) -> None:
        self._mailboxes: WeakValueDictionary[Identity, asyncio.Semaphore] = WeakValueDictionary()
        self._apps: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    def renew(self, identity: Identity) -> None:
        """The number of its places may have changed: who asks next sets it anew."""
        self._mailboxes.pop(identity, None)

    def of(self, identity: Identity, mailbox: int, app: str = "", most_of_app: int = 0) -> Gate:
        """The gate of a mailbox that takes `mailbox` requests at a time; `app` "" is not counted."""
        own = self._mailboxes.setdefault(identity, asyncio.Semaphore(mailbox))
        return Gate(own, self._apps.setdefault(app, asyncio.Semaphore(most_of_app)) if app else None)
