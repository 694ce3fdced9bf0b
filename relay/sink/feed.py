"""News of the sink for who watches: pages, event streams, waiting searches. Nothing is kept for who comes later."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

MOST_WATCHERS = 100
_MOST_UNREAD = 1000


@dataclass(frozen=True, slots=True)
class Event:
    """`kind` is new, update, delete, prune or truncate; `data` what it tells, ready for JSON."""

    kind: str
    data: Any


class Watcher:
    """One watcher's queue."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Event | None] = asyncio.Queue(_MOST_UNREAD)
        self.ended = False

    def put(self, event: Event | None) -> None:
        """Hand over an event. Who has fallen too far behind is let go; he can come again."""
        if self._queue.full():
            self.ended = True
            while not self._queue.empty():
                self._queue.get_nowait()
        self._queue.put_nowait(None if self.ended else event)

    async def next(self, patience: float) -> Event | None:
        """The next event; None after `patience` seconds without one, or when `ended`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                event = await self._queue.get()
                self.ended = self.ended or event is None
                return event
        return None

    async def events(self, patience: float) -> AsyncIterator[Event | None]:
        """The events as they come, None after each `patience` seconds of silence, until the feed ends."""
        while not self.ended:
            event = await self.next(patience)
            if not self.ended:
                yield event


class TooManyWatchersError(Exception):
    """There is no room for one more."""


class Feed:
    """Tells all watchers."""

    def __init__(self) -> None:
        self._watchers: set[Watcher] = set()
        self._closed = False

    @contextlib.contextmanager
    def watching(self) -> Iterator[Watcher]:
        """A watcher of what happens from now on. Raises TooManyWatchersError."""
        if self.is_full:
            raise TooManyWatchersError("too many are watching; close some windows")
        watcher = Watcher()
        if self._closed:
            watcher.ended = True
        self._watchers.add(watcher)
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)

    @property
    def is_full(self) -> bool:
        return len(self._watchers) >= MOST_WATCHERS

    def tell(self, kind: str, data: Any = None) -> None:
        """Tell everybody who watches."""
        for watcher in self._watchers:
            watcher.put(Event(kind, data))

    def close(self) -> None:
        """End all watching: the relay stops."""
        self._closed = True
        for watcher in self._watchers:
            watcher.put(None)
