"""What the log says about the queue."""

import logging
from collections.abc import Sequence

from relay.log.writing import duration, event, people


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


def no_room(reason: str) -> None:
    text = f"new mail is refused (452) until there is room: {reason}. What is in the queue still goes out"
    event(logging.ERROR, "full", text, reason=reason)


def room_again() -> None:
    event(logging.WARNING, "room", "there is room for new mail again")


def storage_trouble(reason: str) -> None:
    text = f"the queue cannot be written, new mail is refused (452) and nothing goes out until it can: {reason}"
    event(logging.ERROR, "storage", text, reason=reason)


def storage_restored() -> None:
    event(logging.WARNING, "storage_restored", "the queue can be written again")


def storage_unreadable(reason: str) -> None:
    text = f"the queue cannot be read, new mail is refused (452) until it can: {reason}"
    event(logging.ERROR, "storage", text, reason=reason)


def storage_readable() -> None:
    event(logging.WARNING, "storage_restored", "the queue can be read again")


def file_left(error: OSError) -> None:
    reason = error.strerror or str(error)
    text = f"{error.filename}: cannot be deleted, and no message needs it any more: {reason}. Delete it by hand"
    event(logging.WARNING, "file_left", text, file=str(error.filename), reason=reason)


def bodies_of_another(folder: str, mark: str) -> None:
    text = (
        f"{folder} holds large messages of another database, too, or did: nothing is tidied up there. If only the one "
        f"in use is ever to be used again, delete {mark} and start the relay anew"
    )
    event(logging.WARNING, "bodies_of_another", text, folder=folder, mark=mark)


def clock_moved(seconds: float, messages: int) -> None:
    way = "forward" if seconds > 0 else "back"
    moved = f"the times of {messages} waiting messages were moved with it"
    text = f"this machine's clock was set {way} by {duration(abs(seconds))}: {moved}"
    event(logging.WARNING, "clock", text, seconds=round(seconds), messages=messages)
