"""The queue's statements, and how its rows become messages.

Every function is one piece of a transaction: it takes a connection and values, and does nothing else, so that the same
statements serve every kind of database.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from relay.database import Connection
from relay.model import Body, Envelope, MemoryBody, Message, Origin, Outcome, Result, Results
from relay.spool.upload import FileBody

EXPIRED = "5.4.7"
"""Delivery time expired (RFC 3463 3.5)."""

_COLUMNS = """seq, id, account, sender, eight_bit, smtputf8, origin, headers, body, body_file, body_size, body_dots,
    received_at, expires_at, attempts, fence"""


@dataclass(frozen=True, slots=True)
class Submission:
    """What is put into the queue beside the body: everything that is known when DATA has ended."""

    account: str
    envelope: Envelope
    headers: bytes
    origin: Origin
    received_at: float
    expires_at: float
    message_id: str = ""
    subject: str = ""
    kind: str = "mail"


@dataclass(frozen=True, slots=True)
class Claim:
    """A message that this process has leased: `fence` proves it when the result is written."""

    seq: int
    fence: int
    message: Message
    expires_at: float


@dataclass(frozen=True, slots=True)
class Settled:
    """How a message stands after an attempt: what `finish` writes."""

    results: Results
    next_at: float | None
    """When to try again the recipients that are left; None when none is."""
    counted: bool
    """False gives the attempt back: the mailbox was in trouble, not the message."""
    reason: str
    started_at: float
    ended_at: float


class DamagedRow(ValueError):  # noqa: N818 (a finding about data, not a failure of the program)
    """A row that cannot be a message: set aside and shown, never retried."""


def insert(connection: Connection, identifier: str, submission: Submission, body: MemoryBody | FileBody) -> None:
    envelope = submission.envelope
    data = body.data if isinstance(body, MemoryBody) else None
    cursor = connection.execute(
        """INSERT INTO message (id, kind, state, account, sender, eight_bit, smtputf8, origin, message_id, subject,
               headers, body, body_file, body_size, body_dots, received_at, expires_at, next_at)
           VALUES (?, ?, 'queued', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        (
            identifier,
            submission.kind,
            submission.account,
            envelope.sender,
            int(envelope.eight_bit),
            int(envelope.smtputf8),
            json.dumps(asdict(submission.origin)),
            submission.message_id,
            submission.subject,
            submission.headers,
            data,
            int(data is None),
            body.size,
            body.dots,
            submission.received_at,
            submission.expires_at,
            submission.received_at,
        ),
    )
    connection.executemany(
        "INSERT INTO recipient (message, position, address, state) VALUES (?, ?, ?, 'pending')",
        [(cursor.lastrowid, position, address) for position, address in enumerate(envelope.recipients)],
    )


def recover(connection: Connection) -> None:
    """Make what an ended process had leased due again, after the delay that its claim had written."""
    connection.execute("UPDATE message SET state = 'queued' WHERE state = 'active'")


def claim(
    connection: Connection, accounts: Sequence[str], limit: int, now: float, due_after_crash: float, lease_until: float
) -> list[Any]:
    """Lease up to `limit` due messages of `accounts`, in order of priority, then age; the attempt counts from here."""
    marks = ", ".join("?" * len(accounts))
    return connection.execute(
        f"""UPDATE message SET state = 'active', attempts = attempts + 1, fence = fence + 1, next_at = ?,
               lease_until = ?
            WHERE seq IN (SELECT seq FROM message WHERE state = 'queued' AND account IN ({marks}) AND next_at <= ?
                          ORDER BY priority, next_at, seq LIMIT ?)
            RETURNING {_COLUMNS}""",  # noqa: S608 (only marks and a constant)
        (due_after_crash, lease_until, *accounts, now, limit),
    ).fetchall()


def pending(connection: Connection, seq: int) -> tuple[str, ...]:
    rows = connection.execute(
        "SELECT address FROM recipient WHERE message = ? AND state = 'pending' ORDER BY position", (seq,)
    ).fetchall()
    return tuple(address for (address,) in rows)


