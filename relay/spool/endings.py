"""The statements that write what became of a message: the results of an attempt, its end, its expiry."""

import json
from collections.abc import Mapping
from typing import Any

from relay.database import Connection, Cursor
from relay.model import Outcome, Result
from relay.spool import debts, dsn
from relay.spool.rows import Claim, Settled

EXPIRED = "5.4.7"
"""Delivery time expired (RFC 3463 3.5)."""

_FIRST = 1
"""The fence of a message's first claim."""


class LeaseLost(Exception):  # noqa: N818 (rolls a result back that came too late)
    """Another process has taken the message over: this result must not be written."""


def save_results(connection: Connection, seq: int, results: Mapping[str, Result]) -> None:
    connection.executemany(
        """UPDATE recipient SET state = ?, code = ?, status = ?, text = ?, hint = ?, told = ?
           WHERE message = ? AND address = ?""",
        [
            (
                "pending" if result.outcome is Outcome.DEFERRED else result.outcome.value,
                result.code,
                result.status,
                result.text,
                result.hint,
                int(result.passed_on),
                seq,
                address,
            )
            for address, result in results.items()
        ],
    )


def save_attempt(connection: Connection, claimed: Claim, settled: Settled) -> None:
    """Write down what one attempt came to, for those who look at it later."""
    told = {
        address: [result.outcome.value, result.code, result.status, result.text]
        for address, result in settled.results.items()
    }
    connection.execute(
        "INSERT INTO attempt (message, fence, number, started_at, ended_at, results) VALUES (?, ?, ?, ?, ?, ?)",
        (claimed.seq, claimed.fence, claimed.message.attempt, settled.started_at, settled.ended_at, json.dumps(told)),
    )


def finish(connection: Connection, claimed: Claim, settled: Settled) -> str:
    """Write what became of an attempt and return the message's state. Raises LeaseLost."""
    save_results(connection, claimed.seq, settled.results)
    if dsn.is_news(claimed.message.envelope, settled.results):
        debts.owe(connection, claimed.seq)
    all_sent = all(result.outcome is Outcome.SENT for result in settled.results.values())
    # Then no recipient has to be looked at: of an earlier attempt nobody can have failed.
    at_once = all_sent and settled.next_at is None and claimed.fence == _FIRST
    if settled.next_at is not None:
        cursor = connection.execute(
            """UPDATE message SET state = 'queued', next_at = ?, reason = ?, attempts = attempts - ?,
                   uncertain = max(uncertain, ?)
               WHERE seq = ? AND fence = ? AND state = 'active'""",
            (
                settled.next_at,
                settled.reason,
                0 if settled.counted else 1,
                int(any(result.uncertain for result in settled.results.values())),
                claimed.seq,
                claimed.fence,
            ),
        )
    elif at_once:
        cursor = _close_sent(connection, claimed, settled)
    else:
        cursor = _close_attempted(connection, claimed, settled)
    if cursor.rowcount != 1:
        raise LeaseLost
    if not all_sent:
        save_attempt(connection, claimed, settled)
    if settled.next_at is not None:
        return "queued"
    if at_once:
        return "sent"
    state: str = connection.execute("SELECT state FROM message WHERE seq = ?", (claimed.seq,)).fetchone()[0]
    return state


def _close_sent(connection: Connection, claimed: Claim, settled: Settled) -> Cursor:
    """End a message that has reached everybody with its first attempt.

    When its last attempt began is kept where nothing else is any more: of what went well there is no row of its own.
    """
    return connection.execute(
        """UPDATE message SET done_at = ?, next_at = ?, state = 'sent', reason = '',
               headers = iif(owed = 1, headers, NULL), body = NULL
           WHERE seq = ? AND fence = ? AND state = 'active'""",
        (settled.ended_at, settled.started_at, claimed.seq, claimed.fence),
    )


_FAILED = "EXISTS (SELECT 1 FROM recipient WHERE message = seq AND state = 'failed')"
_CLOSE = f"""UPDATE message SET done_at = ?, state = iif({_FAILED}, 'failed', 'sent'), reason = iif({_FAILED}, ?, ''),
    headers = iif({_FAILED} OR owed = 1, headers, NULL), body = iif({_FAILED}, body, NULL)"""  # noqa: S608 (only constants)


def _close_attempted(connection: Connection, claimed: Claim, settled: Settled) -> Cursor:
    """As `close`, after an attempt: when it began is kept as for `_close_sent`."""
    return connection.execute(
        f"{_CLOSE}, next_at = ? WHERE seq = ? AND fence = ? AND state = 'active'",
        (settled.ended_at, settled.reason, settled.started_at, claimed.seq, claimed.fence),
    )


def close(connection: Connection, seq: int, now: float, reason: str) -> Cursor:
    """End a message that has no pending recipient: keep what failed whole, of what was sent only its history."""
    return connection.execute(f"{_CLOSE} WHERE seq = ?", (now, reason, seq))


def expire(connection: Connection, now: float) -> list[tuple[str, str, str]]:
    """Fail what has waited too long, whatever it waited for: [(id, account, last reason)]."""
    rows: list[Any] = []
    for state in ("queued", "held"):  # each has its index; what is being sent ends by itself
        rows += connection.execute(
            f"SELECT seq, id, account, reason FROM message WHERE state = '{state}' AND expires_at <= ? LIMIT 500",  # noqa: S608
            (now,),
        ).fetchall()
    for seq, _, _, reason in rows:
        text = f"expired in the queue; last: {reason}" if reason else "expired in the queue"
        connection.execute(
            "UPDATE recipient SET state = 'failed', code = 554, status = ?, text = ?"
            " WHERE message = ? AND state = 'pending'",
            (EXPIRED, text, seq),
        )
        debts.owe(connection, seq)
        close(connection, seq, now, text)
    return [(identifier, account, reason) for _, identifier, account, reason in rows]
