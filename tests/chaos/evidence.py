"""What everybody saw: the clients their replies, the stand-in what it took, the relay's log, and who broke what when.

All times are seconds since the epoch, by the one clock of this machine.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from relay.sandbox import Fault

_ADDRESS = re.compile(r"<([^<>]*)>")


class End(StrEnum):
    """How a client's transaction ended."""

    ACCEPTED = "accepted"
    """It heard 250: the relay has promised delivery."""
    REFUSED = "refused"
    """It heard another code: nothing may be delivered."""
    UNFINISHED = "unfinished"
    """It never sent the final dot: nothing may be delivered."""
    UNKNOWN = "unknown"
    """It sent the final dot and heard nothing: the message may be delivered or not."""


@dataclass
class Entry:
    """A message that a client began to send."""

    key: str
    client: str
    recipients: tuple[str, ...]
    size: int
    at: float
    end: End = End.UNFINISHED
    reply: str = ""


@dataclass(frozen=True)
class Copy:
    """A message that the stand-in took; `key` is "" for what no client wrote (a report)."""

    at: float
    way: str
    mailbox: str
    recipients: tuple[str, ...]
    key: str
    whole: bool
    relay_id: str


@dataclass(frozen=True)
class Line:
    """What the relay's log says about one recipient after an attempt: `outcome` is sent, deferred or failed."""

    at: float
    outcome: str
    message_id: str
    recipient: str
    text: str


@dataclass(frozen=True)
class Strike:
    """A fault that has struck."""

    at: float
    fault: Fault


@dataclass
class Life:
    """One life of the relay, from start to kill; `killed_at` is 0 for one that ended by itself."""

    number: int
    started_at: float
    killed_at: float = 0.0
    events: Sequence[dict[str, Any]] = ()
    strange: Sequence[str] = ()
    """Lines of its output that are no log lines."""


@dataclass
class Evidence:
    """All of it."""

    entries: dict[str, Entry] = field(default_factory=dict)
    copies: list[Copy] = field(default_factory=list)
    lives: list[Life] = field(default_factory=list)
    strikes: list[Strike] = field(default_factory=list)
    outages: list[float] = field(default_factory=list)
    """When the stand-in was taken down."""

    @property
    def kills(self) -> list[float]:
        return [life.killed_at for life in self.lives if life.killed_at]

    def lines(self) -> Iterator[Line]:
        """What the log says about each recipient."""
        for life in self.lives:
            for event in life.events:
                if event.get("event") in ("sent", "deferred", "failed"):
                    for recipient in _ADDRESS.findall(event["recipients"]):
                        yield Line(
                            seconds(event["time"]), event["event"], event["id"], recipient.lower(), event["message"]
                        )


def seconds(stamp: str) -> float:
    """The time of a log line, in seconds since the epoch."""
    return datetime.fromisoformat(stamp).timestamp()
