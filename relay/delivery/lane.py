"""One identity's lane: how many attempts may run, how fast, whether it is paused, and how it is doing."""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from relay import log
from relay.delivery.pause import Pause
from relay.limits import Pace
from relay.model import Identity, LaneStatus
from relay.spool import Claim, Queue, Room
from relay.upstream import Upstream

AHEAD = 64
"""Messages that stand in line, leased and in memory: without, each would cost a look into the queue and a commit.

Where a pace counts, or lanes share their places, or clients of different priority meet, none does: what comes later may
be more urgent.
"""

FAIR_SHARE = 5
"""Every fifth place goes to the message that has waited longest, whatever its priority: none waits for ever."""


@dataclass(eq=False)
class Whole:
    """An account that acts as whoever sends: what the lanes of its mailboxes share.

    The token endpoint and the tenant are in trouble for all of them together. At most `limit` attempts run at a time:
    lanes that find no place wait for one in turn.
    """

    account: str
    identity: Identity
    limit: int
    pause: Pause = field(default_factory=Pause)
    active: int = 0
    kept: int = 0
    """Places for messages that are being looked up in the queue."""
    waiting: "dict[Lane, None]" = field(default_factory=dict)
    """The lanes that have mail and found no place, in the order in which they came."""
    last_sent_at: float | None = None

    def free(self, now: float) -> int:
        """How many attempts may be begun now, whatever the mailbox."""
        if now < self.pause.until:
            return 0
        return max(0, (1 if self.pause.failures else self.limit) - self.active - self.kept)

    def next(self, now: float) -> "list[Lane]":
        """The lanes for which there is a place now; they wait no longer."""
        found = list(self.waiting)[: self.free(now)] if self.waiting else []
        for lane in found:
            del self.waiting[lane]
        return found

    def __str__(self) -> str:
        return f"{self.identity} (every mailbox)"

    def has(self, queue: Queue) -> bool:
        """Whether `queue` is one of its own."""
        return queue.account == self.account

    def clock_moved(self, seconds: float) -> None:
        """Follow a clock that was set."""
        self.pause.clock_moved(seconds)
        if self.last_sent_at is not None:
            self.last_sent_at += seconds

    def status(self) -> LaneStatus:
        return LaneStatus(
            str(self), (self.account,), self.active, self.pause.until, self.pause.trouble, self.last_sent_at
        )


