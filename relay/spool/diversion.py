"""Mail that another account takes over, because its own is in trouble."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from relay.database import Connection
from relay.model import Envelope, Origin
from relay.spool.queues import Queue

_MOST = 200
"""Messages in one transaction."""


@dataclass(frozen=True, slots=True)
class Moved:
    """One message that may be moved; `headers` and the envelope's sender as they are, or as they are to be."""

    id: str
    envelope: Envelope
    headers: bytes
    origin: Origin


Revise = Callable[[Moved], Moved | None]
"""How a message goes through the other account; None: not at all. Called in a transaction: a pure function."""


MailboxOf = Callable[[str, Envelope, Origin], str]
"""The mailbox that a message goes through by an account; "" where the account has one of its own."""


def move(
    connection: Connection,
    queue: Queue,
    to: str,
    revise: Revise,
    mailbox_of: MailboxOf,
    *,
    since: float,
    now: float,
    after: int,
) -> tuple[list[Moved], int]:
    """Give away what has become due between `since` and `now`: what was given, and where to go on; 0 at the end.

    A message whose last attempt may have been a success stays: two accounts would send it. So does a report.
    """
    rows = connection.execute(
        """SELECT seq, id, sender, eight_bit, smtputf8, headers, origin, body_size FROM message
           WHERE state = 'queued' AND account = ? AND mailbox = ? AND next_at > ? AND next_at <= ?
             AND uncertain = 0 AND kind = 'mail' AND headers IS NOT NULL AND seq > ?
           ORDER BY seq LIMIT ?""",
        (*queue, since, now, after, _MOST),
    ).fetchall()
    given = []
    for row in rows:
        found = _read(connection, row)
        revised = revise(found) if found is not None else None
        if revised is not None:
            _write(
                connection,
                row[0],
                row[7],
                revised,
                queue.account,
                Queue(to, mailbox_of(to, revised.envelope, revised.origin)),
            )
            given.append(revised)
    return given, rows[-1][0] if len(rows) == _MOST else 0


def _read(connection: Connection, row: Any) -> Moved | None:
    seq, identifier, sender, eight_bit, smtputf8, headers, origin, _ = row
    people = connection.execute(
        "SELECT address FROM recipient WHERE message = ? AND state = 'pending' ORDER BY position", (seq,)
    ).fetchall()
    envelope = Envelope(sender, tuple(address for (address,) in people), bool(eight_bit), bool(smtputf8))
    try:
        return Moved(identifier, envelope, headers, Origin(*json.loads(origin)))
    except (TypeError, ValueError):
        return None  # a damaged row: the next claim sets it aside


def _write(connection: Connection, seq: int, body_size: int, moved: Moved, account: str, to: Queue) -> None:
    connection.execute(
        "UPDATE message SET account = ?, mailbox = ?, sender = ?, headers = ?, size = ?, reason = ? WHERE seq = ?",
        (
            *to,
            moved.envelope.sender,
            moved.headers,
            len(moved.headers) + 2 + body_size,
            f"given over by {account}",
            seq,
        ),
    )
