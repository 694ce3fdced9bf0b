"""Results on their way to the disk and to people: what neither would take is made plain first."""

from dataclasses import replace

from relay import log
from relay.model import Outcome, Result, Results, Scope
from relay.spool import Claim, Settled


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
