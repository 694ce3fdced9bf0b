"""The statements behind reports: who is owed one, and how a debt is paid.

A debt is written in the transaction that writes the failure, and paid in the one that queues the report: a crash
between the two leaves the debt, and none leaves it paid twice.
"""

from dataclasses import dataclass
from pathlib import Path

from relay.database import Connection, marks
from relay.model import DsnWishes
from relay.spool import dsn
from relay.spool.details import RecipientState
from relay.spool.queues import origin_of

DUE, UNTOLD = 1, 2


@dataclass(frozen=True, slots=True)
class Debt:
    """A message whose sender may have to be told something. Times are seconds since the epoch.

    `recipients` are those that something is to be told of. `body` is a small body, `body_file` the path of a large
    one; both None when it is not kept. `late` says that it is a delay that is to be told, of recipients that are still
    tried.
    """

    seq: int
    id: str
    kind: str
    account: str
    client: str
    peer: str
    sender: str
    subject: str
    message_id: str
    received_at: float
    expires_at: float
    dsn: DsnWishes | None
    headers: bytes
    body: bytes | None
    body_file: Path | None
    body_size: int
    recipients: tuple[RecipientState, ...]
    late: bool = False


def owe(connection: Connection, seq: int) -> None:
    """Note that something is to be told of a message.

    A null sender never causes a report. Nor does a report; but one that was refused may go out under another name.
    """
    connection.execute("UPDATE message SET owed = ? WHERE seq = ? AND (kind = 'report' OR sender <> '')", (DUE, seq))


def due(connection: Connection, limit: int) -> list[tuple[int, str]]:
    """The oldest messages that are owed a report: [(seq, id)]."""
    rows = connection.execute("SELECT seq, id FROM message WHERE owed = ? ORDER BY seq LIMIT ?", (DUE, limit))
    return [(seq, identifier) for seq, identifier in rows.fetchall()]


def late(connection: Connection, received_before: float, limit: int) -> list[int]:
    """Messages that wait since then and whose sender has not been told."""
    rows = connection.execute(
        """SELECT seq FROM message WHERE state = 'queued' AND delay_told = 0 AND received_at <= ?
           AND kind = 'mail' AND sender <> '' LIMIT ?""",
        (received_before, limit),
    )
    return [seq for (seq,) in rows.fetchall()]


def debt(connection: Connection, seq: int, bodies: Path, *, is_late: bool) -> Debt | None:
    """The message with the recipients that have not been told of; None when it is gone."""
    row = connection.execute(
        """SELECT id, kind, account, origin, sender, subject, message_id, received_at, expires_at, dsn, headers, body,
                  body_file, body_size FROM message WHERE seq = ?""",
        (seq,),
    ).fetchone()
    if row is None:
        return None
    identifier, kind, account, origin, sender, subject, message_id, received_at, expires_at = row[:9]
    wishes, headers, body, in_file, size = row[9:]
    source = origin_of(origin)
    try:
        asked = dsn.read(wishes)
    except (TypeError, ValueError):
        asked = None  # a damaged row: its sender hears what everybody hears
    return Debt(
        seq=seq,
        id=identifier,
        kind=kind,
        account=account,
        client=source.client,
        peer=source.peer,
        sender=sender,
        subject=subject,
        message_id=message_id,
        received_at=received_at,
        expires_at=expires_at,
        dsn=asked,
        headers=headers or b"",
        body=body,
        body_file=bodies / identifier if in_file else None,
        body_size=size,
        recipients=_outstanding(connection, seq, is_late=is_late),
        late=is_late,
    )


def _outstanding(connection: Connection, seq: int, *, is_late: bool) -> tuple[RecipientState, ...]:
    states = "state = 'pending'" if is_late else "state <> 'pending' AND told = 0"
    rows = connection.execute(
        f"SELECT address, state, code, status, text, hint FROM recipient WHERE message = ? AND {states}"  # noqa: S608
        " ORDER BY position",
        (seq,),
    )
    return tuple(RecipientState(*row) for row in rows.fetchall())


