"""The few data types that every part of the relay shares.

Values only: nothing here does I/O, and everything is frozen, so that a message or a result can cross from one part to
another without either being able to change it behind the other's back.
"""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Protocol


class Outcome(StrEnum):
    """What became of one recipient in one attempt."""

    SENT = "sent"
    """The upstream has taken responsibility (RFC 5321 4.2.5)."""
    DEFERRED = "deferred"
    """Not now: the message stays in the queue and is tried again."""
    FAILED = "failed"
    """Never: trying again cannot help."""


class Scope(StrEnum):
    """How far the reason for a result reaches (docs/architecture.md, promise 3)."""

    RECIPIENT = "recipient"
    MESSAGE = "message"
    IDENTITY = "identity"
    """This mailbox is in trouble, not the message: pause it, the message keeps its attempts."""
    ACCOUNT = "account"
    """The whole account is in trouble (its token endpoint, its tenant): pause everything that it carries."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one recipient: always complete, never an exception.

    `code` is the SMTP reply code (or the one that says the same for an HTTP upstream), `status` the enhanced status
    code of RFC 3463 ("2.0.0"), `text` what the upstream said, in one line without control characters, `retry_after`
    the seconds that the upstream asked us to wait, `hint` the cause and the next step for the person who reads it.
    """

    outcome: Outcome
    code: int
    status: str
    text: str
    scope: Scope = Scope.RECIPIENT
    retry_after: float | None = None
    hint: str = ""
    passed_on: bool = False
    """The upstream has taken over what the client asked to be told (RFC 3461 5.2.1)."""
    uncertain: bool = False
    """The message may have been taken all the same: no other way or account may send it too."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who speaks to a provider: what rate, concurrency, pauses and connections belong to (docs/architecture.md)."""

    provider: str
    cloud: str
    tenant: str
    mailbox: str

    def __str__(self) -> str:
        return "/".join(part for part in (self.provider, self.cloud, self.tenant, self.mailbox) if part)


@dataclass(frozen=True, slots=True)
class DsnWishes:
    """What a client asked to be told (RFC 3461 4), each value as it was written, "" or absent where it said nothing.

    `ret` is FULL or HDRS, `envid` in xtext; `notify` and `orcpt` are by recipient. `notify` is NEVER, or some of
    SUCCESS, FAILURE and DELAY.
    """

    ret: str = ""
    envid: str = ""
    notify: Mapping[str, str] = field(default_factory=dict)
    orcpt: Mapping[str, str] = field(default_factory=dict)

    def wants(self, recipient: str, event: str) -> bool:
        """Whether `event` (SUCCESS, FAILURE, DELAY) is to be told; who said nothing hears of failures and delays."""
        said = self.notify.get(recipient, "")
        return event in said.split(",") if said else event != "SUCCESS"


@dataclass(frozen=True, slots=True)
class Envelope:
    """The SMTP envelope (RFC 5321 2.3.1): it alone decides who receives.

    `sender` is the reverse-path without brackets, "" for the null sender. `eight_bit` says that the content holds
    octets above 127, whatever the client declared; `smtputf8` that an address or header needs RFC 6531.
    """

    sender: str
    recipients: tuple[str, ...]
    eight_bit: bool = False
    smtputf8: bool = False
    dsn: DsnWishes | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a message came from: what the log, the page and `Received` tell of its session."""

    client: str
    listener: str
    peer: str
    helo: str = ""
    login: str = ""
    tls: str = ""
    conversation: str = ""
    """What was said up to the data, a line each ("C: ", "S: "); kept for clients of a sink only."""


class Body(Protocol):
    """A stored message body: lines end in CRLF and are not dot-stuffed.

    `size` is in octets; `dots` counts the lines that begin with a dot: at 0 the stored form is the wire form.
    """

    @property
    def size(self) -> int: ...

    @property
    def dots(self) -> int: ...

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield the octets in order, in pieces of any size; may be called again for the next attempt."""
        ...


@dataclass(frozen=True, slots=True)
class MemoryBody:
    """A body that is small enough to be kept in memory."""

    data: bytes
    dots: int

    @classmethod
    def of(cls, data: bytes) -> "MemoryBody":
        """Count the dots of `data`, whose lines end in CRLF."""
        return cls(data, data.count(b"\n.") + data.startswith(b"."))

    @property
    def size(self) -> int:
        return len(self.data)

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self.data


@dataclass(frozen=True, slots=True)
class Message:
    """A message on its way out: one attempt's view of it.

    `envelope.recipients` are those that are still to be delivered in this attempt. `headers` is the whole header
    block, each line ending in CRLF, without the empty line that separates it from the body. Times are seconds since
    the epoch; `attempt` counts from 1.
    """

    id: str
    account: str
    envelope: Envelope
    headers: bytes
    body: Body
    origin: Origin
    received_at: float
    attempt: int = 1

    @property
    def size(self) -> int:
        """Octets of the whole message as RFC 1870 counts them."""
        return len(self.headers) + 2 + self.body.size


Priority = Literal["high", "normal", "low"]
"""Whose mail goes first. What waits longest has a share of the places whatever its priority."""


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` of `unit` in any `seconds`.

    With a `burst` they are spread: so many at once, then one each `seconds / count`, which makes at most
    `count + burst` in any `seconds`.
    """

    count: int
    unit: Literal["messages", "recipients"]
    seconds: float
    burst: int | None = None

    @property
    def most(self) -> int:
        """The most in any `seconds`."""
        return self.count + (self.burst or 0)


Results = dict[str, Result]
"""The result of one attempt, by recipient: each recipient of the message's envelope is a key."""


class Clock:
    """Time, to be handed in: tests turn it by hand, nothing sleeps for real in them."""

    def time(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that never jump, from an arbitrary start."""
        return time.monotonic()

    def elapsed(self) -> float:
        """As `monotonic`, but it goes on while the machine sleeps, where the system has such a clock."""
        return time.clock_gettime(time.CLOCK_BOOTTIME) if sys.platform == "linux" else time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def wait(self, event: asyncio.Event, seconds: float) -> None:
        """Wait until `event` is set, at most `seconds`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()


@dataclass(frozen=True, slots=True)
class LaneStatus:
    """How one identity is doing: what the page shows of it. Times are seconds since the epoch."""

    identity: str
    accounts: tuple[str, ...]
    active: int
    paused_until: float
    trouble: str
    last_sent_at: float | None
    mailbox: str = ""
    """Whose it is, where its account acts as whoever sends; "" for an account's own, and for one as a whole."""
