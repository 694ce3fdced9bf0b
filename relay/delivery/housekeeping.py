"""What delivery does beside its work: looking after the queue, and giving back what it does not need."""

from collections.abc import Callable

from relay import log
from relay.database import StorageError
from relay.delivery.lane import Lane
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
            await spool.expire()
            await spool.reclaim()
            sweep()
        except StorageError as error:
            log.delivery.storage_trouble(str(error))
        await clock.sleep(HOUSEKEEPING)


async def send_home(spool: Spool, lane: Lane) -> None:
    """Give back to the queue who stands in line: nothing was tried."""
    waiting = list(lane.line)
    lane.line.clear()
    try:
        if waiting:
            await spool.release(waiting, tried=False)
    except StorageError as error:
        log.delivery.storage_trouble(str(error))  # nobody renews their leases: they are due again in two minutes
