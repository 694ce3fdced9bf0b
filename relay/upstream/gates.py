"""How many requests an API is asked at a time: for each mailbox, and for each application (docs/sources.md).

Graph counts both, whichever account of the relay a request belongs to. So accounts on one mailbox share its places,
and accounts of one app registration share the application's. An application that is throttled rests as a whole: each
further request would count against it, whoever's mailbox it is for.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from relay.model import Clock, Identity, Outcome, Result, Scope
from relay.upstream.trouble import AttemptError


@dataclass
class Rest:
    """Until when nothing is asked for an application, by the clock that never jumps, and why."""

    clock: Clock
    until: float = 0.0
    why: str = ""

    def begin(self, seconds: float, why: str) -> None:
        """Ask nothing for so long."""
        self.until, self.why = max(self.until, self.clock.monotonic() + seconds), why

    def check(self) -> None:
        """Raises AttemptError while it lasts: nothing has been asked."""
        left = self.until - self.clock.monotonic()
        if left > 0:
            text = f"the application rests, no request was made: {self.why}"
            raise AttemptError(Result(Outcome.DEFERRED, 451, "4.3.2", text, Scope.IDENTITY, left))


@dataclass(frozen=True, slots=True)
class Gate:
    """The places of one mailbox and of its application."""

    mailbox: asyncio.Semaphore
    app: asyncio.Semaphore | None
    rest: Rest = field(default_factory=lambda: Rest(Clock()), compare=False)
    """The application's."""

    @contextlib.asynccontextmanager
    async def passing(self) -> AsyncIterator[None]:
        """Hold one place of each. The mailbox's own comes first, so that a busy one does not sit on the others'.

        Raises AttemptError while the application rests.
        """
        async with self.mailbox, self.app or contextlib.nullcontext():
            self.rest.check()
            yield


class Gates:
    """All that are in use, one for the whole process: this alone holds requests back, on whichever way they come.

    What nobody holds any more is forgotten: with `mailbox = "sender"` there can be as many as senders.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or Clock()
        self._rests: dict[str, Rest] = {}
        self._mailboxes: WeakValueDictionary[Identity, asyncio.Semaphore] = WeakValueDictionary()
        self._apps: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    def renew(self, identity: Identity) -> None:
        """The number of its places may have changed: who asks next sets it anew."""
        self._mailboxes.pop(identity, None)

    def of(self, identity: Identity, mailbox: int, app: str = "", most_of_app: int = 0) -> Gate:
        """The gate of a mailbox that takes `mailbox` requests at a time; `app` "" is not counted."""
        own = self._mailboxes.setdefault(identity, asyncio.Semaphore(mailbox))
        if not app:
            return Gate(own, None, Rest(self._clock))
        rest = self._rests.setdefault(app, Rest(self._clock))
        return Gate(own, self._apps.setdefault(app, asyncio.Semaphore(most_of_app)), rest)
