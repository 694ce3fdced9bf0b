"""What the queue forgets: done messages by age, kept content by size. Waiting mail is never touched."""

from relay.database import Connection

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


def size(connection: Connection) -> int:
    """Octets of all messages whose content is kept."""
    total: int = connection.execute("SELECT coalesce(sum(size), 0) FROM message WHERE headers IS NOT NULL").fetchone()[
        0
    ]
    return total


def by_size(connection: Connection, excess: int) -> tuple[int, list[str]]:
    """Delete some failed messages, the longest done first, until `excess` octets are free: (octets, body files).

    0 octets: there is none left to delete. What a report is still due for stays.
    """
    rows = connection.execute(
        """SELECT seq, id, body_file, size FROM message WHERE done_at IS NOT NULL AND state = 'failed' AND owed <> 1
           ORDER BY done_at LIMIT ?""",
        (_BATCH,),
    ).fetchall()
    freed, files = 0, []
    for seq, identifier, in_file, octets in rows:
        if freed >= excess:
            break
        connection.execute("DELETE FROM message WHERE seq = ?", (seq,))
        freed += octets
        files += [identifier] if in_file else []
    return freed, files