class ChangedMeanwhile(Exception):  # noqa: N818 (rolls a report back that is no longer right)
    """Somebody has retried or dropped the message, or has paid the debt."""


def pay(connection: Connection, debt: Debt, *, untold: bool) -> None:
    """Note that a debt is done with. Raises ChangedMeanwhile, which undoes the transaction.

    `untold` says that somebody should have been told and nobody could be.
    """
    if debt.late:
        done = connection.execute(
            "UPDATE message SET delay_told = 1 WHERE seq = ? AND delay_told = 0 AND state IN ('queued', 'active')",
            (debt.seq,),
        ).rowcount
        if not done:
            raise ChangedMeanwhile
        return
    addresses = [one.address for one in debt.recipients]
    told = connection.execute(
        f"""UPDATE recipient SET told = 1 WHERE message = ? AND told = 0 AND state <> 'pending'
            AND address IN ({marks(addresses)})""",  # noqa: S608 (only marks)
        (debt.seq, *addresses),
    ).rowcount
    if told != len(addresses):
        raise ChangedMeanwhile
    # The header of a sent message was kept for this alone. What has failed meanwhile stays due.
    connection.execute(
        """UPDATE message SET owed = iif(EXISTS (SELECT 1 FROM recipient WHERE message = seq AND state = 'failed'
               AND told = 0), ?, ?), headers = iif(state = 'sent', NULL, headers) WHERE seq = ? AND owed = ?""",
        (DUE, UNTOLD if untold else 0, debt.seq, DUE),
    )


def heard(connection: Connection, *identifiers: str) -> None:
    """The client itself has heard of the failure of these messages: nobody else needs to."""
    names = [(name,) for name in identifiers]
    connection.executemany(
        """UPDATE recipient SET told = 1 WHERE state = 'failed'
           AND message = (SELECT seq FROM message WHERE id = ?)""",
        names,
    )
    connection.executemany("UPDATE message SET reported = 1, owed = 0 WHERE id = ?", names)


def not_heard(connection: Connection, *identifiers: str) -> None:
    """The client has gone before it heard of the failure of these messages: it is owed a report again."""
    for identifier in identifiers:
        row = connection.execute("SELECT seq FROM message WHERE id = ? AND reported = 1", (identifier,)).fetchone()
        if row is not None:
            connection.execute("UPDATE recipient SET told = 0 WHERE message = ? AND state = 'failed'", row)
            connection.execute("UPDATE message SET reported = 0 WHERE seq = ?", row)
            owe(connection, *row)


def send_from(connection: Connection, seq: int, sender: str, mailbox: str, now: float) -> None:
    """Send a report that was refused with a null sender once more, with this one, through its mailbox."""
    connection.execute(
        """UPDATE message SET sender = ?, mailbox = ?, state = 'queued', reason = '', next_at = ?, done_at = NULL,
               owed = 0
           WHERE seq = ? AND state = 'failed'""",
        (sender, mailbox, now, seq),
    )
    connection.execute("UPDATE recipient SET state = 'pending' WHERE message = ? AND state = 'failed'", (seq,))


def reports_to(connection: Connection, address: str, since: float, now: float) -> int:
    """How many reports were written to `address` since then.

    Those of a later time were written before the clock was set back: they would silence the relay until it comes.
    """
    count: int = connection.execute(
        """SELECT count(*) FROM message WHERE kind = 'report' AND received_at > ? AND received_at <= ?
           AND EXISTS (SELECT 1 FROM recipient WHERE message = seq AND lower(address) = ?)""",
        (since, now, address.lower()),
    ).fetchone()[0]
    return count


def troubles(connection: Connection) -> tuple[int, int]:
    """(messages of whose failure nobody could be told, reports that could not be sent)."""
    untold = connection.execute("SELECT count(*) FROM message WHERE owed > 0 AND owed = ?", (UNTOLD,)).fetchone()[0]
    failed = connection.execute(
        """SELECT count(*) FROM message
           WHERE seq IN (SELECT seq FROM message WHERE kind = 'report') AND state = 'failed'"""
    ).fetchone()[0]
    return untold, failed
