"""One message with everything that is known of it: who is to have it, and each attempt with its times and replies."""

import json
from dataclasses import dataclass, replace

from relay.database import Connection
from relay.spool.endings import EXPIRED
from relay.spool.history import Summary, summaries
from relay.spool.queues import origin_of


@dataclass(frozen=True, slots=True)
class RecipientState:
    """How one recipient stands: `code`, `status` and `text` are the last reply, 0 and "" before there is one."""

    address: str
    state: str
    code: int
    status: str
    text: str
    hint: str


@dataclass(frozen=True, slots=True)
class PastAttempt:
    """One attempt. `started_at` is None where only the end is known: of mail that an earlier version has sent.

    Attempts that were given back, because the mailbox was in trouble and not the message, are not `counted`: they have
    the number of the next.
    """

    number: int
    started_at: float | None
    ended_at: float
    results: tuple[RecipientState, ...]
    counted: bool = True


@dataclass(frozen=True, slots=True)
class Details:
    """A message as `relay queue show` shows it. Times are seconds since the epoch."""

    summary: Summary
    listener: str
    peer: str
    helo: str
    login: str
    tls: str
    expires_at: float
    done_at: float | None
    recipients: tuple[RecipientState, ...]
    attempts: tuple[PastAttempt, ...]


def details(connection: Connection, seq: int) -> Details | None:
    """The message `seq`; None when it is gone."""
    found = summaries(connection, "seq = ?", [seq], 1)
    if not found:
        return None
    summary = found[0]
    origin, expires_at, done_at = connection.execute(
        "SELECT origin, expires_at, done_at FROM message WHERE seq = ?", (seq,)
    ).fetchone()
    source = origin_of(origin)
    recipients = tuple(
        RecipientState(*row)
        for row in connection.execute(
            "SELECT address, state, code, status, text, hint FROM recipient WHERE message = ? ORDER BY position", (seq,)
        ).fetchall()
    )
    made = _attempts(connection, seq)
    told = {one.address for before in made for one in before.results if one.state == "sent"}
    untold = tuple(one for one in recipients if one.state == "sent" and one.address not in told)
    if untold and done_at is not None:
        # Where it ended with an attempt, that is what the message's time is (see endings.py).
        expired = any(one.state == "failed" and one.status == EXPIRED for one in recipients)
        began = summary.next_at if summary.next_at <= done_at and not expired else None
        made.append(PastAttempt(summary.attempts, began, done_at, untold))
    attempts = _counted(made, summary.attempts if summary.state == "active" else summary.attempts + 1)
    session = (source.listener, source.peer, source.helo, source.login, source.tls)
    return Details(summary, *session, expires_at, done_at, recipients, attempts)


def _counted(made: list[PastAttempt], following: int) -> tuple[PastAttempt, ...]:
    """The attempts, each held against the number of the next; that behind the last one is `following`."""
    numbers = [*(attempt.number for attempt in made[1:]), following]
    return tuple(
        replace(attempt, counted=attempt.number < after) for attempt, after in zip(made, numbers, strict=False)
    )


def _attempts(connection: Connection, seq: int) -> list[PastAttempt]:
    rows = connection.execute(
        "SELECT number, started_at, ended_at, results FROM attempt WHERE message = ? ORDER BY fence", (seq,)
    ).fetchall()
    return [
        PastAttempt(
            number,
            started_at,
            ended_at,
            tuple(
                RecipientState(address, outcome, code, status, text, "")
                for address, (outcome, code, status, text) in json.loads(results).items()
            ),
        )
        for number, started_at, ended_at, results in rows
    ]
