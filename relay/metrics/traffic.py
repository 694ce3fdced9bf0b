"""How the traffic went over the last day: what the page's charts show. From the counters, and in memory only."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import Counter

from relay import metrics

EVERY = 60.0
"""Seconds of one sample."""
_KEPT = 24 * 60
KINDS = ("accepted", "sent", "deferred", "failed")


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts since the start, or within a time."""

    accepted: int = 0
    sent: int = 0
    deferred: int = 0
    failed: int = 0

    def __sub__(self, other: "Totals") -> "Totals":
        return Totals(*(getattr(self, kind) - getattr(other, kind) for kind in KINDS))

    def __add__(self, other: "Totals") -> "Totals":
        return Totals(*(getattr(self, kind) + getattr(other, kind) for kind in KINDS))


def totals() -> Totals:
    """What the counters of this process say now."""
    return Totals(*(_sum(one) for one in (metrics.ACCEPTED, metrics.SENT, metrics.DEFERRED, metrics.FAILED)))


def _sum(counter: Counter) -> int:
    samples = (sample for metric in counter.collect() for sample in metric.samples)
    return int(sum(sample.value for sample in samples if sample.name.endswith("_total")))


class Traffic:
    """A sample each minute, which somebody has to take; `now` is the time in seconds, `read` the totals so far."""

    def __init__(self, now: Callable[[], float], read: Callable[[], Totals] = totals) -> None:
        self._now = now
        self._read = read
        self._before = read()
        self._minutes: deque[tuple[int, Totals]] = deque(maxlen=_KEPT)

    def sample(self) -> None:
        """Note what has come since the last sample."""
        now, minute = self._read(), int(self._now() // EVERY)
        new, self._before = now - self._before, now
        if self._minutes and self._minutes[-1][0] >= minute:
            last, held = self._minutes.pop()
            self._minutes.append((last, held + new))
        else:
            self._minutes.append((minute, new))

    def columns(self, seconds: float, count: int) -> list[Totals]:
        """The last `seconds` in `count` equal parts, the oldest first."""
        self.sample()
        each = max(1, round(seconds / EVERY / count))
        newest = int(self._now() // EVERY)
        found = [Totals()] * count
        for minute, held in self._minutes:
            place = count - 1 - (newest - minute) // each
            if 0 <= place < count:
                found[place] += held
        return found
