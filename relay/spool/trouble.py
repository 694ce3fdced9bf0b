"""The last thing that went wrong for an account's mail, for those who look for its cause."""

import json
from dataclasses import dataclass
from typing import Any

from relay.database import Connection

Row = tuple[int, str, str, str, float, str]
_LATELY = 500
"""Attempts that are looked at first: to find an account's among all takes a look at the message of each."""


@dataclass(frozen=True, slots=True)
class LastTrouble:
    """One recipient's result in the last attempt of an account that did not go well.

    `at` and `sent_at`, the last time that a message went out whole (None: never), are in seconds since the epoch.
    `reply` is code, enhanced code and text; `hint` what was said to do about it; `state` the message's own by now.
    """

    id: str
    state: str
    at: float
    sender: str
    recipient: str
    outcome: str
    reply: str
    hint: str
    sent_at: float | None

    @property
    def over(self) -> bool:
        """Whether mail has gone out since."""
        return self.sent_at is not None and self.sent_at > self.at


def last_trouble(connection: Connection, account: str) -> LastTrouble | None:
    """What the newest attempt that went wrong came to; None when none is kept."""
    row = _newest(connection, account, _LATELY) or _newest(connection, account, -1)
    if row is None:
        return None
    seq, identifier, state, sender, at, results = row
    recipient, (outcome, code, status, text) = _worst(json.loads(results))
    hint = connection.execute(
        "SELECT hint FROM recipient WHERE message = ? AND address = ?", (seq, recipient)
    ).fetchone()
    sent = connection.execute(
        """SELECT done_at FROM message WHERE done_at IS NOT NULL AND account = ? AND state = 'sent'
           ORDER BY done_at DESC LIMIT 1""",
        (account,),
    ).fetchone()
    return LastTrouble(
        id=identifier,
        state=state,
        at=at,
        sender=sender,
        recipient=recipient,
        outcome=outcome,
        reply=f"{code} {status} {text}",
        hint=hint[0] if hint is not None else "",
        sent_at=sent[0] if sent is not None else None,
    )


def _newest(connection: Connection, account: str, most: int) -> Row | None:
    """Of the newest `most` attempts that went wrong, -1 for all, the last of that account."""
    found: Row | None = connection.execute(
        """SELECT seq, id, state, sender, ended_at, results
           FROM (SELECT message, ended_at, results FROM attempt ORDER BY ended_at DESC LIMIT ?) CROSS JOIN message
           WHERE seq = message AND account = ? ORDER BY ended_at DESC LIMIT 1""",
        (most, account),
    ).fetchone()
    return found


def _worst(results: dict[str, list[Any]]) -> tuple[str, list[Any]]:
    """A recipient who was refused for good, else one who has to wait."""
    order = ("failed", "deferred", "sent")
    return min(results.items(), key=lambda item: order.index(item[1][0]))
