"""Who waits for the results of which message: clients that hear 250 only when their mail is delivered."""

import asyncio
from collections.abc import Callable, Sequence

from relay.model import Results
from relay.spool.queues import Queue


class Waiting:
    """Futures by the message's name. A message that was split has several names, and one future for all of them."""

    def __init__(self) -> None:
        self._futures: dict[str, tuple[Queue, asyncio.Future[Results]]] = {}
        self._joined: dict[str, tuple[str, ...]] = {}
        """The names of all parts of a message that somebody waits for, by that of the first."""

    def __contains__(self, name: str) -> bool:
        return name in self._futures

    def begin(self, name: str, queue: Queue) -> asyncio.Future[Results]:
        """A future for the results of the first attempt, empty once none can be expected soon."""
        return self._futures.setdefault(name, (queue, asyncio.get_running_loop().create_future()))[1]

    def of(self, name: str) -> asyncio.Future[Results] | None:
        """The future of a message or of a part; None when nobody waits."""
        found = self._futures.get(name)
        return found[1] if found is not None else None

    def end(self, name: str) -> None:
        """Nobody waits any longer."""
        for each in self._joined.pop(name, (name,)):
            self._futures.pop(each, None)

    def names(self, name: str) -> tuple[str, ...]:
        """The message's own name, or those of all its parts."""
        return self._joined.get(name, (name,))

    def join(self, parts: Sequence[tuple[str, Queue]]) -> None:
        """Who waits for the first of these (name, queue) hears of all of them together."""
        together = self.of(parts[0][0])
        if together is None:
            return
        futures = [asyncio.get_running_loop().create_future() for _ in parts]
        for (name, queue), future in zip(parts, futures, strict=True):
            self._futures[name] = (queue, future)
        self._joined[parts[0][0]] = tuple(name for name, _ in parts)
        _settle_together(futures, together)

    def give_up(self, name: str) -> None:
        """Whoever waits for the results of this message gets none."""
        if (future := self.of(name)) is not None and not future.done():
            future.set_result({})

    def nothing_soon(self, applies: Callable[[Queue], bool]) -> None:
        """The queues that this applies to go nowhere for a while: who waits for a result of theirs need not."""
        for queue, future in list(self._futures.values()):
            if not future.done() and applies(queue):
                future.set_result({})


def _settle_together(futures: Sequence[asyncio.Future[Results]], together: asyncio.Future[Results]) -> None:
    """Give `together` what all of `futures` have come to, once the last of them has; nothing if one has nothing."""

    def settle(ended: asyncio.Future[Results]) -> None:
        if together.done() or ended.cancelled():
            return
        if not ended.result():
            together.set_result({})
        elif all(future.done() and not future.cancelled() for future in futures):
            results: Results = {}
            for future in futures:
                results |= future.result()
            together.set_result(results)

    for future in futures:
        future.add_done_callback(settle)
