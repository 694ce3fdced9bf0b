"""What the log says about what people and programs change by HTTP."""

import logging
from collections.abc import Sequence

from relay.log.writing import event, people


def released(message_id: str, queue_id: str, account: str, recipients: Sequence[str], peer: str) -> None:
    """Caught mail was sent on."""
    text = f"{message_id}: released as {queue_id} through {account} to {people(recipients)}, by {peer}"
    facts = {"id": message_id, "queue_id": queue_id, "account": account, "recipients": list(recipients), "peer": peer}
    event(logging.INFO, "released", text, **facts)


def database_unreadable(reason: str) -> None:
    event(logging.ERROR, "storage", f"the page cannot read the database: {reason}", reason=reason)
