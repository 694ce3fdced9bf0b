"""What delivery does beside its work: looking after the queue, and giving back what it does not need."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping

from relay.database import StorageError
from relay.delivery.lane import Lane
from relay.limits import Memory
from relay.model import Clock
from relay.spool import Claim, Spool

HOUSEKEEPING = 30.0


async def keep_house(spool: Spool, clock: Clock, leased: Callable[[], list[Claim]], sweep: Callable[[], None]) -> None:
    """Keep the leases of what is `leased`, fail what is too old, `sweep` in delivery itself."""
    while True:
        try:
            # First of all: after a long sleep, or a jump of the clock, its own leases would look forgotten.
            if claims := leased():
                await spool.renew(claims)
            while await spool.expire():
                pass  # some hundred at a time: other work goes between
            await spool.reclaim()
            sweep()
        except StorageError as error:
            spool.capacity.fail(error)
        await clock.sleep(HOUSEKEEPING)


async def send_home(spool: Spool, lane: Lane, memory: Memory) -> None:
    """Give back to the queue who stands in line: nothing was tried."""
    waiting = list(lane.line)
    lane.line.clear()
    for claim in waiting:
        memory.take(-claim.weight)
    try:
        if waiting:
            await spool.release(waiting, tried=False)
    except StorageError as error:
        spool.capacity.fail(error)  # nobody renews their leases: they are due again in two minutes


async def cut_off(spool: Spool, attempts: Mapping[asyncio.Task[None], Claim]) -> None:
    """End attempts in the middle, and give their messages back to the queue."""
    for task in attempts:
        task.cancel()
    if attempts:
        await asyncio.wait(attempts)
        with contextlib.suppress(StorageError):  # told by the spool; the next start takes the leases back
            await spool.release(list(attempts.values()))
