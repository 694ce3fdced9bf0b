"""How many octets of mail are in memory, and who has to wait until there are fewer."""

import asyncio
from collections import deque

from relay.model import Clock


class Memory:
    """A count of octets against a limit. Who holds some says so with `take`; who wants to begin asks for `room`."""

    def __init__(self, limit: int | None = None, clock: Clock | None = None) -> None:
        self._limit = limit
        self._clock = clock or Clock()
        self._waiting: deque[asyncio.Event] = deque()
        self.used = 0
        """Octets that are held now."""

    @property
    def left(self) -> int | None:
        """Octets below the limit; negative above it, None without one."""
        return None if self._limit is None else self._limit - self.used

    @property
    def over(self) -> bool:
        """Whether as much is held as may be, so that nobody begins."""
        return self._limit is not None and self.used >= self._limit

    def take(self, octets: int) -> None:
        """Note that so many more are held, or fewer: a negative number gives back."""
        self.used += octets
        self._wake()

    def _wake(self) -> None:
        """Let the one who has waited longest begin; what he takes decides whether the next one may."""
        if self._waiting and not self.over:
            self._waiting.popleft().set()

    async def room(self, seconds: float) -> bool:
        """Wait until it is one's turn to begin, at most `seconds`; whether one may."""
        if not (self.over or self._waiting):
            return True
        turn = asyncio.Event()
        self._waiting.append(turn)
        try:
            await self._clock.wait(turn, seconds)
            return turn.is_set()
        except BaseException:
            if turn.is_set():
                self._wake()  # somebody else's turn then
            raise
        finally:
            if not turn.is_set():
                self._waiting.remove(turn)
