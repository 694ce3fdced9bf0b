"""What the log says about reports of mail that was not delivered."""

import logging
from collections.abc import Sequence

from relay.log.writing import event, people


def queued(message_id: str, report_id: str, action: str, to: str, recipients: Sequence[str]) -> None:
    text = f"{message_id}: {to} is told by {report_id} that it {_WORDS[action]} for {people(recipients)}"
    facts = {"id": message_id, "report": report_id, "action": action, "to": to}
    event(logging.INFO, "report", text, recipients=list(recipients), **facts)


def untold(message_id: str, action: str, reason: str) -> None:
    text = f"{message_id}: nobody is told that it {_WORDS[action]}: {reason}"
    event(logging.WARNING, "untold", text, id=message_id, action=action, reason=reason)


def not_sent(report_id: str, to: str, reason: str) -> None:
    text = f"{report_id}: a report to {to} could not be sent and is kept as failed: {reason}"
    event(logging.ERROR, "report failed", text, id=report_id, to=to, reason=reason)


def sent_anew(report_id: str, sender: str) -> None:
    text = f"{report_id}: the server takes no null sender: the report is sent as {sender}"
    event(logging.INFO, "report", text, id=report_id, sender=sender)


_WORDS = {"failed": "was not delivered", "delayed": "is delayed", "relayed": "was sent on"}