def to_claim(row: Sequence[Any], recipients: tuple[str, ...], bodies: Path) -> Claim:
    """Raises DamagedRow for what no message can look like."""
    (seq, identifier, account, sender, eight_bit, smtputf8, origin, headers, body, body_file, size, dots) = row[:12]
    received_at, expires_at, attempts, fence = row[12:]
    if not recipients:
        raise DamagedRow("it has no recipient that is still to be served")
    if not isinstance(headers, bytes):
        raise DamagedRow("its header block is missing")
    try:
        source = Origin(**json.loads(origin))
    except (TypeError, ValueError) as error:
        raise DamagedRow(f"its origin cannot be read: {error}") from error
    message = Message(
        id=identifier,
        account=account,
        envelope=Envelope(sender, recipients, eight_bit=bool(eight_bit), smtputf8=bool(smtputf8)),
        headers=headers,
        body=_body(body, bodies / identifier if body_file else None, size, dots),
        origin=source,
        received_at=received_at,
        attempt=attempts,
    )
    return Claim(seq, fence, message, expires_at)


def _body(data: Any, path: Path | None, size: int, dots: int) -> Body:
    if path is not None:
        found = path.stat().st_size if path.exists() else -1
        if found != size:
            raise DamagedRow(f"its body {path} has {found} of {size} octets" if found >= 0 else f"{path} is missing")
        return FileBody(path, size, dots)
    if not isinstance(data, bytes) or len(data) != size:
        raise DamagedRow("its body has not the size that was written")
    return MemoryBody(data, dots)


def set_aside(connection: Connection, seq: int, reason: str, now: float) -> None:
    connection.execute(
        "UPDATE message SET state = 'corrupt', reason = ?, done_at = ? WHERE seq = ?", (reason, now, seq)
    )


def save_results(connection: Connection, seq: int, results: Mapping[str, Result]) -> None:
    connection.executemany(
        "UPDATE recipient SET state = ?, code = ?, status = ?, text = ?, hint = ? WHERE message = ? AND address = ?",
        [
            (
                "pending" if result.outcome is Outcome.DEFERRED else result.outcome.value,
                result.code,
                result.status,
                result.text,
                result.hint,
                seq,
                address,
            )
            for address, result in results.items()
        ],
    )


def save_attempt(connection: Connection, claimed: Claim, settled: Settled) -> None:
    told = {
        address: [result.outcome.value, result.code, result.status, result.text]
        for address, result in settled.results.items()
    }
    connection.execute(
        "INSERT INTO attempt (message, fence, number, started_at, ended_at, results) VALUES (?, ?, ?, ?, ?, ?)",
        (claimed.seq, claimed.fence, claimed.message.attempt, settled.started_at, settled.ended_at, json.dumps(told)),
    )


def finish(connection: Connection, claimed: Claim, settled: Settled) -> str | None:
    """Write what became of an attempt and return the message's state; None when the lease had been lost."""
    held = connection.execute(
        "SELECT 1 FROM message WHERE seq = ? AND fence = ? AND state = 'active'", (claimed.seq, claimed.fence)
    ).fetchone()
    if held is None:
        return None
    save_results(connection, claimed.seq, settled.results)
    save_attempt(connection, claimed, settled)
    if settled.next_at is not None:
        connection.execute(
            "UPDATE message SET state = 'queued', next_at = ?, reason = ?, attempts = attempts - ? WHERE seq = ?",
            (settled.next_at, settled.reason, 0 if settled.counted else 1, claimed.seq),
        )
        return "queued"
    return close(connection, claimed.seq, settled.ended_at, settled.reason)


def close(connection: Connection, seq: int, now: float, reason: str) -> str:
    """End a message that has no pending recipient: keep what failed whole, of what was sent only its history."""
    failed = connection.execute(
        "SELECT 1 FROM recipient WHERE message = ? AND state = 'failed' LIMIT 1", (seq,)
    ).fetchone()
    if failed is None:
        connection.execute(
            "UPDATE message SET state = 'sent', reason = '', headers = NULL, body = NULL, done_at = ? WHERE seq = ?",
            (now, seq),
        )
        return "sent"
    connection.execute("UPDATE message SET state = 'failed', reason = ?, done_at = ? WHERE seq = ?", (reason, now, seq))
    return "failed"


def expire(connection: Connection, now: float) -> list[tuple[str, str, str]]:
    """Fail what has waited too long, whatever it waited for: [(id, account, last reason)]."""
    rows = connection.execute(
        "SELECT seq, id, account, reason FROM message WHERE state = 'queued' AND expires_at <= ? LIMIT 500", (now,)
    ).fetchall()
    for seq, _, _, reason in rows:
        text = f"expired in the queue; last: {reason}" if reason else "expired in the queue"
        connection.execute(
            "UPDATE recipient SET state = 'failed', code = 554, status = ?, text = ?"
            " WHERE message = ? AND state = 'pending'",
            (EXPIRED, text, seq),
        )
        close(connection, seq, now, text)
    return [(identifier, account, reason) for _, identifier, account, reason in rows]
