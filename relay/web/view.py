"""What the administration works with, handed in by the service: it never reaches into the parts itself."""

from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from relay import log
from relay.config import Settings
from relay.metrics.traffic import Traffic
from relay.metrics.visits import VisitorBook
from relay.mime import Header
from relay.model import Clock, Envelope, LaneStatus
from relay.oauth import ConsentStore, TokenSource
from relay.policy import ClientPolicy, Policy, Refusal
from relay.spool import Spool, Submission, Upload
from relay.spool.administration import Administration
from relay.web.sessions import Sessions
from relay.web.sink.plane import Plane

Check = Callable[[str, str, str], Awaitable[bool | None]]
"""(user name, password, peer address): whether the password is right; None when too many are being checked."""
HandIn = Callable[[ClientPolicy, Envelope, list[Header], bytes, Upload, str], Awaitable[Submission | Refusal]]
"""(client, envelope, header block, body, a new upload, peer): queue a message as the listeners would, or their refusal.

Raises StorageError or OSError when nothing can be stored now.
"""
Reload = Callable[[str], Awaitable["Reading"]]
"""Reads the configuration again, for the reason that is given, and uses it where it is good."""
_MOST_CHANGES = 200


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of reading the configuration again at `at` (seconds since the epoch), which `why` brought about.

    With `problems` nothing of it is used, and the old one stays.
    """

    at: float
    why: str
    changes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()
    """The keys that have other values, which need a restart."""

    @property
    def lines(self) -> list[str]:
        """All of it for people."""
        if self.problems:
            return [*self.problems, "The configuration that runs is still the old one"]
        told = list(self.changes) or ["Nothing has changed"]
        return [*told, f"These keys need a restart: {', '.join(self.restart)}"] if self.restart else told


@dataclass(frozen=True, slots=True)
class Change:
    """Something that somebody changed: `at` in seconds since the epoch, `result` what came of it."""

    at: float
    who: str
    peer: str
    what: str
    target: str
    result: str


class Audit:
    """Every change by page or API: a line in the log, and the last ones here."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: deque[Change] = deque(maxlen=_MOST_CHANGES)

    def note(self, who: str, peer: str, what: str, target: str, result: str) -> None:
        """Write down one change."""
        log.admin.changed(who, peer, what, target, result)
        self._kept.appendleft(Change(self._clock.time(), who, peer, what, target, result))

    @property
    def changes(self) -> tuple[Change, ...]:
        """The newest first."""
        return tuple(self._kept)


@dataclass(frozen=True)
class View:
    """The relay as its page sees it. What may be exchanged while it runs is asked for each time."""

    clock: Clock
    spool: Spool
    queue: Administration
    settings: Callable[[], Settings]
    policy: Callable[[], Policy]
    hand_in: HandIn
    sources: Callable[[], Mapping[str, TokenSource]]
    consents: ConsentStore
    lanes: Callable[[], Sequence[LaneStatus]]
    listening: Sequence[str]
    started_at: float
    troubles: Callable[[], Awaitable[Sequence[str]]]
    """Why the relay is not ready to take or send mail; empty when all is well."""
    unreported: Callable[[], Awaitable[tuple[int, int]]]
    """(messages of whose failure nobody could be told, reports that could not be sent)."""
    plane: Plane
    """The sink, as its API sees it."""
    traffic: Traffic
    visitors: VisitorBook
    sessions: Sessions
    audit: Audit
    addresses: Sequence[str] = ()
    """Those of the page itself, with the base path and a slash at the end."""
    password: Callable[[], Check | None] = lambda: None
    """What checks a password; None while none is configured."""
    reload: Reload | None = None
    reading: Callable[[], Reading | None] = lambda: None
    """What came of the last time that the configuration was read; None when that was at the start."""
    sandbox: Sequence[str] = field(default_factory=tuple)
    """What to tell about the stand-in provider, when there is one."""
    received: Callable[[], Sequence[Mapping[str, Any]]] | None = None
    """What the stand-in provider received, when there is one."""

    wake: Callable[[], None] = lambda: None
    """Delivery is to look into the queue: somebody changed it."""
    stopping: Callable[[], bool] = lambda: False

    @property
    def check(self) -> Check | None:
        """What checks a password now; None: no password is configured."""
        return self.password()

    def print_link(self) -> None:
        """Write a new one-time link into the log."""
        token = self.sessions.new_link()
        log.admin.one_time_link([f"{address}login?once={token}" for address in self.addresses])
