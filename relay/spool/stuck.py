"""Mailboxes in trouble, as the attempts of their mail tell it to who looks beside the relay, which knows by itself."""

import json
from dataclasses import dataclass
from typing import Any

from relay.database import Connection


@dataclass(frozen=True, slots=True)
class Stuck:
    """A mailbox that could not send, and from which nothing has gone out since: its mail waits untried.

    `mailbox` is "" where the account has one of its own. `at`, in seconds since the epoch, is the end of the last
    attempt, with the message `id`; `reply` is what came of it, `hint` what was said to do about it.
    """

    account: str
    mailbox: str
    id: str
    at: float
    reply: str
    hint: str

    def __str__(self) -> str:
        return f"{self.reply} -- {self.hint}" if self.hint else self.reply


def stuck(connection: Connection) -> list[Stuck]:
    """The mailboxes in trouble, by account.

    Only trouble with the mailbox gives an attempt back (DESIGN promise 3): its number is above the message's count.
    """
    rows = connection.execute(
        """SELECT account, mailbox, seq, id, results, max(ended_at) FROM attempt CROSS JOIN message ON seq = message
           WHERE number > attempts - (state = 'active') GROUP BY account, mailbox ORDER BY account, mailbox"""
    ).fetchall()
    return [_stuck(connection, row) for row in rows if not _over(connection, row[0], row[1], row[5])]


def _stuck(connection: Connection, row: Any) -> Stuck:
    account, mailbox, seq, identifier, results, at = row
    deferred = ((who, result) for who, result in json.loads(results).items() if result[0] == "deferred")
    who, (_, code, status, text) = next(deferred, ("", ("", "", "", "")))
    hint = connection.execute("SELECT hint FROM recipient WHERE message = ? AND address = ?", (seq, who)).fetchone()
    return Stuck(account, mailbox, identifier, at, f"{code} {status} {text}".strip(), hint[0] if hint else "")


def _over(connection: Connection, account: str, mailbox: str, at: float) -> bool:
    """Whether anything has gone out since: a whole message, or one to some of its recipients."""
    whole = """SELECT 1 FROM message WHERE done_at IS NOT NULL AND done_at > ? AND state = 'sent' AND account = ?
               AND mailbox = ? LIMIT 1"""
    partly = """SELECT 1 FROM attempt CROSS JOIN message ON seq = message
                WHERE ended_at > ? AND account = ? AND mailbox = ? AND results LIKE '%: ["sent", %' LIMIT 1"""
    return any(connection.execute(query, (at, account, mailbox)).fetchone() for query in (whole, partly))
