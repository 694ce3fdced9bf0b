"""The queue's statements, and how its rows become messages.

Every function is one piece of a transaction: it takes a connection and values, and does nothing else, so that the same
statements serve every kind of database.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

from relay.database import Connection
from relay.model import Body, Envelope, MemoryBody, Message, Origin, Priority, Results
from relay.spool import dsn
from relay.spool.due import PRIORITIES
from relay.spool.queues import Queue
from relay.spool.upload import FileBody

_MOST_AT_ONCE = 4 * 1024 * 1024

_COLUMNS = """seq, id, account, sender, eight_bit, smtputf8, origin, headers, body, body_file, body_size, body_dots,
    received_at, expires_at, attempts, fence, dsn, mailbox"""


@dataclass(frozen=True, slots=True)
class Submission:
    """What is put into the queue beside the body: everything that is known when DATA has ended."""

    account: str
    envelope: Envelope
    headers: bytes
    origin: Origin
    received_at: float
    expires_at: float
    mailbox: str = ""
    """The spool's to fill in: whose, where the account acts as whoever sends."""
    message_id: str = ""
    subject: str = ""
    kind: str = "mail"
    priority: Priority = "normal"
    id: str = ""
    """Its name; "" for the upload's."""
    held_until: float = 0.0
    """When it may be sent, if not at once."""
    reason: str = ""
    """Why it waits until then."""
    parts: "tuple[Submission, ...]" = ()
    """Further messages with the same body, for other recipients: all of them are kept, or none."""

    @property
    def queue(self) -> Queue:
        """The queue that it is put into."""
        return Queue(self.account, self.mailbox)

    @property
    def is_held(self) -> bool:
        """It, or a part of it, may be sent only later."""
        return any(each.held_until for each in (self, *self.parts))

    @property
    def direct(self) -> bool:
        """It may go out as it is committed."""
        return not (self.parts or self.held_until)


@dataclass(frozen=True, slots=True)
class Claim:
    """A message that this process has leased: `fence` proves it when the result is written."""

    seq: int
    fence: int
    message: Message
    expires_at: float
    mailbox: str = ""

    @property
    def queue(self) -> Queue:
        """The queue that it was taken from."""
        return Queue(self.message.account, self.mailbox)

    @classmethod
    def first(cls, seq: int, name: str, submission: Submission, body: MemoryBody | FileBody) -> "Claim":
        """The claim of a message that has just been written with its first attempt leased (`Lease`)."""
        message = Message(
            id=name,
            account=submission.account,
            envelope=submission.envelope,
            headers=submission.headers,
            body=body,
            origin=submission.origin,
            received_at=submission.received_at,
        )
        return cls(seq, 1, message, submission.expires_at, submission.mailbox)

    @property
    def weight(self) -> int:
        """Octets of memory that sending it takes, at most."""
        return weight(len(self.message.headers) + self.message.body.size)


def weight(size: int) -> int:
    """Octets of memory that sending a message of this size takes, at most.

    Of a body in a file no way reads more at once than the smallest ways take in one request; a larger one goes in
    pieces (`providers.GRAPH.mime_size`).
    """
    return min(size, _MOST_AT_ONCE)


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
    others: Results = field(default_factory=dict)
    """Of recipients whose turn has not come: for who waits for the results, not for the disk."""


class DamagedRow(ValueError):  # noqa: N818 (a finding about data, not a failure of the program)
    """A row that cannot be a message: set aside and shown, never retried."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A first attempt that begins with the commit itself: what `claim` would have written."""

    due_after_crash: float
    until: float


