"""The pools of all accounts on one mailbox: the server counts their connections together."""

import contextlib
from collections.abc import Iterator
from typing import Protocol
from weakref import WeakValueDictionary

from relay.model import Identity


class KeepsConnections(Protocol):
    """A pool, as its siblings see it."""

    @property
    def idle(self) -> int:
        """How many connections it keeps."""
        ...

    async def give_up_one(self) -> None:
        """Close a kept connection, and wait until it is closed."""
        ...


class Siblings:
    """Holds the accounts on one mailbox to one number of connections, the largest that any of them asks for.

    Each may keep its own; one that needs a new connection closes what another only keeps.
    """

    def __init__(self) -> None:
        self._pools: dict[KeepsConnections, int] = {}
        """With the number of connections that each asks for."""
        self._in_use = 0

    def join(self, pool: KeepsConnections, size: int) -> None:
        self._pools[pool] = size

    def leave(self, pool: KeepsConnections) -> None:
        """`pool` keeps no connection any more, and has no share."""
        self._pools.pop(pool, None)

    @contextlib.contextmanager
    def using_one(self) -> Iterator[None]:
        """One more connection is in use, or is about to be opened."""
        self._in_use += 1
        try:
            yield
        finally:
            self._in_use -= 1

    async def make_room(self) -> None:
        """Before a connection is opened: close kept ones until all together are within the limit."""
        limit = max(self._pools.values(), default=0)
        while self._pools and self._in_use + sum(pool.idle for pool in self._pools) > limit:
            keeper = max(self._pools, key=lambda pool: pool.idle)
            if not keeper.idle:
                return
            await keeper.give_up_one()


class Families:
    """The siblings of each mailbox, as long as one of its pools is there."""

    def __init__(self) -> None:
        self._all: WeakValueDictionary[Identity, Siblings] = WeakValueDictionary()

    def of(self, identity: Identity) -> Siblings:
        return self._all.setdefault(identity, Siblings())
