"""Counting what happened lately: the sliding window, and the even flow of a rate with a burst. Pure: times are given.

A window that slides is what providers count by: a fixed minute lets twice as much through around its end.
"""

from collections import deque
from dataclasses import dataclass, replace

_PARTS = 1000
"""A window is remembered in at most so many pieces: what falls into one is taken to have happened at its end."""


@dataclass(slots=True)
class Piece:
    """What happened between two moments. Times are seconds of the caller's clock."""

    first: float
    last: float
    amount: int
    began_at: float | None = None
    """`first` in seconds since the epoch, once it has been written down."""


class Window:
    """At most `limit` in any `seconds`.

    Times never run backwards. Something that happened at `t` counts until `t + seconds`; a piece of several counts
    until the last of them is over, so that memory is bounded and the limit holds all the same.
    """

    __slots__ = ("_pieces", "_sum", "limit", "seconds")

    def __init__(self, limit: int, seconds: float) -> None:
        self.limit = limit
        self.seconds = seconds
        self._pieces: deque[Piece] = deque()
        self._sum = 0

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """What is remembered, the oldest first."""
        return tuple(self._pieces)

    def adopt(self, other: "Window") -> list[Piece]:
        """Begin with what `other` remembers, which is of the same things; what is too old falls out by itself."""
        pieces = [replace(piece) for piece in other.pieces]
        self._pieces.extend(pieces)
        self._sum += sum(piece.amount for piece in pieces)
        return pieces

    def used(self, now: float) -> int:
        """How much counts at `now`."""
        while self._pieces and self._pieces[0].last + self.seconds <= now:
            self._sum -= self._pieces.popleft().amount
        return self._sum

    def add(self, at: float, amount: int) -> Piece | None:
        """Note `amount` at `at`; the piece that it became part of."""
        if amount <= 0:
            return None
        newest = self._pieces[-1] if self._pieces else None
        self._sum += amount
        if newest is not None and at - newest.first < self.seconds / _PARTS:
            newest.last, newest.amount = max(at, newest.last), newest.amount + amount
            return newest
        self._pieces.append(Piece(at, at, amount))
        return self._pieces[-1]

    def recall(self, piece: Piece) -> None:
        """Count what was written down by an earlier run; to be called in the order of time, before anything is added.

        It may grow on: then it is written in the place where it was.
        """
        self._sum += piece.amount
        self._pieces.append(piece)

    def fits_at(self, now: float, amount: int = 1) -> float:
        """The first moment, from `now` on, at which `amount` more fits. More than the limit fits into an empty window.

        What was noted for a later moment counts from now on.
        """
        excess = self.used(now) + min(amount, self.limit) - self.limit
        for piece in self._pieces:
            if excess <= 0:
                break
            excess -= piece.amount
            now = piece.last + self.seconds
        return now


class Flow:
    """`burst` at once, then one each `seconds / count`: a bucket that fills evenly (token bucket)."""

    __slots__ = ("_at", "_burst", "_level", "_pace")

    def __init__(self, count: int, seconds: float, burst: int) -> None:
        self._pace = count / seconds
        self._burst = float(burst)
        self._level = float(burst)
        self._at = 0.0

    def level(self, now: float) -> int:
        """How much may go at `now`; less than nothing after something that was larger than the burst."""
        if now > self._at:
            self._level = min(self._burst, self._level + (now - self._at) * self._pace)
            self._at = now
        return int(self._level + 1e-9)

    def take(self, now: float, amount: int) -> None:
        self.level(now)
        self._level -= amount

    def fits_at(self, now: float, amount: int = 1) -> float:
        """The first moment, from `now` on, at which `amount` may go. More than the burst may go when it is full."""
        self.level(now)
        missing = min(amount, self._burst) - self._level
        return now + max(0.0, missing / self._pace)
