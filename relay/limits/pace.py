"""How fast one identity may send: all its rates together, and what of them is in use.

A message counts from the moment when it is begun; once it has ended it counts from its end. Wherever in between the
provider has counted it, a window of the provider's then never holds more than ours.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from relay.limits.window import Flow, Piece, Window
from relay.model import Clock, Rate

ANY = 1_000_000_000
"""More than anybody has."""

Pieces = dict[tuple[str, Rate, float], Piece]
"""Pieces of windows, by whose they are, their rate and beginning."""


class _Limit:
    """One rate at work."""

    __slots__ = ("_under_way", "flow", "rate", "window")

    def __init__(self, rate: Rate, under_way: Mapping[str, int]) -> None:
        self.rate = rate
        self.window = Window(rate.most, rate.seconds)
        self.flow = Flow(rate.count, rate.seconds, rate.burst) if rate.burst else None
        self._under_way = under_way

    @property
    def running(self) -> int:
        """How much has begun and not ended."""
        return self._under_way[self.rate.unit]

    def room(self, now: float) -> int:
        free = self.window.limit - self.window.used(now) - self.running
        return max(0, free if self.flow is None else min(free, self.flow.level(now)))

    def longest(self, now: float) -> int:
        """How much one message may have: a list that is longer than the limit goes when nothing else counts."""
        return self.room(now) if self.window.used(now) or self.running else ANY

    def opens_at(self, now: float) -> float:
        """When there is room for one more; infinity while only the end of what is running can make it."""
        if self.running >= self.window.limit:
            return math.inf
        at = self.window.fits_at(now, self.running + 1)
        return at if self.flow is None else max(at, self.flow.fits_at(now))


class Pace:
    """The pace of one identity. `changed` is called after each change that a restart must not forget."""

    def __init__(
        self, rates: Iterable[Rate], clock: Clock, changed: Callable[["Pace"], None] | None = None, name: str = ""
    ) -> None:
        self.name = name
        """What it is called where it is written down."""
        self._under_way = {"messages": 0, "recipients": 0}
        self._limits = [_Limit(rate, self._under_way) for rate in dict.fromkeys(rates)]
        self._clock = clock
        self._changed = changed
        self.unsaved: Pieces = {}
        """What has been counted since it was last written down."""

    @property
    def rates(self) -> tuple[Rate, ...]:
        return tuple(limit.rate for limit in self._limits)

    def use(self, rates: Iterable[Rate]) -> None:
        """Hold these from now on. What was sent stays counted, as far back as the longest window of a unit reaches."""
        before = {limit.rate: limit for limit in self._limits}
        longest: dict[str, Window] = {}
        for limit in self._limits:
            if limit.rate.unit not in longest or longest[limit.rate.unit].seconds < limit.rate.seconds:
                longest[limit.rate.unit] = limit.window
        self._limits = []
        for rate in dict.fromkeys(rates):
            limit = before.get(rate) or _Limit(rate, self._under_way)
            known = next((one.window for one in before.values() if _span(one.rate) == _span(rate)), None)
            if rate not in before and (source := known or longest.get(rate.unit)):
                pieces = limit.window.adopt(source)
                if known is None:
                    self.unsaved |= {(self.name, rate, piece.first): piece for piece in pieces}
            self._limits.append(limit)
        if self.unsaved and self._changed is not None:
            self._changed(self)

    @property
    def messages(self) -> int:
        """How many messages may be begun now."""
        return self._room("messages") if self.longest else 0

    @property
    def recipients(self) -> int:
        """How many recipients they may have together."""
        return self._room("recipients")

    @property
    def longest(self) -> int:
        """How many recipients the first of them may have."""
        now = self._clock.monotonic()
        return min((limit.longest(now) for limit in self._limits if limit.rate.unit == "recipients"), default=ANY)

    def _room(self, unit: str) -> int:
        now = self._clock.monotonic()
        return min((limit.room(now) for limit in self._limits if limit.rate.unit == unit), default=ANY)

    def wait(self) -> float:
        """Seconds until one more message may be begun; infinity while only the end of another can make room."""
        now = self._clock.monotonic()
        return max((limit.opens_at(now) for limit in self._limits), default=now) - now

    def begin(self, recipients: int) -> None:
        """A message is being sent."""
        now = self._clock.monotonic()
        self._under_way["messages"] += 1
        self._under_way["recipients"] += recipients
        for limit in self._limits:
            if limit.flow is not None:
                limit.flow.take(now, 1 if limit.rate.unit == "messages" else recipients)

    def end(self, recipients: int, *, messages: int = 1, reached: int) -> None:
        """An attempt has ended: `messages` is 0 if the provider has not seen it, `reached` of its recipients count."""
        now = self._clock.monotonic()
        self._under_way["messages"] -= 1
        self._under_way["recipients"] -= recipients
        for limit in self._limits:
            piece = limit.window.add(now, messages if limit.rate.unit == "messages" else reached)
            if piece is not None:
                self.unsaved[self.name, limit.rate, piece.first] = piece
        if self.unsaved and self._changed is not None:
            self._changed(self)

    def give_unsaved(self) -> Pieces:
        """What has to be written down; it is forgotten here."""
        given, self.unsaved = self.unsaved, {}
        return given

    def recall(self, unit: str, seconds: float, piece: Piece) -> None:
        """Count what an earlier run has sent; to be called in the order of time, before anything is sent."""
        for limit in self._limits:
            if (limit.rate.unit, limit.rate.seconds) == (unit, seconds):
                limit.window.recall(replace(piece))


def _span(rate: Rate) -> tuple[str, float]:
    """What a window of this rate counts."""
    return rate.unit, rate.seconds
