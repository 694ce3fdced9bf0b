"""What one client has sent lately, in all and to each recipient, against its own rates. Pure: times are given."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

from relay.limits.pace import Pieces
from relay.limits.window import Flow, Piece, Window
from relay.model import Rate

MOST_RECIPIENTS = 100_000
"""Recipients that are remembered at a time; beyond that the one that was written to first is forgotten."""
_SWEEP = 1000
"""New recipients after which those are dropped whose time is over."""


class Meter:
    """One rate at work."""

    __slots__ = ("_flow", "rate", "window")

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self.window = Window(rate.most, rate.seconds)
        self._flow = Flow(rate.count, rate.seconds, rate.burst) if rate.burst else None

    def fits_at(self, now: float, amount: int = 1) -> float:
        """The first moment, from `now` on, at which `amount` more is allowed."""
        at = self.window.fits_at(now, amount)
        return at if self._flow is None else max(at, self._flow.fits_at(now, amount))

    def take(self, now: float, at: float, amount: int = 1) -> Piece | None:
        """Count `amount` at `at`, which is now or later; what it became part of."""
        if self._flow is not None:
            self._flow.take(now, amount)
        return self.window.add(at, amount)

    def recall(self, piece: Piece) -> None:
        """Count what an earlier run has counted; to be called in the order of time, before anything is taken."""
        self.window.recall(piece)

    def is_over(self, now: float) -> bool:
        """Whether nothing counts any more."""
        return not self.window.used(now)


class Tally:
    """One client's counts: `rates` for all that it sends, `recipient_rates` for each recipient.

    `changed` is called after each change that a restart must not forget.
    """

    def __init__(
        self,
        rates: Iterable[Rate],
        recipient_rates: Iterable[Rate],
        changed: "Callable[[Tally], None] | None" = None,
        name: str = "",
    ) -> None:
        self._name = name
        self._changed = changed
        self.unsaved: Pieces = {}
        """What has been counted since it was last written down."""
        self._meters = [Meter(rate) for rate in rates]
        self._recipient_rates = tuple(recipient_rates)
        self._recipients: dict[str, list[Meter]] = {}
        self._new = 0

    def use(self, rates: Iterable[Rate], recipient_rates: Iterable[Rate]) -> None:
        """Count against these from now on; what was sent stays counted as far back as it is remembered."""
        self._meters = self._renewed("", self._meters, rates)
        self._recipient_rates = tuple(recipient_rates)
        for who, meters in self._recipients.items():
            self._recipients[who] = self._renewed(who, meters, self._recipient_rates)
        if self.unsaved and self._changed is not None:
            self._changed(self)

    def _renewed(self, recipient: str, meters: Iterable[Meter], rates: Iterable[Rate]) -> list[Meter]:
        """Meters for `rates`: those that are there, and new ones that begin with what is known."""
        before = {meter.rate: meter for meter in meters}
        found = []
        for rate in rates:
            meter = before.get(rate) or Meter(rate)
            alike = [one for one in before.values() if one.rate.unit == rate.unit]
            if rate not in before and alike:
                # The same window is known best by itself, any other by the longest.
                known = max(alike, key=lambda one: (one.rate.seconds == rate.seconds, one.rate.seconds))
                for piece in meter.window.adopt(known.window):
                    self._note(recipient, rate, piece)
            found.append(meter)
        return found

    def wait(self, now: float, recipients: int) -> tuple[float, Rate | None]:
        """Seconds until one more message to so many recipients is allowed, and the rate that asks for it."""
        return _longest(self._meters, now, recipients)

    def wait_for(self, now: float, recipient: str) -> tuple[float, Rate | None]:
        """As `wait`, by the rates for `recipient` alone."""
        return _longest(self._recipients.get(recipient, ()), now, 1)

    def take(self, now: float, recipients: Collection[str]) -> dict[str, float]:
        """Count a message; returns the seconds that each recipient has to wait for its place, 0 for most."""
        at = now + self.wait(now, len(recipients))[0]
        for meter in self._meters:
            self._note("", meter.rate, meter.take(now, at, _amount(meter.rate, len(recipients))))
        waits = {recipient: self._take(now, at, recipient) - now for recipient in recipients}
        if self._changed is not None:
            self._changed(self)
        return waits

    def give_unsaved(self) -> Pieces:
        """What has to be written down; it is forgotten here."""
        given, self.unsaved = self.unsaved, {}
        return given

    def recall(self, now: float, whose: str, unit: str, seconds: float, piece: Piece) -> None:
        """Count what an earlier run has counted; to be called in the order of time, before anything is taken.

        `whose` is the name under which it was written.
        """
        recipient = whose.removeprefix(self._name).strip()
        meters = self._meters
        if recipient:
            meters = self._recipients.get(recipient) or self._remember(now, recipient)
        for meter in meters:
            if (meter.rate.unit, meter.rate.seconds) == (unit, seconds):
                meter.recall(replace(piece))

    def _note(self, recipient: str, rate: Rate, piece: Piece | None) -> None:
        if piece is not None and self._changed is not None:
            self.unsaved[f"{self._name} {recipient}".rstrip(), rate, piece.first] = piece

    def _take(self, now: float, at: float, recipient: str) -> float:
        if not self._recipient_rates:
            return at
        meters = self._recipients.get(recipient)
        if meters is None:
            meters = self._remember(now, recipient)
        at = max(at, now + self.wait_for(now, recipient)[0])
        for meter in meters:
            self._note(recipient, meter.rate, meter.take(now, at))
        return at

    def _remember(self, now: float, recipient: str) -> list[Meter]:
        self._new += 1
        if self._new >= _SWEEP:
            self._new = 0
            over = [who for who, meters in self._recipients.items() if all(meter.is_over(now) for meter in meters)]
            for who in over:
                del self._recipients[who]
        if len(self._recipients) >= MOST_RECIPIENTS:
            del self._recipients[next(iter(self._recipients))]
        return self._recipients.setdefault(recipient, [Meter(rate) for rate in self._recipient_rates])


def _amount(rate: Rate, recipients: int) -> int:
    return 1 if rate.unit == "messages" else recipients


def _longest(meters: Iterable[Meter], now: float, recipients: int) -> tuple[float, Rate | None]:
    longest: tuple[float, Rate | None] = (0.0, None)
    for meter in meters:
        wait = meter.fits_at(now, _amount(meter.rate, recipients)) - now
        if wait > longest[0]:
            longest = (wait, meter.rate)
    return longest
