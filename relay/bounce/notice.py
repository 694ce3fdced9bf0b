"""What a report says, as values."""

from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    """What became of a recipient (RFC 3464 2.3.3)."""

    FAILED = "failed"
    DELAYED = "delayed"
    RELAYED = "relayed"
    """Handed to a mail system that does not report a delivery itself."""


@dataclass(frozen=True, slots=True)
class Told:
    """One recipient: the upstream's last reply, the hint that goes with it, and the address as the client knew it.

    `orcpt` is the client's ORCPT parameter as it was written, "" without one. `code` is 0 before the first attempt.
    """

    address: str
    action: Action
    code: int
    status: str
    text: str
    hint: str = ""
    orcpt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One report about one message.

    `author` and `to` are the report's own addresses. `remote` is the server that spoke last, "" if none did. `body` is
    None when it is not sent back. Times are seconds since the epoch; `retry_until` is None unless it is tried again.
    """

    report_id: str
    hostname: str
    now: float
    author: str
    to: str
    message: str
    """The relay's id of the message that this is about."""
    sender: str
    subject: str
    message_id: str
    client: str
    peer: str
    account: str
    received_at: float
    recipients: tuple[Told, ...]
    remote: str = ""
    envid: str = ""
    retry_until: float | None = None
    headers: bytes = b""
    body: bytes | None = None

    @property
    def action(self) -> Action:
        """The worst that has happened: what the report is called after."""
        actions = {told.action for told in self.recipients}
        return next(action for action in Action if action in actions)
