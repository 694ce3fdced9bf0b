"""An account with several ways: which one carries a message.

Decided for each message. A way that would damage it or not carry all of it comes after those that would not; the next
one is taken when a way cannot take the message (its size, its form) or is refused as such (SMTP AUTH switched off, no
permission, nobody there). Never after an end that nobody knows: the message may have been sent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from relay import log
from relay.model import Clock, Identity, Message, Outcome, Result, Results, Scope
from relay.upstream.rests import Rests
from relay.upstream.trouble import Trace

_REST = 300.0
"""Seconds for which a way that was refused as such is not asked again."""
# RFC 3463: the message is too large for the system or the mailbox; its form is not supported.
_MESSAGE_DOES_NOT_FIT = frozenset(("5.3.4", "5.2.3", "5.6.3", "5.6.7"))
# No answer from the host; a permission is missing; a policy (SMTP AUTH disabled); Exchange knows the token and not the
# application; no mailbox for this service.
_WAY_IS_SHUT = frozenset(("4.4.1", "4.7.1", "5.7.139", "5.7.3", "4.2.1"))
_MAILBOX_OR_MORE = (Scope.IDENTITY, Scope.ACCOUNT)


class Way(Protocol):
    """One of the upstreams that an account can send by."""

    async def send(self, message: Message, trace: Trace | None = None) -> Results: ...
    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class _Told:
    """What one way said."""

    name: str
    result: Result

    def __str__(self) -> str:
        return f"{self.name}: {self.result.code} {self.result.status} {self.result.text}"


class WaysUpstream:
    """The ways of one identity, in the order in which they are written."""

    def __init__(
        self, name: str, identity: Identity, ways: Mapping[str, Way], *, concurrency: int, clock: Clock | None = None
    ) -> None:
        self.identity = identity
        self.concurrency = concurrency
        self._name = name
        self._ways = dict(ways)
        self._rests = Rests(clock or Clock(), _REST)

    async def send(self, message: Message, trace: Trace | None = None) -> Results:
        """Send `message` by the first way that takes it: a result for each recipient, whatever happens."""
        reserved = {name: why for name, way in self._ways.items() if (why := reservation(way, message))}
        order = sorted(self._ways, key=lambda name: name in reserved)
        before: list[_Told] = []
        for place, name in enumerate(order):
            if name in reserved and before and not all(map(_for_good, before)):
                break  # A way that damages the message is for when the others will not take it, ever.
            resting = self._rests.of(name)
            results = dict.fromkeys(message.envelope.recipients, resting) if resting else None
            if results is None:
                results = await self._ways[name].send(message, trace)
            result = refusal(results)
            if result is None or (place == len(order) - 1 and not before):
                return self._told(results, name, before, first=next(iter(self._ways)), reserved=reserved)
            if resting is None and result.scope in _MAILBOX_OR_MORE:
                self._rests.begin(name, result)
            before.append(_Told(name, result))
            if trace is not None and place < len(order) - 1:
                trace(f"({name} does not take it: trying {order[place + 1]})")
        return dict.fromkeys(message.envelope.recipients, judged(before, len(self._ways)))

    async def close(self) -> None:
        """Close all of them."""
        for way in self._ways.values():
            await way.close()

    def _told(
        self, results: Results, name: str, before: Sequence[_Told], *, first: str, reserved: Mapping[str, str]
    ) -> Results:
        """The results, with the way that was taken and why it was not the first one."""
        if name == first and not before:
            return results
        why = "; ".join(map(str, before)) or f"{first}: {reserved.get(first, '')}"
        log.upstream.way_taken(self._name, name, why)
        sent_elsewhere = Scope.MESSAGE if len(before) < len(self._ways) - 1 else None
        return {
            recipient: replace(
                result,
                text=f"{result.text} (by {name}; {why})",
                # Trouble with this way is not trouble with the mailbox: its other mail goes by the first one.
                scope=sent_elsewhere or result.scope if result.scope in _MAILBOX_OR_MORE else result.scope,
            )
            for recipient, result in results.items()
        }


def reservation(way: Way, message: Message) -> str:
    """Why `way` would rather not carry `message`; "" for no reason."""
    ask = getattr(way, "reservation", None)
    return str(ask(message)) if ask is not None else ""


def refusal(results: Results) -> Result | None:
    """The one result with which everybody was refused, if another way may do better; None if not."""
    found = set(results.values())
    if len(found) != 1:
        return None
    result = found.pop()
    if result.outcome is Outcome.SENT or result.uncertain or result.scope is Scope.RECIPIENT:
        return None
    return result if result.status in _MESSAGE_DOES_NOT_FIT | _WAY_IS_SHUT else None


def judged(told: Sequence[_Told], ways: int) -> Result:
    """What becomes of a message that no way has taken: what may yet work counts, and all that was said is told."""
    waiting = [one for one in told if one.result.outcome is Outcome.DEFERRED]
    chosen = (waiting or told)[0].result
    others = "; ".join(str(one) for one in told if one.result is not chosen)
    text = f"{chosen.text} ({others})" if others else chosen.text
    # The mailbox is in trouble only where every way is: another message may go by another way.
    all_shut = len(told) == ways and all(one.result.scope in _MAILBOX_OR_MORE for one in told)
    scope = chosen.scope if all_shut or chosen.scope not in _MAILBOX_OR_MORE else Scope.MESSAGE
    return replace(chosen, text=text, scope=scope)


def _for_good(one: _Told) -> bool:
    """Whether waiting would not help: too large, or switched off by somebody."""
    return one.result.status != "4.4.1"
