"""One identity's lane: how many attempts may run, how fast, whether it is paused, and how it is doing."""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from relay.delivery.schedule import PAUSES, backoff
from relay.delivery.terms import NONE, Terms
from relay.limits import Pace
from relay.model import Identity, LaneStatus, Result
from relay.spool import Claim, Room
from relay.upstream import Upstream

AHEAD = 64
"""Messages that stand in line, leased and in memory: without, each would cost a look into the queue and a commit.

Where a pace or an application's limit counts, or clients of different priority meet, none does: what comes later may be
more urgent.
"""

FAIR_SHARE = 5
"""Every fifth place goes to the message that has waited longest, whatever its priority: none waits for ever."""


@dataclass(eq=False)
class App:
    """An application at a provider: what runs at a time for all the mailboxes that it sends as."""

    limit: int = 0
    active: int = 0
    kept: int = 0
    """Places for messages that are being looked up in the queue."""


@dataclass(eq=False)
class Lane:
    """What belongs to an identity and not to a message (DESIGN 7). Two accounts on one mailbox share their lane."""

    identity: Identity
    upstreams: dict[str, Upstream] = field(default_factory=dict)
    concurrency: int = 1
    pace: Pace | None = None
    app: App | None = None
    largest: int | None = None
    """The most recipients in one transaction."""
    ahead: int = AHEAD
    """How many messages may stand in line."""
    active: int = 0
    line: deque[Claim] = field(default_factory=deque)
    """Leased messages that go as soon as there is a place."""
    expected: int = 0
    """Messages being committed that will come to the line without a look into the queue."""
    due_at: float | None = 0.0
    """When the next message is due, as far as is known: 0 = look now, None = none is waiting."""
    paused_until: float = 0.0
    failures: int = 0
    trouble: str = ""
    last_sent_at: float | None = None
    leased: int = 0
    """How many messages have been taken from the queue."""
    looked_at: float = 0.0
    """When the queue was last asked for them."""

    @property
    def accounts(self) -> tuple[str, ...]:
        return tuple(self.upstreams)

    @property
    def is_plain(self) -> bool:
        """Nothing counts here but its own attempts: a new message needs no look at the queue."""
        return self.pace is None and self.app is None

    def free(self, now: float) -> int:
        """How many attempts may be begun now: after a pause a single one, until it has shown that all is well."""
        if now < self.paused_until:
            return 0
        free = (1 if self.failures else self.concurrency) - self.active
        if self.app is not None:
            free = min(free, self.app.limit - self.app.active - self.app.kept)
        if self.pace is not None and free > 0:
            free = min(free, self.pace.messages)
        return max(0, free)

    @property
    def room(self) -> Room | None:
        """How many recipients the next messages may have."""
        return None if self.pace is None else Room(self.pace.recipients, self.pace.longest, self.largest)

    def wanted(self, now: float) -> int:
        """How many more messages may be leased: those that can go now, and in good times those that stand in line."""
        if not self.is_plain:
            return max(0, self.free(now) - len(self.line))
        if now < self.paused_until:
            return 0
        limit = 1 if self.failures else self.concurrency + self.ahead
        return max(0, limit - self.active - len(self.line) - self.expected)

    def keep(self, places: int) -> None:
        """Keep places of the application for what is being looked up; a negative number gives them back."""
        if self.app is not None:
            self.app.kept += places

    def hungry(self, now: float) -> bool:
        """It is worth a look into the queue: many can be taken together, not one whenever one has gone."""
        return (not self.ahead or len(self.line) + self.expected <= self.ahead // 4) and self.wanted(now) > 0

    def idle(self, now: float) -> bool:
        """Nothing waits that is due, and there is room: a new message may go out without a look into the queue."""
        waits = self.due_at is not None and self.due_at <= now
        return not waits and self.wanted(now) > 0

    def wake_at(self, now: float) -> float | None:
        """When this lane next has something to do; None when only an arrival or an attempt's end can change that."""
        if self.due_at is None:
            return None
        if self.hungry(now):
            return self.due_at
        if self.is_plain:
            return self.paused_until if now < self.paused_until else None
        limit = 1 if self.failures else self.concurrency
        at = max(self.due_at, self.paused_until)
        if self.active < limit and self.pace is not None:
            at = max(at, now + self.pace.wait())
        return at if self.active < limit and at > now and at < math.inf else None

    def expect(self, due_at: float | None) -> None:
        """Note when the next message is due, unless one has come while that was being looked up."""
        self.due_at = due_at if self.due_at is None else self.due_at

    def take(self, places: int) -> None:
        """Keep places; a negative number gives them back."""
        self.active += places
        if self.app is not None:
            self.app.active += places

    def by_age(self, places: int) -> int:
        """How many of the next `places` go to what has waited longest."""
        return (self.leased + places) // FAIR_SHARE - self.leased // FAIR_SHARE

    def pause(self, trouble: Result, reason: str, now: float, jitter: float) -> float:
        """Rest after `trouble`; returns the seconds. Results of attempts that were under way lengthen nothing."""
        if now >= self.paused_until:
            self.failures += 1
        wait = max(backoff(PAUSES, self.failures, jitter), trouble.retry_after or 0.0)
        self.paused_until = max(self.paused_until, now + wait)
        self.trouble = reason
        return wait

    def succeeded(self, now: float) -> bool:
        """Note that the upstream works; True when that ends a time of trouble."""
        recovered = self.failures > 0
        self.failures = 0
        self.paused_until = 0.0
        self.trouble = ""
        self.last_sent_at = now
        return recovered

    def clock_moved(self, seconds: float) -> None:
        """Follow a clock that was set."""
        self.due_at = 0.0
        if self.paused_until:
            self.paused_until += seconds
        if self.last_sent_at is not None:
            self.last_sent_at += seconds

    def status(self) -> LaneStatus:
        return LaneStatus(
            identity=str(self.identity),
            accounts=self.accounts,
            active=self.active,
            paused_until=self.paused_until,
            trouble=self.trouble,
            last_sent_at=self.last_sent_at,
        )


def lanes_of(
    upstreams: Mapping[str, Upstream], paces: Mapping[Identity, Pace], terms: Mapping[str, Terms]
) -> list[Lane]:
    """Group the upstreams of all accounts by identity."""
    lanes: dict[Identity, Lane] = {}
    apps: dict[str, App] = {}
    for name, upstream in upstreams.items():
        lane = lanes.setdefault(upstream.identity, Lane(upstream.identity, pace=paces.get(upstream.identity)))
        lane.upstreams[name] = upstream
        lane.concurrency = max(lane.concurrency, upstream.concurrency)
        own = terms.get(name, NONE)
        lane.largest = min(filter(None, (lane.largest, own.recipients)), default=None)
        if own.mixed:
            lane.ahead = 0
        if own.app:
            lane.app = apps.setdefault(own.app, App())
            lane.app.limit = max(lane.app.limit, own.app_concurrency)
    return list(lanes.values())
