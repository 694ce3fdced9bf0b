"""Results on their way to the disk and to people: what neither would take is made plain first."""

from dataclasses import replace

from relay import log
from relay.database import StorageError
from relay.model import Clock, Message, Outcome, Result, Results, Scope
from relay.spool import Claim, Settled, Spool
from relay.upstream import Upstream

STORAGE_PAUSE = 5.0
"""Seconds between two tries to write while the disk refuses."""


async def sent(upstream: Upstream, message: Message) -> Results:
    """What `upstream` made of `message`, whatever it does."""
    try:
        results = await upstream.send(message)
        return {address: showable(result) for address, result in results.items()}
    except Exception as error:  # noqa: BLE001 (an upstream that breaks its word must not lose mail)
        log.internal_error(f"{message.id}: the upstream of {message.account} failed", error)
        broken = Result(Outcome.DEFERRED, 451, "4.3.0", f"internal error: {type(error).__name__}", Scope.MESSAGE)
        return dict.fromkeys(message.envelope.recipients, broken)


async def save(spool: Spool, clock: Clock, claim: Claim, settled: Settled, *, otherwise: float) -> None:
    """Write the result, again and again while the disk refuses: forgetting it would send the message twice.

    What cannot be written waits for `otherwise` seconds.
    """
    while True:
        try:
            await spool.finish(claim, settled)
        except StorageError as error:
            log.delivery.storage_trouble(str(error))
            await clock.sleep(STORAGE_PAUSE)
        except Exception as error:  # noqa: BLE001 (a result that cannot be written must not park the message)
            log.internal_error(f"{claim.message.id}: its result cannot be written", error)
            settled = unwritable(claim, settled, otherwise)
        else:
            return


def showable(result: Result) -> Result:
    """What a peer said goes to the database, the log and the page: none of them takes everything."""
    if result.text.isprintable() and result.text.isascii():
        return result
    return replace(result, text=log.clean(result.text))


def unwritable(claim: Claim, settled: Settled, wait: float) -> Settled:
    """The plain result in the place of one that the database would not take."""
    broken = Result(Outcome.DEFERRED, 451, "4.3.0", "internal error: the result could not be written", Scope.MESSAGE)
    results = dict.fromkeys(claim.message.envelope.recipients, broken)
    return replace(settled, results=results, next_at=settled.ended_at + wait, counted=True, reason=broken.text)


def lines(results: Results) -> list[tuple[str, str, str, str]]:
    """The results as the log shows them: (recipients, outcome, reply, hint), equal ones together."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for address, result in results.items():
        reply = f"{result.code} {result.status} {result.text}"
        # The hint of a paused identity stands in the line that tells of the pause.
        hint = "" if result.scope in (Scope.IDENTITY, Scope.ACCOUNT) else result.hint
        groups.setdefault((result.outcome.value, reply, hint), []).append(address)
    return [(", ".join(f"<{address}>" for address in people), *key) for key, people in groups.items()]
