"""Statements that look at the queue as a whole: for the page, for start-up and for housekeeping."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from relay.database import Connection, marks
from relay.spool.queues import Queue, origin_of

REMOVED = "its account {} is not in the configuration: put it back, or drop the message"
"""Why mail is held whose account, which is named, was removed."""
_REMOVED_SQL = "replace(?, '{}', account)"
_BATCH = 200
_PRIORITIES = (0, 1, 2)


@dataclass(frozen=True, slots=True)
class Overview:
    """Counts by (account, state), and when the first of the waiting messages came.

    `tried` are those of the queued ones that were tried before, by account.
    """

    counts: dict[tuple[str, str], int]
    oldest_waiting: float | None
    tried: dict[str, int]

    def total(self, *states: str, account: str = "", tried: bool | None = None) -> int:
        """How many are in one of these states, none meaning any: of one account or of all, `tried` before or not."""
        of_state = {
            key: count
            for key, count in self.counts.items()
            if (not states or key[1] in states) and account in ("", key[0])
        }
        if tried is None:
            return sum(of_state.values())
        before = sum(self.tried.get(name, 0) for name, state in of_state if state == "queued")
        return before if tried else sum(of_state.values()) - before


@dataclass(frozen=True, slots=True)
class Summary:
    """One message as a list shows it."""

    id: str
    kind: str
    """`mail`, or `report` for one that the relay itself wrote."""
    state: str
    reason: str
    account: str
    client: str
    sender: str
    recipients: tuple[str, ...]
    message_id: str
    subject: str
    size: int
    attempts: int
    received_at: float
    next_at: float
    reply: str
    """What the upstream said last, of any recipient."""


def overview(connection: Connection) -> Overview:
    """How many messages each account has in each state, and when the first in the queue came.

    Each part is read from the index that serves it: the rows themselves, which hold the mail, are many pages.
    """
    queued = connection.execute(
        """SELECT account, count(*), sum(seq IN (SELECT message FROM attempt)), min(seq)
           FROM message WHERE state = 'queued' GROUP BY account"""
    ).fetchall()
    others = [
        row
        for where in ("state = 'active'", "state = 'held'", "done_at IS NOT NULL")
        for row in connection.execute(
            f"SELECT account, state, count(*) FROM message WHERE {where} GROUP BY account, state"  # noqa: S608
        ).fetchall()
    ]
    counts = {(account, "queued"): count for account, count, *_ in queued}
    counts |= {(account, state): count for account, state, count in others}
    first = min((seq for *_, seq in queued), default=None)
    row = connection.execute("SELECT received_at FROM message WHERE seq = ?", (first,)).fetchone()
    tried = {account: before for account, _, before, _ in queued if before}
    return Overview(counts, row[0] if row is not None else None, tried)


def recent(connection: Connection, limit: int) -> list[Summary]:
    """The newest `limit` messages, newest first, each with what became of its recipients."""
    return summaries(connection, "1 = 1", [], limit)


def summaries(
    connection: Connection, where: str, parameters: Sequence[Any], limit: int, start: int = 0
) -> list[Summary]:
    """The newest `limit` messages behind the first `start` for which the SQL `where` holds, the newest first."""
    # Sorted apart (that is what the plus does): an index is small beside the rows that would have to be gone through.
    order = "+seq" if start else "seq"
    rows = connection.execute(
        f"""SELECT seq, id, kind, state, reason, account, origin, sender, message_id, subject, size, attempts,
                received_at, next_at FROM message
            WHERE seq IN (SELECT seq FROM message WHERE {where} ORDER BY {order} DESC LIMIT ? OFFSET ?)
            ORDER BY seq DESC""",  # noqa: S608 (no input)
        [*parameters, limit, start],
    ).fetchall()
    return [_summary(connection, row) for row in rows]


def _summary(connection: Connection, row: Sequence[Any]) -> Summary:
    seq, identifier, kind, state, reason, account, origin, sender, message_id, subject, size, attempts = row[:12]
    people = connection.execute(
        "SELECT address, code, status, text FROM recipient WHERE message = ? ORDER BY position", (seq,)
    ).fetchall()
    replies = [f"{code} {status} {text}" for _, code, status, text in people if code]
    return Summary(
        id=identifier,
        kind=kind,
        state=state,
        reason=reason,
        account=account,
        client=origin_of(origin).client,
        sender=sender,
        recipients=tuple(address for address, *_ in people),
        message_id=message_id,
        subject=subject,
        size=size,
        attempts=attempts,
        received_at=row[12],
        next_at=row[13],
        reply=replies[-1] if replies else "",
    )


def next_due(connection: Connection, queues: Sequence[Queue]) -> float | None:
    """When the next message of these queues is due, in seconds since the epoch; None: nothing waits."""
    found: list[float] = []
    for queue in queues:
        for priority in _PRIORITIES:  # the index holds each in order: together they would have to be looked through
            rows = connection.execute(
                """SELECT next_at FROM message WHERE state = 'queued' AND account = ? AND mailbox = ? AND priority = ?
                   ORDER BY next_at LIMIT 1""",
                (*queue, priority),
            ).fetchall()
            found += [next_at for (next_at,) in rows]
    return min(found, default=None)


def adopted(connection: Connection, names: Sequence[str]) -> set[str]:
    """Which of these body files belong to a message that still needs its body."""
    found: set[str] = set()
    for start in range(0, len(names), _BATCH):
        part = names[start : start + _BATCH]
        rows = connection.execute(
            f"SELECT id FROM message WHERE id IN ({marks(part)}) AND body_file = 1 AND state <> 'sent'",  # noqa: S608
            part,
        ).fetchall()
        found.update(identifier for (identifier,) in rows)
    return found


def hold_unknown(connection: Connection, accounts: Sequence[str]) -> tuple[int, int]:
    """Hold the mail of accounts that are not configured, and free what was held for one that is back; (held, freed)."""
    freed = connection.execute(
        f"""UPDATE message SET state = 'queued', reason = ''
            WHERE state = 'held' AND reason = {_REMOVED_SQL} AND account IN ({marks(accounts)})""",  # noqa: S608 (only marks)
        (REMOVED, *accounts),
    ).rowcount
    held = connection.execute(
        f"""UPDATE message SET state = 'held', reason = {_REMOVED_SQL}
            WHERE state = 'queued' AND account NOT IN ({marks(accounts)})""",  # noqa: S608 (only marks)
        (REMOVED, *accounts),
    ).rowcount
    return held, freed
