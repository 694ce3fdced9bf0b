"""What the sandbox has taken: kept in memory, bounded, for tests and people to look at."""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, overload

from relay import log
from relay.sandbox import mail


@dataclass(frozen=True, slots=True)
class Received:
    """One message that was taken.

    `raw` is what arrived, to the octet (dots unstuffed); `delivered` what a recipient would see. `sender` and
    `recipients` are those that the mail is delivered for: the envelope at SMTP, the header fields at Graph.
    `mail_parameters` and `recipient_parameters` are those of MAIL and of each RCPT, as they were written.
    """

    number: int
    way: Literal["smtp", "graph", "gmail"]
    at: float
    mailbox: str
    sender: str
    recipients: tuple[str, ...]
    raw: bytes
    subject: str
    message_id: str
    new_message_id: str
    reply: str
    mail_parameters: str = ""
    recipient_parameters: tuple[str, ...] = ()
    dropped_fields: frozenset[str] = frozenset()
    saved: bool = True
    """Whether a copy went to the mailbox's sent mail (of what came by an API)."""

    @property
    def size(self) -> int:
        return len(self.raw)

    @property
    def delivered(self) -> bytes:
        """The message after Microsoft's changes: its own Message-ID, and at Graph some fields gone."""
        return mail.rewritten(self.raw, self.new_message_id, lambda name: name in self.dropped_fields)

    def as_json(self) -> dict[str, Any]:
        """What the control endpoint lists."""
        return {
            "number": self.number,
            "way": self.way,
            "at": self.at,
            "mailbox": self.mailbox,
            "sender": self.sender,
            "recipients": list(self.recipients),
            "subject": self.subject,
            "size": self.size,
            "message_id": self.message_id,
            "new_message_id": self.new_message_id,
            "reply": self.reply,
            "mail_parameters": self.mail_parameters,
            "recipient_parameters": list(self.recipient_parameters),
        }


class ReceivedList(Sequence[Received]):
    """The newest messages, newest last; `total` and `total_bytes` count those that are gone, too."""

    def __init__(self, keep_messages: int, keep_bytes: int) -> None:
        self._keep_messages = keep_messages
        self._keep_bytes = keep_bytes
        self._kept: deque[Received] = deque()
        self._kept_bytes = 0
        self._arrived = asyncio.Event()
        self.total = 0
        self.total_bytes = 0

    def add(self, message: Received) -> None:
        """Keep `message`; its `number` must be `next_number`."""
        self.total += 1
        self.total_bytes += message.size
        self._kept.append(message)
        self._kept_bytes += message.size
        while len(self._kept) > self._keep_messages or (self._kept_bytes > self._keep_bytes and len(self._kept) > 1):
            self._kept_bytes -= self._kept.popleft().size
        log.sandbox.took(message.way, message.subject, message.sender, message.recipients, message.size, message.reply)
        self._arrived.set()
        self._arrived = asyncio.Event()

    @property
    def next_number(self) -> int:
        """Numbers start at 1 and are never used again."""
        return self.total + 1

    async def wait(self, total: int = 1, within: float = 10) -> None:
        """Wait until `total` messages have arrived since the start. Raises TimeoutError after `within` seconds."""
        try:
            async with asyncio.timeout(within):
                while self.total < total:
                    await self._arrived.wait()
        except TimeoutError:
            text = f"{self.total} of {total} messages have arrived within {within:g} seconds"
            raise TimeoutError(text) from None

    def numbered(self, number: int) -> Received | None:
        """The message with this number, if it is still kept."""
        return next((message for message in self._kept if message.number == number), None)

    def clear(self) -> None:
        """Forget what was kept; the counts stay."""
        self._kept.clear()
        self._kept_bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[Received]:
        return iter(tuple(self._kept))

    @overload
    def __getitem__(self, index: int) -> Received: ...

    @overload
    def __getitem__(self, index: slice) -> list[Received]: ...

    def __getitem__(self, index: int | slice) -> Received | list[Received]:
        return list(self._kept)[index]
