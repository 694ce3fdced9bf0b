"""A clock that stands still until a test turns it."""

import asyncio
import heapq
import itertools
import time

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

    async def wait(self, event: asyncio.Event, seconds: float) -> None:
        """As `sleep`, or until the event is set."""
        waiters = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(self.sleep(seconds))]
        try:
            await asyncio.wait(waiters, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiters:
                each.cancel()
            await asyncio.wait(waiters)

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass; whoever wakes in between runs at its own moment."""
        await self.settle()  # who was just started goes to sleep now, not later
        end = self.now + seconds
        while self._sleepers and self._sleepers[0][0] <= end:
            due, _, future = heapq.heappop(self._sleepers)
            self.now = max(self.now, due)  # who has set `now` forward has let it pass
            if not future.done():
                future.set_result(None)
            await self.settle()
        self.now = end
        await self.settle()

    async def settle(self) -> None:
        """Give every task that can run a chance to run."""
        for _ in range(20):
            await asyncio.sleep(0)


class FastClock(Clock):
    """Real time, `factor` times as fast: for tests of which both sides have a clock and hours pass."""

    def __init__(self, factor: float) -> None:
        self._factor = factor
        self._start = time.monotonic()

    def time(self) -> float:
        return 1_800_000_000.0 + self.monotonic()

    def monotonic(self) -> float:
        return (time.monotonic() - self._start) * self._factor

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self._factor)

    async def wait(self, event: asyncio.Event, seconds: float) -> None:
        await super().wait(event, seconds / self._factor)
