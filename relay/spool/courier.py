"""Delivery, as the spool sees it."""

from typing import Protocol

from relay.spool.queues import Queue
from relay.spool.rows import Claim


class Courier(Protocol):
    """Delivery, as the spool sees it: what has just been committed can go out without a look into the queue."""

    def reserve(self, queue: Queue) -> bool:
        """Keep a place for a message that is being committed; False: it waits in the queue for its turn."""
        ...

    def forgo(self, queue: Queue) -> None:
        """The place is not needed after all."""
        ...

    def deliver(self, claim: Claim) -> None:
        """Send what the place was kept for: it is committed, with its first attempt."""
        ...

    def notice(self, queue: Queue) -> None:
        """A message was put into `queue`."""
        ...

    def sends(self, queue: Queue) -> bool:
        """Whether a first attempt can be expected within seconds: its mailbox is not paused."""
        ...


class Nobody:
    """No delivery in this process: everything waits in the queue."""

    def reserve(self, _queue: Queue) -> bool:
        return False

    def forgo(self, _queue: Queue) -> None:
        """Nothing was kept."""

    def deliver(self, _claim: Claim) -> None:
        raise AssertionError("no place was kept")

    def notice(self, _queue: Queue) -> None:
        """Whoever delivers looks by himself."""

    def sends(self, _queue: Queue) -> bool:
        return False
