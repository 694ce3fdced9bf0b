"""Long lists of recipients, portion by portion.

A provider takes so many recipients in one transaction. What is left over follows in further transactions of the same
attempt (RFC 5321 4.5.3.1.10), each of which waits for its place like a message: it counts as one upstream. Between two
of them the results are on the disk, so that a crash sends nothing again to those who have it.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace

from relay import log
from relay.delivery.schedule import Verdict, judge
from relay.model import Message, Outcome, Result, Results, Scope
from relay.upstream import Upstream
from relay.upstream.copies import first_copy

# Gmail's relay takes one domain in a transaction (docs/sources.md).
_WORDS = ("too many recipients", "multiple destination domains")

LATER = Result(Outcome.DEFERRED, 452, "4.5.3", "in a further transaction of this attempt")
"""What a recipient has whose turn has not come."""


def portion(message: Message, largest: int | None, asked: Collection[str] = ()) -> Message:
    """The message for as many recipients as fit into one transaction, without those that were `asked` already."""
    everybody = message.envelope.recipients
    if largest is None and not asked:
        return message
    recipients = tuple(address for address in everybody if address not in asked)[:largest]
    if not recipients or len(recipients) == len(everybody):
        return message
    return replace(message, envelope=replace(message.envelope, recipients=recipients))


def in_one_go(upstream: Upstream, message: Message) -> Message:
    """The message for those whom one copy reaches, where the upstream makes several of it."""
    try:
        recipients = first_copy(upstream, message)
    except Exception as error:  # noqa: BLE001 (the attempt meets it, too, and has a result for it)
        log.internal_error(f"{message.id}: nobody knows in how many copies it goes", error)
        return message
    if len(recipients) == len(message.envelope.recipients):
        return message
    return replace(message, envelope=replace(message.envelope, recipients=recipients))


def rest(message: Message, asked: Collection[str], results: Results) -> list[str]:
    """Who follows in a further transaction: those whose turn has not come, and those who were too many.

    Nobody when everybody was too many, or when it is not for a recipient's sake that somebody has to wait.
    """
    deferred = [result for result in results.values() if result.outcome is Outcome.DEFERRED]
    if not deferred and len(results) + len(asked) >= len(message.envelope.recipients):
        return []
    too_many = {address for address, result in results.items() if _was_one_too_many(result)}
    if len(too_many) == len(results) or any(result.scope is not Scope.RECIPIENT for result in deferred):
        return []
    recipients = message.envelope.recipients
    return [address for address in recipients if address in too_many or not (address in results or address in asked)]


def _was_one_too_many(result: Result) -> bool:
    """Whether only the others were in the way. 552 said this before 452 did (RFC 5321 4.5.3.1.10)."""
    if result.outcome is not Outcome.DEFERRED or result.scope is not Scope.RECIPIENT:
        return False
    words = result.text.lower()
    return result.code == 552 or (result.code, result.status) == (452, "4.5.3") or any(each in words for each in _WORDS)


def onward(message: Message) -> Verdict:
    """What follows when only a part of the recipients had their turn: the rest go as soon as there is a place."""
    return Verdict(message.received_at, counted=False, reason=LATER.text, trouble=None)


class Rounds:
    """The messages that go in several transactions: who was deferred in an earlier one of this attempt."""

    def __init__(self) -> None:
        self._asked: dict[str, Results] = {}

    def next(self, message: Message, largest: int | None, upstream: Upstream | None = None) -> Message:
        """The message for those whose turn it is now, and whom `upstream` serves together."""
        now = portion(message, largest, self._asked.get(message.id, ()))
        return now if upstream is None or len(now.envelope.recipients) == 1 else in_one_go(upstream, now)

    def judge(
        self, message: Message, results: Results, *, now: float, retry: Sequence[float], jitter: float
    ) -> tuple[Verdict, Results]:
        """What follows from an attempt or a part of one, and the results of those whose turn has not come."""
        asked = self._asked.pop(message.id, {})
        if left := rest(message, asked, results):
            deferred = {address: result for address, result in results.items() if result.outcome is Outcome.DEFERRED}
            self._asked[message.id] = {who: result for who, result in (asked | deferred).items() if who not in left}
            return onward(message), dict.fromkeys(left, LATER)
        return judge(asked | results, attempt=message.attempt, now=now, retry=retry, jitter=jitter), asked


def seen(message: Message, results: Results) -> tuple[int, int]:
    """What of an attempt the provider counts: (messages, recipients).

    A mailbox or a connection in trouble has seen no message. A recipient who was refused or deferred alone has cost
    nothing; of a message that was deferred as a whole nobody knows.
    """
    if not results:  # broken off
        return 1, len(message.envelope.recipients)
    if all(result.scope in (Scope.IDENTITY, Scope.ACCOUNT) for result in results.values()):
        return 0, 0
    whole = (Scope.MESSAGE, Scope.IDENTITY, Scope.ACCOUNT)
    counted = (
        result.outcome is Outcome.SENT or (result.outcome is Outcome.DEFERRED and result.scope in whole)
        for result in results.values()
    )
    return 1, sum(counted)
