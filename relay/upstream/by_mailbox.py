"""An account that acts as whoever sends: a way out for each mailbox, and trouble that stays with the mailbox it is of.

All mailboxes of such an account share one lane of delivery. So the pause of one of them is kept here: its mail is told
when to come back, without an attempt being made, and the others' goes on.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from relay.model import Clock, Identity, Message, Outcome, Result, Results, Scope
from relay.upstream.trouble import Trace

PAUSES = (30.0, 60.0, 120.0, 300.0, 600.0, 900.0)
"""Seconds that a mailbox rests after the first, second, ... failure in a row; the last one repeats."""
MOST_OPEN = 64
"""Ways that are kept for the next message: each can hold connections."""
_AT_ONCE = 20


class Way(Protocol):
    """The upstream of one mailbox."""

    async def send(self, message: Message, trace: Trace | None = None) -> Results: ...
    async def close(self) -> None: ...


@dataclass(slots=True)
class _Open:
    way: Way
    active: int = 0


@dataclass(frozen=True, slots=True)
class _Pause:
    failures: int
    until: float
    trouble: Result


class ByMailbox:
    """Sends each message through the mailbox of its login (`by_login`), or of its envelope sender."""

    concurrency = _AT_ONCE

    def __init__(
        self, name: str, identity: Identity, make: Callable[[str], Way], *, by_login: bool, clock: Clock
    ) -> None:
        self.identity = identity
        self._name = name
        self._make = make
        self._by_login = by_login
        self._clock = clock
        self._ways: OrderedDict[str, _Open] = OrderedDict()
        self._pauses: dict[str, _Pause] = {}

    async def send(self, message: Message, trace: Trace | None = None) -> Results:
        """Send `message`: a result for each recipient, whatever happens."""
        mailbox = (message.origin.login if self._by_login else message.envelope.sender).lower()
        if "@" not in mailbox:
            return dict.fromkeys(message.envelope.recipients, self._nobody())
        pause = self._pauses.get(mailbox)
        left = pause.until - self._clock.monotonic() if pause else 0.0
        if pause and left > 0:
            return dict.fromkeys(message.envelope.recipients, replace(pause.trouble, retry_after=left))
        one = await self._opened(mailbox)
        one.active += 1
        try:
            results = await one.way.send(message, trace)
        finally:
            one.active -= 1
        return self._noted(mailbox, results)

    def resume(self, mailbox: str) -> None:
        """End the pause of a mailbox: what was in its way is gone."""
        self._pauses.pop(mailbox, None)

    async def close(self) -> None:
        """Leave every server politely."""
        while self._ways:
            _, one = self._ways.popitem()
            await one.way.close()

    async def _opened(self, mailbox: str) -> _Open:
        one = self._ways.get(mailbox)
        if one is None:
            one = self._ways[mailbox] = _Open(self._make(mailbox))
        self._ways.move_to_end(mailbox)
        one.active += 1  # it is not for closing while another one is waited for
        try:
            await self._close_idle()
        finally:
            one.active -= 1
        return one

    async def _close_idle(self) -> None:
        """Close those that were not used for longest; those at work stay, however many they are."""
        idle = [mailbox for mailbox, one in self._ways.items() if not one.active]
        for mailbox in idle[: max(0, len(self._ways) - MOST_OPEN)]:
            await self._ways.pop(mailbox).way.close()

    def _noted(self, mailbox: str, results: Results) -> Results:
        """The results, with trouble of this mailbox as what concerns it alone."""
        trouble = next((result for result in results.values() if result.scope is Scope.IDENTITY), None)
        if trouble is None:
            if any(result.outcome is Outcome.SENT for result in results.values()):
                self._pauses.pop(mailbox, None)
            return results
        before = self._pauses.get(mailbox)
        now = self._clock.monotonic()
        # Several that were under way together are one failure.
        failures = before.failures + (now >= before.until) if before else 1
        wait = max(PAUSES[min(failures, len(PAUSES)) - 1], trouble.retry_after or 0.0)
        told = replace(trouble, text=f"{mailbox}: {trouble.text}", scope=Scope.MAILBOX, retry_after=wait)
        self._pauses[mailbox] = _Pause(failures, now + wait, told)
        return {address: told if result.scope is Scope.IDENTITY else result for address, result in results.items()}

    def _nobody(self) -> Result:
        what = "nobody has logged in with it" if self._by_login else "it has no sender"
        text = f"the account {self._name} acts as whoever sends a message, and {what}"
        hint = (
            'Send it through a client with authenticate = "upstream"'
            if self._by_login
            else "Send with an envelope sender, or through an account with a mailbox of its own"
        )
        return Result(Outcome.FAILED, 550, "5.7.1", text, Scope.MESSAGE, hint=hint)
