"""What the log says about attempts, pauses and trouble on the way out."""

import logging
from collections.abc import Sequence

from relay.log.writing import duration, event


def attempt_ended(
    message_id: str, account: str, attempt: int, results: Sequence[tuple[str, str, str, str]], again: str
) -> None:
    """One line for each different reply: (recipients, outcome, reply, hint). `again` says when it is tried again."""
    for people, outcome, reply, hint in results:
        told = f"; {again}" if outcome == "deferred" else ""
        text = f"{message_id}: {outcome} to {people} by {account}: {reply}{told}{f'. {hint}' if hint else ''}"
        level = {"sent": logging.INFO, "deferred": logging.WARNING}.get(outcome, logging.ERROR)
        facts = {"id": message_id, "account": account, "attempt": attempt, "recipients": people, "reply": reply}
        event(level, outcome, text, hint=hint, **facts)


def identity_paused(identity: str, seconds: float, reason: str) -> None:
    text = f"{identity}: paused for {duration(seconds)}, its mail waits: {reason}"
    event(logging.WARNING, "paused", text, identity=identity, seconds=round(seconds), reason=reason)


def diverted(message_id: str, account: str, to: str, reason: str) -> None:
    text = f"{message_id}: goes through {to}, as {account} is in trouble: {reason}"
    event(logging.WARNING, "diverted", text, id=message_id, account=account, to=to, reason=reason)


def identity_recovered(identity: str) -> None:
    event(logging.INFO, "recovered", f"{identity}: works again", identity=identity)


def draining(attempts: int, seconds: float) -> None:
    event(logging.INFO, "draining", f"waiting up to {duration(seconds)} for {attempts} deliveries", attempts=attempts)


def leases_lost(messages: int) -> None:
    text = f"{messages} messages were leased and forgotten: they are due again"
    event(logging.WARNING, "leases", text, messages=messages)


def storage_trouble(reason: str) -> None:
    event(logging.ERROR, "storage", f"the queue cannot be written: {reason}", reason=reason)
