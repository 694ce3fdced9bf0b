"""What the queue forgets: done messages by age, kept content by size. Waiting mail is never touched."""

import math
from dataclasses import dataclass

from relay.database import Connection
from relay.spool.capacity import Limits

_BATCH = 200
_REPORTED_BY_THEN = 3600.0
"""Seconds that a message is kept beyond its time because a report about it is due."""


def by_age(connection: Connection, sent_before: float, failed_before: float) -> tuple[bool, list[str]]:
    """Delete some done messages: (whether there may be more, the names of body files that nobody needs now)."""
    rows = connection.execute(
        """SELECT seq, id, body_file FROM message WHERE done_at IS NOT NULL
           AND ((state = 'sent' AND done_at < ?) OR (state = 'failed' AND done_at < ?))
           AND (owed <> 1 OR done_at < ?) LIMIT ?""",
        (sent_before, failed_before, failed_before - _REPORTED_BY_THEN, _BATCH),
    ).fetchall()
    connection.executemany("DELETE FROM message WHERE seq = ?", [(seq,) for seq, _, _ in rows])
    return len(rows) == _BATCH, [identifier for _, identifier, in_file in rows if in_file]


@dataclass(frozen=True, slots=True)
class Excess:
    """So much is too much: octets of content, and messages that have one. Not both are 0 or less."""

    octets: float
    messages: float


def excess(connection: Connection, limits: Limits) -> Excess | None:
    """How far all messages whose content is kept are above the limits; None when they are within."""
    octets, messages = connection.execute(
        "SELECT coalesce(sum(size), 0), count(*) FROM message WHERE headers IS NOT NULL"
    ).fetchone()
    found = Excess(octets - (limits.max_octets or math.inf), messages - (limits.max_messages or math.inf))
    return found if found.octets > 0 or found.messages > 0 else None


def by_size(connection: Connection, excess: Excess) -> tuple[int, list[str]]:
    """Delete some failed messages, the longest done first, until the excess is gone: (how many, body files).

    0: there is none left to delete. What a report is still due for stays.
    """
    rows = connection.execute(
        """SELECT seq, id, body_file, size FROM message WHERE done_at IS NOT NULL AND state = 'failed' AND owed <> 1
           ORDER BY done_at LIMIT ?""",
        (_BATCH,),
    ).fetchall()
    freed, count, files = 0, 0, []
    for seq, identifier, in_file, octets in rows:
        if freed >= excess.octets and count >= excess.messages:
            break
        connection.execute("DELETE FROM message WHERE seq = ?", (seq,))
        freed, count = freed + octets, count + 1
        files += [identifier] if in_file else []
    return count, files
