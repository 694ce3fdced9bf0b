"""The last thing that went wrong for an account's mail, for those who look for its cause."""

import json
from dataclasses import dataclass
from typing import Any

from relay.database import Connection


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
    row = connection.execute(
        """SELECT message.seq, id, state, sender, ended_at, results FROM attempt JOIN message ON seq = message
           WHERE account = ? ORDER BY ended_at DESC LIMIT 1""",
        (account,),
    ).fetchone()
    if row is None:
        return None
    seq, identifier, state, sender, at, results = row
    recipient, (outcome, code, status, text) = _worst(json.loads(results))
    hint = connection.execute(
        "SELECT hint FROM recipient WHERE message = ? AND address = ?", (seq, recipient)
    ).fetchone()
    sent = connection.execute(
        "SELECT max(done_at) FROM message WHERE account = ? AND state = 'sent'", (account,)
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
        sent_at=sent[0],
    )


def _worst(results: dict[str, list[Any]]) -> tuple[str, list[Any]]:
    """A recipient who was refused for good, else one who has to wait."""
    order = ("failed", "deferred", "sent")
    return min(results.items(), key=lambda item: order.index(item[1][0]))
