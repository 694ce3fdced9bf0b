"""A clock that stands still until a test turns it."""

import asyncio
import heapq
import itertools

from relay.model import Clock


class FakeClock(Clock):
    """`advance()` moves both clocks and wakes who slept until then, in order."""

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self.now = start
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now + seconds, next(self._order), future))
        await future

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass; whoever wakes in between runs at its own moment."""
        await self.settle()  # who was just started goes to sleep now, not later
        end = self.now + seconds
        while self._sleepers and self._sleepers[0][0] <= end:
            self.now, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                future.set_result(None)
            await self.settle()
        self.now = end
        await self.settle()

    async def settle(self) -> None:
        """Give every task that can run a chance to run."""
        for _ in range(20):
            await asyncio.sleep(0)
