"""One identity's lane: how many attempts may run, whether it is paused, and how it is doing."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from relay.delivery.schedule import PAUSES, backoff
from relay.model import Identity, LaneStatus, Result
from relay.spool import Claim
from relay.upstream import Upstream

AHEAD = 64
"""Messages that stand in line, leased and in memory: without, each would cost a look into the queue and a commit."""


@dataclass
class Lane:
    """What belongs to an identity and not to a message (DESIGN 7). Two accounts on one mailbox share their lane."""

    identity: Identity
    upstreams: dict[str, Upstream] = field(default_factory=dict)
    concurrency: int = 1
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

    @property
    def accounts(self) -> tuple[str, ...]:
        return tuple(self.upstreams)

    def free(self, now: float) -> int:
        """How many attempts may be begun now: after a pause a single one, until it has shown that all is well."""
        if now < self.paused_until:
            return 0
        limit = 1 if self.failures else self.concurrency
        return max(0, limit - self.active)

    def room(self, now: float) -> int:
        """How many more messages may be leased: those that can go now, and in good times those that stand in line."""
        if now < self.paused_until:
            return 0
        limit = 1 if self.failures else self.concurrency + AHEAD
        return max(0, limit - self.active - len(self.line) - self.expected)

    def hungry(self, now: float) -> bool:
        """It is worth a look into the queue: many can be taken together, not one whenever one has gone."""
        return len(self.line) + self.expected <= AHEAD // 4 and self.room(now) > 0

    def idle(self, now: float) -> bool:
        """Nothing waits that is due, and there is room: a new message may go out without a look into the queue."""
        waits = self.due_at is not None and self.due_at <= now
        return not waits and self.room(now) > 0

    def wake_at(self) -> float | None:
        """When this lane next has something to do; None when only an arrival can change that."""
        return None if self.due_at is None else max(self.due_at, self.paused_until)

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

    def status(self) -> LaneStatus:
        return LaneStatus(
            identity=str(self.identity),
            accounts=self.accounts,
            active=self.active,
            paused_until=self.paused_until,
            trouble=self.trouble,
            last_sent_at=self.last_sent_at,
        )


def lanes_of(upstreams: Mapping[str, Upstream]) -> list[Lane]:
    """Group the upstreams of all accounts by identity."""
    lanes: dict[Identity, Lane] = {}
    for name, upstream in upstreams.items():
        lane = lanes.setdefault(upstream.identity, Lane(upstream.identity))
        lane.upstreams[name] = upstream
        lane.concurrency = max(lane.concurrency, upstream.concurrency)
    return list(lanes.values())
