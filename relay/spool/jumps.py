"""A clock that is set while mail waits: the times in the queue move with it.

What the queue keeps are points of the wall clock. Were they left alone, a clock that is set forward (a machine that
boots in 1970 and hears of the time a minute later) would end the time of all mail that waits, and one that is set back
would have it wait for hours. So whatever is ahead stays as far ahead as it was.
"""

from relay.database import Connection
from relay.model import Clock

TOLERANCE = 60.0
"""Seconds: what a clock is off by less than this, nobody notices."""


class ClockWatch:
    """Compares the wall clock with one that nobody can set."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset = self._now()

    def _now(self) -> float:
        return self._clock.time() - self._clock.elapsed()

    def moved(self) -> float:
        """By how many seconds the clock was set since the last call, 0.0 if it was not."""
        by = self._now() - self._offset
        if abs(by) < TOLERANCE:
            return 0.0
        self._offset += by
        return by

    def forget(self, by: float) -> None:
        """What was told could not be heeded: tell it again."""
        self._offset -= by


def follow(connection: Connection, by: float) -> int:
    """Move the times of all waiting mail, and those of kept failed mail; how many messages wait."""
    moved = 0
    for state in ("queued", "held", "active"):  # each has its index
        moved += connection.execute(
            f"""UPDATE message SET received_at = received_at + ?, expires_at = expires_at + ?, next_at = next_at + ?,
                   lease_until = lease_until + ? WHERE state = '{state}'""",  # noqa: S608 (only constants)
            (by, by, by, by),
        ).rowcount
    connection.execute("UPDATE message SET done_at = done_at + ? WHERE state = 'failed'", (by,))
    return moved


def set_back_by(connection: Connection, now: float) -> float:
    """How far the clock was set back while no relay ran, as far as can be seen: mail came later than it is now."""
    newest: float | None = connection.execute(
        "SELECT max(received_at) FROM message WHERE headers IS NOT NULL"
    ).fetchone()[0]
    return newest - now if newest is not None and newest - now > TOLERANCE else 0.0
