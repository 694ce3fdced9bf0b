"""What a person can do with messages in the queue: one piece of a transaction each, beside a relay that is at work.

What is being sent right now belongs to who sends it and is left alone; each message that cannot be changed comes back
with the reason.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from relay.database import Connection, marks
from relay.spool.history import REMOVED

HELD = "held by hand: let it go with `relay queue release`"
_BUSY = "it is being sent right now: try again in a moment"


@dataclass(frozen=True, slots=True)
class Changed:
    """The ids that were changed, those that were not with the reason, and the body files that nobody needs now."""

    done: tuple[str, ...]
    left: Mapping[str, str]
    files: tuple[str, ...] = ()


class Change(Protocol):
    """One of the functions below; `now` is in seconds since the epoch."""

    def __call__(self, connection: Connection, seqs: Sequence[int], now: float) -> Changed: ...


@dataclass(frozen=True, slots=True)
class _Row:
    seq: int
    id: str
    account: str
    state: str
    reason: str
    received_at: float
    expires_at: float
    body_file: int
    has_headers: int


def retry(connection: Connection, seqs: Sequence[int], now: float) -> Changed:
    """Make waiting mail due now, and put failed mail back into the queue with its whole time before it."""

    def why_not(row: _Row) -> str:
        if row.state == "failed" and not row.has_headers:
            return "its content is no longer kept"
        others = {
            "active": _BUSY,
            "sent": "it was sent",
            "held": "it is held: `relay queue release` lets it go",
            "corrupt": "it is damaged and cannot be sent",
        }
        return others.get(row.state, "")

    good, left = _sorted_out(connection, seqs, why_not)
    for row in good:
        _queue(connection, row, now)
    return Changed(tuple(row.id for row in good), left)


def hold(connection: Connection, seqs: Sequence[int], now: float) -> Changed:  # noqa: ARG001 (as all changes)
    """Keep waiting mail from being sent until it is released; it still expires."""

    def why_not(row: _Row) -> str:
        others = {"queued": "", "active": _BUSY, "held": "it is held already"}
        return others.get(row.state, f"it is {row.state}: only waiting mail can be held")

    good, left = _sorted_out(connection, seqs, why_not)
    connection.executemany(
        "UPDATE message SET state = 'held', reason = ? WHERE seq = ?", [(HELD, row.seq) for row in good]
    )
    return Changed(tuple(row.id for row in good), left)


def release(connection: Connection, seqs: Sequence[int], now: float) -> Changed:
    """Let held mail go, whatever it was held for, but for mail of an account that does not exist."""

    def why_not(row: _Row) -> str:
        if row.state != "held":
            return f"it is {row.state}, not held"
        return row.reason if row.reason == REMOVED.format(row.account) else ""

    good, left = _sorted_out(connection, seqs, why_not)
    for row in good:
        _queue(connection, row, now)
    return Changed(tuple(row.id for row in good), left)


def drop(connection: Connection, seqs: Sequence[int], now: float) -> Changed:  # noqa: ARG001 (as all changes)
    """Delete messages with their history; nobody is told."""
    good, left = _sorted_out(connection, seqs, lambda row: _BUSY if row.state == "active" else "")
    connection.executemany("DELETE FROM message WHERE seq = ?", [(row.seq,) for row in good])
    return Changed(tuple(row.id for row in good), left, tuple(row.id for row in good if row.body_file))


def _queue(connection: Connection, row: _Row, now: float) -> None:
    """Due at once. What had failed may fail again, and that is told again; of waiting mail nobody is told twice."""
    expires_at = (
        row.expires_at if row.state == "queued" else max(row.expires_at, now + row.expires_at - row.received_at)
    )
    connection.execute(
        "UPDATE message SET state = 'queued', reason = '', next_at = ?, expires_at = ? WHERE seq = ?",
        (now, expires_at, row.seq),
    )
    if row.state == "failed":
        # Its sender knows that it has failed: that it is late is no news.
        connection.execute(
            """UPDATE message SET done_at = NULL, reported = 0, delay_told = 1, owed = iif(owed = 2, 0, owed)
               WHERE seq = ?""",
            (row.seq,),
        )
        connection.execute(
            "UPDATE recipient SET state = 'pending', told = 0 WHERE message = ? AND state = 'failed'", (row.seq,)
        )


def _sorted_out(
    connection: Connection, seqs: Sequence[int], why_not: Callable[[_Row], str]
) -> tuple[list[_Row], dict[str, str]]:
    """Those that can be changed, and the others with the reason."""
    found: list[Any] = connection.execute(
        f"""SELECT seq, id, account, state, reason, received_at, expires_at, body_file, headers IS NOT NULL FROM message
            WHERE seq IN ({marks(seqs)}) ORDER BY seq""",  # noqa: S608 (only marks)
        seqs,
    ).fetchall()
    good, left = [], {}
    for row in (_Row(*values) for values in found):
        if reason := why_not(row):
            left[row.id] = reason
        else:
            good.append(row)
    return good, left
