"""The rest that a mailbox or an account takes after trouble, and what ends it."""

from dataclasses import dataclass

from relay.delivery.schedule import PAUSES, backoff
from relay.model import Result

_SAME = 5.0
"""Seconds by which two answers to the same trouble may differ."""


@dataclass(eq=False)
class Pause:
    """Times are seconds since the epoch. After a pause a single attempt shows whether all is well."""

    until: float = 0.0
    failures: int = 0
    """In a row."""
    trouble: str = ""

    def begin(self, trouble: Result, reason: str, now: float, jitter: float) -> float:
        """Rest after `trouble`; returns the seconds, 0 where the same trouble has begun the rest already.

        Several attempts may have been under way: what they say again is no news.
        """
        asked = trouble.retry_after or 0.0
        news = now >= self.until or reason != self.trouble or now + asked > self.until + _SAME
        if now >= self.until:
            self.failures += 1
        wait = max(backoff(PAUSES, self.failures, jitter), asked)
        self.until = max(self.until, now + wait)
        self.trouble = reason
        return wait if news else 0.0

    def cut_short(self) -> None:
        """Something has changed that may have ended the trouble: one attempt shows."""
        self.until = 0.0

    def clock_moved(self, seconds: float) -> None:
        """Last as long as before, by a clock that was set."""
        if self.until:
            self.until += seconds

    def end(self) -> bool:
        """The upstream works; True when that ends a time of trouble."""
        recovered = self.failures > 0
        self.until, self.failures, self.trouble = 0.0, 0, ""
        return recovered
