"""What the log says about the queue."""

import logging
from collections.abc import Sequence

from relay.log.writing import event, people


def message_queued(
    message_id: str, *, sender: str, recipients: Sequence[str], size: int, client: str, peer: str, account: str
) -> None:
    who = f"{client} ({peer})"
    text = f"{message_id}: queued {size:,} octets from <{sender}> for {people(recipients)}, by {who}, to {account}"
    facts = {"id": message_id, "client": client, "peer": peer, "account": account, "size": size}
    event(logging.INFO, "queued", text, sender=sender, recipients=len(recipients), **facts)


def message_damaged(message_id: str, reason: str) -> None:
    text = f"{message_id}: set aside as corrupt: {reason}. It is kept and not tried again"
    event(logging.ERROR, "corrupt", text, id=message_id, reason=reason)


def message_expired(message_id: str, account: str, reason: str) -> None:
    text = f"{message_id}: failed: it waited longer than max_age. Last: {reason or 'no attempt was possible'}"
    event(logging.ERROR, "expired", text, id=message_id, account=account, reason=reason)