def insert(
    connection: Connection,
    identifier: str,
    submission: Submission,
    body: MemoryBody | FileBody,
    lease: Lease | None = None,
) -> int:
    """Write a message, queued or with its first attempt leased; its `seq`."""
    envelope = submission.envelope
    data = body.data if isinstance(body, MemoryBody) else None
    cursor = connection.execute(
        """INSERT INTO message (id, kind, state, reason, account, priority, sender, eight_bit, smtputf8, origin,
               message_id, subject, size, headers, body, body_file, body_size, body_dots, received_at, expires_at,
               next_at, attempts, fence, lease_until, dsn, mailbox)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        (
            identifier,
            submission.kind,
            "active" if lease else "queued",
            submission.reason,
            submission.account,
            PRIORITIES[submission.priority],
            envelope.sender,
            int(envelope.eight_bit),
            int(envelope.smtputf8),
            _origin_text(submission.origin),
            submission.message_id,
            submission.subject,
            len(submission.headers) + 2 + body.size,
            submission.headers,
            data,
            int(data is None),
            body.size,
            body.dots,
            submission.received_at,
            submission.expires_at,
            lease.due_after_crash if lease else max(submission.received_at, submission.held_until),
            1 if lease else 0,
            1 if lease else 0,
            lease.until if lease else 0.0,
            dsn.written(envelope.dsn),
            submission.mailbox,
        ),
    )
    seq = cursor.lastrowid or 0
    connection.executemany(
        "INSERT INTO recipient (message, position, address, state) VALUES (?, ?, ?, 'pending')",
        [(seq, position, address) for position, address in enumerate(envelope.recipients)],
    )
    return seq


@lru_cache(maxsize=256)
def _origin_text(origin: Origin) -> str:
    return json.dumps([getattr(origin, name) for name in Origin.__slots__])


def recover(connection: Connection) -> None:
    """Make what an ended process had leased due again, after the delay that its claim had written."""
    connection.execute("UPDATE message SET state = 'queued', uncertain = 1 WHERE state = 'active'")


def reclaim(connection: Connection, now: float) -> int:
    """Make due again what somebody leased and has not renewed: his process or his task has ended."""
    return connection.execute(
        "UPDATE message SET state = 'queued', uncertain = 1, next_at = ? WHERE state = 'active' AND lease_until < ?",
        (now, now),
    ).rowcount


def claim(connection: Connection, chosen: Sequence[int], due_after_crash: float, lease_until: float) -> list[Any]:
    """Lease messages that are queued, in the order in which they are given; the attempt counts from here."""
    marks = ", ".join("?" * len(chosen))
    rows = connection.execute(
        f"""UPDATE message SET state = 'active', attempts = attempts + 1, fence = fence + 1, next_at = ?,
               lease_until = ?
            WHERE seq IN ({marks}) AND state = 'queued' RETURNING {_COLUMNS}""",  # noqa: S608 (only marks, a constant)
        (due_after_crash, lease_until, *chosen),
    ).fetchall()
    return sorted(rows, key=lambda row: chosen.index(row[0]))


def fitting(connection: Connection, chosen: Sequence[int], octets: int) -> list[int]:
    """The first of them, and as many more as there is memory for."""
    marks = ", ".join("?" * len(chosen))
    query = f"SELECT seq, size FROM message WHERE seq IN ({marks})"  # noqa: S608 (only marks)
    sizes = dict(connection.execute(query, tuple(chosen)).fetchall())
    sums = accumulate(weight(sizes[seq]) for seq in chosen)
    return [seq for place, (seq, total) in enumerate(zip(chosen, sums, strict=True)) if not place or total <= octets]


def pending(connection: Connection, seq: int) -> tuple[str, ...]:
    """The recipients of a message that are still to be delivered, in the order of the envelope."""
    rows = connection.execute(
        "SELECT address FROM recipient WHERE message = ? AND state = 'pending' ORDER BY position", (seq,)
    ).fetchall()
    return tuple(address for (address,) in rows)


def content(connection: Connection, seq: int, bodies: Path) -> Message:
    """A message with its content and all its recipients, whatever became of them. Raises DamagedRow."""
    row = connection.execute(f"SELECT {_COLUMNS} FROM message WHERE seq = ?", (seq,)).fetchone()  # noqa: S608
    if row is None:
        raise DamagedRow("it is no longer in the queue")
    if row[7] is None:
        raise DamagedRow("its content is no longer kept: that of sent mail is not")
    people = connection.execute("SELECT address FROM recipient WHERE message = ? ORDER BY position", (seq,)).fetchall()
    return to_claim(row, tuple(address for (address,) in people), bodies).message


def to_claim(row: Sequence[Any], recipients: tuple[str, ...], bodies: Path) -> Claim:
    """Raises DamagedRow for what no message can look like."""
    (seq, identifier, account, sender, eight_bit, smtputf8, origin, headers, body, body_file, size, dots) = row[:12]
    received_at, expires_at, attempts, fence, wishes, mailbox = row[12:]
    if not recipients:
        raise DamagedRow("it has no recipient that is still to be served")
    if not isinstance(headers, bytes):
        raise DamagedRow("its header block is missing")
    try:
        source = Origin(*json.loads(origin))
        asked = dsn.read(wishes)
    except (TypeError, ValueError) as error:
        raise DamagedRow(f"its origin cannot be read: {error}") from error
    message = Message(
        id=identifier,
        account=account,
        envelope=Envelope(sender, recipients, eight_bit=bool(eight_bit), smtputf8=bool(smtputf8), dsn=asked),
        headers=headers,
        body=_body(body, bodies / identifier if body_file else None, size, dots),
        origin=source,
        received_at=received_at,
        attempt=attempts,
    )
    return Claim(seq, fence, message, expires_at, mailbox)


def _body(data: Any, path: Path | None, size: int, dots: int) -> Body:
    if path is not None:
        try:
            found = path.stat().st_size
        except FileNotFoundError:
            raise DamagedRow(f"{path} is missing") from None
        except OSError:
            found = size  # trouble with the disk or with rights, which may pass: whoever reads the body tells of it
        if found != size:
            raise DamagedRow(f"its body {path} has {found} of {size} octets")
        return FileBody(path, size, dots)
    if not isinstance(data, bytes) or len(data) != size:
        raise DamagedRow("its body has not the size that was written")
    return MemoryBody(data, dots)


def set_aside(connection: Connection, seq: int, reason: str, now: float) -> None:
    connection.execute(
        "UPDATE message SET state = 'corrupt', reason = ?, done_at = ? WHERE seq = ?", (reason, now, seq)
    )
