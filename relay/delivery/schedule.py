"""When to try again: pure decisions about one attempt's results.

RFC 5321 4.5.4.1 wants a delay after each failed attempt, growing, for days; promise 3 (docs/architecture.md) wants
trouble with a mailbox kept apart from trouble with a message. Both are decided here, from values alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from relay.model import Outcome, Result, Results, Scope

PAUSES = (30.0, 60.0, 120.0, 300.0, 600.0, 900.0)
"""Seconds that an identity rests after the first, second, ... failure in a row; the last one repeats."""

_SPREAD = 0.2


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from one attempt.

    `next_at` is None when no recipient is left. `counted` is False when the attempt is given back. `trouble` is the
    result that pauses the identity or the account, None when neither is in trouble.
    """

    next_at: float | None
    counted: bool
    reason: str
    trouble: Result | None


def backoff(steps: Sequence[float], failures: int, jitter: float) -> float:
    """The step for the `failures`-th failure in a row, spread by a fifth to either side (`jitter` in 0..1)."""
    step = steps[min(max(failures, 1), len(steps)) - 1]
    return step * (1 - _SPREAD + 2 * _SPREAD * jitter)


def judge(results: Results, *, attempt: int, now: float, retry: Sequence[float], jitter: float) -> Verdict:
    """Decide when the deferred recipients of an attempt are tried again."""
    deferred = [result for result in results.values() if result.outcome is Outcome.DEFERRED]
    if not deferred:
        failed = [result for result in results.values() if result.outcome is Outcome.FAILED]
        return Verdict(None, counted=True, reason=told(failed[0]) if failed else "", trouble=None)
    trouble = next((result for result in deferred if result.scope in (Scope.IDENTITY, Scope.ACCOUNT)), None)
    if trouble is not None:
        # Due again at once, behind those that wait already: the pause, not this message, decides when.
        return Verdict(now, counted=False, reason=told(trouble), trouble=trouble)
    wait = max([backoff(retry, attempt, jitter), *(result.retry_after or 0.0 for result in deferred)])
    return Verdict(now + wait, counted=True, reason=told(deferred[0]), trouble=None)


def told(result: Result) -> str:
    """A result in one line: reply, then hint."""
    reply = f"{result.code} {result.status} {result.text}".strip()
    return f"{reply} -- {result.hint}" if result.hint else reply
