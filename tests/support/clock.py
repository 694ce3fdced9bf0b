"""A clock that stands still until a test turns it."""

import asyncio
import heapq
import itertools
import time

from relay.model import Clock


class FakeClock(Clock):
    """`advance()` moves both clocks and wakes who slept until then, in order; `jump()` sets the wall clock alone."""

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self.now = start
        self._set_by = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now - self._set_by

    def elapsed(self) -> float:
        return self.monotonic()

    def jump(self, seconds: float) -> None:
        """Somebody sets the clock: no time passes."""
        self._set_by += seconds
        self.now += seconds

    async def sleep(self, seconds: float) -> None:
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.monotonic() + seconds, next(self._order), future))
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
        end = self.monotonic() + seconds
        while self._sleepers and self._sleepers[0][0] <= end:
            due, _, future = heapq.heappop(self._sleepers)
            self.now = max(self.now, due + self._set_by)  # who has set `now` forward has let it pass
            if not future.done():
                future.set_result(None)
            await self.settle()
        self.now = end + self._set_by
        await self.settle()

    async def settle(self) -> None:
        """Give every task that can run a chance to run."""
        for _ in range(20):
            await asyncio.sleep(0)


class QuickClock(FakeClock):
    """Waits for nothing, and counts it."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


class FastClock(Clock):
    """Real time, `factor` times as fast: for tests of which both sides have a clock and hours pass."""

    def __init__(self, factor: float) -> None:
        self._factor = factor
        self._start = time.monotonic()

    def time(self) -> float:
        return 1_800_000_000.0 + self.monotonic()

    def monotonic(self) -> float:
        return (time.monotonic() - self._start) * self._factor

    def elapsed(self) -> float:
        return self.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self._factor)

    async def wait(self, event: asyncio.Event, seconds: float) -> None:
        await super().wait(event, seconds / self._factor)
