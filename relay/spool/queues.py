"""The queues that the spool holds: one for each account, or for each mailbox of an account that acts as whoever sends.

Which one a message is in is written down with it, so that a mailbox's mail is found without looking at anybody else's.
"""

import json
from collections.abc import Sequence
from typing import NamedTuple

from relay.database import Connection
from relay.model import Origin


class Queue(NamedTuple):
    """Whose mail: an account's; `mailbox` is "" where the account has one of its own."""

    account: str
    mailbox: str = ""


def origin_of(text: str) -> Origin:
    """An origin as a row has it; an empty one where the row is damaged."""
    try:
        return Origin(*map(str, json.loads(text)))
    except (TypeError, ValueError):
        return Origin("", "", "")


# Each step finds the next mailbox in the index, however much mail each of them has.
_HEADS = """
    WITH RECURSIVE box (mailbox) AS (
        SELECT min(mailbox) FROM message WHERE state = 'queued' AND account = ?
        UNION ALL
        SELECT (SELECT min(mailbox) FROM message WHERE state = 'queued' AND account = ? AND mailbox > box.mailbox)
        FROM box WHERE box.mailbox IS NOT NULL
    )
    SELECT mailbox,
        (SELECT min(next_at) FROM message
         WHERE state = 'queued' AND account = ? AND mailbox = box.mailbox AND priority = 0),
        (SELECT min(next_at) FROM message
         WHERE state = 'queued' AND account = ? AND mailbox = box.mailbox AND priority = 1),
        (SELECT min(next_at) FROM message
         WHERE state = 'queued' AND account = ? AND mailbox = box.mailbox AND priority = 2)
    FROM box WHERE mailbox IS NOT NULL"""


def heads(connection: Connection, accounts: Sequence[str]) -> dict[Queue, float]:
    """When the next message of each queue is due (seconds since the epoch), of those in which mail waits."""
    found: dict[Queue, float] = {}
    for account in accounts:
        for mailbox, *times in connection.execute(_HEADS, (account,) * 5).fetchall():
            found[Queue(account, mailbox)] = min(at for at in times if at is not None)
    return found
