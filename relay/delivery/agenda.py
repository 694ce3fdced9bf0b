"""Which lane is to be looked at when: however many there are, only those whose time has come cost anything."""

import asyncio
import heapq
import itertools
import math
from collections.abc import Awaitable, Iterable

from relay.delivery.lane import Lane


class Agenda:
    """Times are seconds since the epoch. Each lane has at most one time that counts, the earliest."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Lane]] = []
        self._at: dict[Lane, float] = {}
        self._order = itertools.count()

    @property
    def first_at(self) -> float:
        """The earliest time; infinity when there is none."""
        while self._heap and self._at.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else math.inf

    def add(self, lane: Lane, at: float) -> None:
        """Look at `lane` at `at`, unless it is to be looked at earlier."""
        if at < self._at.get(lane, math.inf):
            self._at[lane] = at
            heapq.heappush(self._heap, (at, next(self._order), lane))

    def due(self, now: float) -> list[Lane]:
        """The lanes whose time has come, in that order; they are on the agenda no more."""
        found: list[Lane] = []
        while self.first_at <= now:
            lane = heapq.heappop(self._heap)[2]
            del self._at[lane]
            found.append(lane)
        return found

    def forget(self, lane: Lane) -> None:
        """`lane` is no more."""
        self._at.pop(lane, None)


async def together(visits: Iterable[Awaitable[None]]) -> None:
    """Look at several lanes at a time. Ends when all have been looked at, also where one fails: raises its error.

    Were one still being looked at later, it could take mail into a lane that is no more.
    """
    for failed in await asyncio.gather(*visits, return_exceptions=True):
        if isinstance(failed, BaseException):
            raise failed
