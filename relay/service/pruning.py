"""What is old enough goes: finished mail of the queue, test mail of the sink."""

import contextlib
from collections.abc import Callable

from relay.config import Settings
from relay.database import StorageError
from relay.model import Clock
from relay.service.room import limits_of
from relay.sink import SinkStore
from relay.spool import Spool

_EVERY = 3600.0
_BREATH = 1.0
"""Seconds between two, however much there is to forget."""


async def prune(spool: Spool, sink: SinkStore, settings: Callable[[], Settings], clock: Clock) -> None:
    """Forget it once an hour and whenever there is little room left, by the settings in force, until cancelled."""
    while True:
        queue = settings().queue
        with contextlib.suppress(StorageError):  # delivery tells of it, and the next hour tries again
            await spool.prune(queue.keep_sent, queue.keep_failed, limits_of(settings()))
            await sink.prune()
        await clock.wait(spool.capacity.crowded, _EVERY)
        await clock.sleep(_BREATH)