@dataclass(eq=False)
class Lane:
    """What belongs to an identity and not to a message. Two accounts on one mailbox share their lane."""

    identity: Identity
    queues: tuple[Queue, ...]
    upstreams: Mapping[str, Upstream]
    concurrency: int = 1
    pace: Pace | None = None
    wholes: tuple[Whole, ...] = ()
    """Those of its accounts that act as whoever sends."""
    largest: int | None = None
    """The most recipients in one transaction."""
    ahead: int = AHEAD
    """How many messages may stand in line."""
    diverts: bool = False
    """Another account takes over mail while it is paused."""
    pause: Pause = field(default_factory=Pause)
    active: int = 0
    line: deque[Claim] = field(default_factory=deque)
    """Leased messages that go as soon as there is a place."""
    expected: int = 0
    """Messages being committed that will come to the line without a look into the queue."""
    due_at: float | None = 0.0
    """When the next message is due, as far as is known: 0 = look now, None = none is waiting."""
    last_sent_at: float | None = None
    used_at: float = 0.0
    """When it last had something to do."""
    leased: int = 0
    """How many messages have been taken from the queue."""

    def __str__(self) -> str:
        return str(self.identity)

    def has(self, queue: Queue) -> bool:
        """Whether `queue` is one of its own."""
        return queue in self.queues

    @property
    def has_own(self) -> bool:
        """Whether an account has this mailbox as its own; else it comes and goes with a sender."""
        return len(self.wholes) < len(self.upstreams)

    @property
    def is_plain(self) -> bool:
        """Nothing counts here but its own attempts: a new message needs no look at the queue."""
        return self.pace is None and not self.wholes

    @property
    def paused_until(self) -> float:
        """Its own pause, or that of its whole account."""
        return (
            max([self.pause.until, *(whole.pause.until for whole in self.wholes)]) if self.wholes else self.pause.until
        )

    @property
    def trouble(self) -> str:
        """Why it is paused."""
        return self.pause.trouble or next((whole.pause.trouble for whole in self.wholes if whole.pause.trouble), "")

    @property
    def limit(self) -> int:
        """How many attempts may run at a time: after a pause a single one, until it has shown that all is well."""
        return 1 if self.pause.failures else self.concurrency

    def free(self, now: float) -> int:
        """How many attempts may be begun now."""
        if now < self.paused_until:
            return 0
        free = min([self.limit - self.active, *(whole.free(now) for whole in self.wholes)])
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
        if now < self.pause.until:
            return 0
        limit = 1 if self.pause.failures else self.concurrency + self.ahead
        return max(0, limit - self.active - len(self.line) - self.expected)

    def keep(self, places: int) -> None:
        """Keep places of the whole account for what is being looked up; a negative number gives them back."""
        for whole in self.wholes:
            whole.kept += places

    def hungry(self, now: float) -> bool:
        """It is worth a look into the queue: many can be taken together, not one whenever one has gone."""
        return (not self.ahead or len(self.line) + self.expected <= self.ahead // 4) and self.wanted(now) > 0

    def idle(self, now: float) -> bool:
        """Nothing waits that is due, and there is room: a new message may go out without a look into the queue."""
        waits = self.due_at is not None and self.due_at <= now
        return not waits and self.wanted(now) > 0

    def visit_at(self, now: float) -> float | None:
        """When this lane next has something to do; None when only an arrival or an attempt's end can change that."""
        if self.due_at is None:
            return None
        if self.hungry(now):
            return self.due_at
        if now < self.paused_until:
            return max(self.due_at, now if self.diverts else self.paused_until)
        if self.is_plain or self.active >= self.limit:
            return None
        at = self.due_at if self.pace is None else max(self.due_at, now + self.pace.wait())
        return at if now < at < math.inf else None

    def stand_in_line(self, now: float) -> None:
        """Wait for a place of the whole account, if that is what is missing."""
        if self.due_at is not None and self.due_at <= now and self.active < self.limit:
            for whole in self.wholes:
                if not whole.free(now):
                    whole.waiting[self] = None

    def follow(self, other: "Lane") -> None:
        """Be as `other` from now on, which is of the same identity; what is under way here counts on."""
        if self.upstreams != other.upstreams:
            self.pause.cut_short()  # what has changed may have ended the trouble: one attempt shows
        for whole in self.wholes:
            whole.active -= self.active
        for whole in other.wholes:
            whole.active += self.active
        self.queues, self.upstreams, self.wholes = other.queues, other.upstreams, other.wholes
        self.concurrency, self.largest, self.pace = other.concurrency, other.largest, other.pace
        self.ahead, self.diverts = other.ahead, other.diverts

    def expect(self, due_at: float | None) -> None:
        """Note when the next message is due, unless one has come while that was being looked up."""
        self.due_at = due_at if self.due_at is None else self.due_at

    def expect_by(self, due_at: float) -> None:
        """Note that one is due then, or earlier."""
        self.due_at = due_at if self.due_at is None else min(self.due_at, due_at)

    def take(self, places: int, now: float) -> None:
        """Keep places; a negative number gives them back."""
        self.used_at = now
        self.active += places
        for whole in self.wholes:
            whole.active += places

    def by_age(self, places: int) -> int:
        """How many of the next `places` go to what has waited longest."""
        return (self.leased + places) // FAIR_SHARE - self.leased // FAIR_SHARE

    def whole_of(self, account: str) -> Whole | None:
        """The account as a whole, if it has many mailboxes."""
        return next((whole for whole in self.wholes if whole.account == account), None)

    def succeeded(self, account: str, now: float) -> None:
        """A message has gone out: neither the mailbox nor its account is in trouble any more."""
        whole = self.whole_of(account)
        for each in (self, whole) if whole is not None else (self,):
            each.last_sent_at = now
            if each.pause.end():
                log.delivery.identity_recovered(str(each))

    def is_over(self, now: float) -> bool:
        """Nothing is left here that anybody has to remember."""
        return not (self.active or self.line or self.expected or self.due_at is not None or now < self.paused_until)

    def clock_moved(self, seconds: float) -> None:
        """Follow a clock that was set."""
        self.due_at = 0.0
        self.used_at += seconds
        self.pause.clock_moved(seconds)
        if self.last_sent_at is not None:
            self.last_sent_at += seconds

    def status(self) -> LaneStatus:
        return LaneStatus(
            identity=str(self.identity),
            accounts=tuple(self.upstreams),
            active=self.active,
            paused_until=self.pause.until,
            trouble=self.pause.trouble,
            last_sent_at=self.last_sent_at,
            mailbox="" if self.has_own else self.identity.mailbox,
        )
