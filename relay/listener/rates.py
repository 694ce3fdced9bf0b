"""How fast clients may send: `rate`, `recipient_rate` and what happens above them (`over_rate`)."""

import math
from collections.abc import Callable, Iterable, Sequence

from relay import mime
from relay.config import show_rate
from relay.limits import Tally
from relay.log import duration
from relay.model import Clock, Rate
from relay.policy import ClientPolicy, Policy, Refusal, shown

SMALLEST = 1e-6
"""Seconds that are no wait: what is left of a sum of fractions."""

NewTally = Callable[[str, Iterable[Rate], Iterable[Rate]], Tally]
"""The count of the client of that name, with its rates in all and for each recipient."""


class Rates:
    """The counts of all clients, for all listeners. Unless told to `remember`, they begin anew.

    A message counts when it is taken. At MAIL and RCPT it is only seen whether there is a place, so that what is
    refused later has cost nothing.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or Clock()
        self._new: NewTally = lambda _name, rates, recipient_rates: Tally(rates, recipient_rates)
        self._tallies: dict[str, Tally] = {}

    def use(self, policy: Policy) -> None:
        """Hold the clients to the rates that they have there; what they have sent stays counted."""
        for name, tally in self._tallies.items():
            client = policy.client_by_name(name)
            if client is not None:
                tally.use(client.rate, client.recipient_rate)

    def remember(self, tally: NewTally) -> None:
        """Count from where an earlier run has ended: `tally` knows. To be called before a client sends anything."""
        self._new = tally

    def at_mail(self, client: ClientPolicy) -> Refusal | None:
        """Whether the client may not send a message now."""
        if not client.rate or client.holds:
            return None
        return _over(client, *self._tally(client).wait(self._clock.monotonic(), 1), key="rate")

    def at_rcpt(self, client: ClientPolicy, recipient: str, count: int) -> Refusal | None:
        """Whether the client may not send to `recipient` now, the message's `count`-th."""
        if client.holds or not (client.rate or client.recipient_rate):
            return None
        tally, now = self._tally(client), self._clock.monotonic()
        refusal = _over(client, *tally.wait_for(now, _key(recipient)), key="recipient_rate", recipient=recipient)
        return refusal or _over(client, *tally.wait(now, count), key="rate")

    def take(self, client: ClientPolicy, recipients: Sequence[str]) -> dict[str, float] | Refusal:
        """Count a message at its end: the seconds that each recipient's copy is held, {} for a client without rates."""
        if not (client.rate or client.recipient_rate):
            return {}
        tally, now = self._tally(client), self._clock.monotonic()
        # Others may have taken the place since MAIL; and nothing is held for longer than it is kept.
        bearable = client.max_age if client.holds else 0.0
        wait, rate = tally.wait(now, len(recipients))
        if wait > bearable and (refusal := _over(client, wait, rate, key="rate")):
            return refusal
        for recipient in recipients:
            wait, rate = tally.wait_for(now, _key(recipient))
            if wait > bearable and (refusal := _over(client, wait, rate, key="recipient_rate", recipient=recipient)):
                return refusal
        waits = tally.take(now, [_key(recipient) for recipient in recipients])
        return {recipient: waits[_key(recipient)] for recipient in recipients}

    def _tally(self, client: ClientPolicy) -> Tally:
        tally = self._tallies.get(client.name)
        if tally is None:
            tally = self._tallies[client.name] = self._new(client.name, client.rate, client.recipient_rate)
        return tally


def _key(recipient: str) -> str:
    """One form for all spellings of an address."""
    return (mime.canonical(recipient) or recipient).casefold()


def _over(client: ClientPolicy, wait: float, rate: Rate | None, *, key: str, recipient: str = "") -> Refusal | None:
    """A reply with the time to wait in it (RFC 3463 4.7.1)."""
    if rate is None or wait < SMALLEST:
        return None
    to, seconds = f" to {shown(recipient)}" if recipient else "", math.ceil(wait)
    text = f'Client "{client.name}" may send {show_rate(rate)}{to}: try again in {duration(seconds)}'
    return Refusal(451, "4.7.1", f"{text} (clients.{client.name}.{key})", seconds)
