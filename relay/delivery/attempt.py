"""The two ends of an attempt that must not fail: what the upstream says, and writing it down."""

from relay import log
from relay.database import StorageError
from relay.delivery.results import showable, unwritable
from relay.model import Clock, Message, Outcome, Result, Results, Scope
from relay.spool import Claim, Settled, Spool
from relay.upstream import Upstream

STORAGE_PAUSE = 5.0
"""Seconds before a disk that refused is tried again."""


async def sent(upstream: Upstream, message: Message) -> Results:
    """Send `message`: a result for each recipient, also from an upstream that breaks its word."""
    try:
        results = await upstream.send(message)
        return {address: showable(result) for address, result in results.items()}
    except Exception as error:  # noqa: BLE001 (an upstream that breaks its word must not lose mail)
        log.internal_error(f"{message.id}: the upstream of {message.account} failed", error)
        broken = Result(Outcome.DEFERRED, 451, "4.3.0", f"internal error: {type(error).__name__}", Scope.MESSAGE)
        return dict.fromkeys(message.envelope.recipients, broken)


async def save(spool: Spool, claim: Claim, settled: Settled, clock: Clock, longest: float) -> None:
    """Write the result, again and again while the disk refuses: forgetting it would send the message twice.

    One that can never be written is replaced by a plain one, to be tried again in `longest` seconds.
    """
    while True:
        try:
            await spool.finish(claim, settled)
        except StorageError as error:
            spool.capacity.fail(error)
            await clock.sleep(STORAGE_PAUSE)
        except Exception as error:  # noqa: BLE001 (a result that cannot be written must not park the message)
            log.internal_error(f"{claim.message.id}: its result cannot be written", error)
            settled = unwritable(claim, settled, longest)
        else:
            return
