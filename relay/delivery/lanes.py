"""All lanes: those of the accounts that have a mailbox, and those that come and go with the senders of the others."""

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence

from relay.delivery.lane import AHEAD, Lane, Whole
from relay.delivery.terms import NONE, Terms
from relay.limits import Pace
from relay.model import Clock, Identity, LaneStatus, Rate
from relay.spool import Queue
from relay.upstream import ByMailbox, Upstream

KEPT = 600.0
"""Seconds after which the lane of a sender from whom nothing has come is let go."""

PaceOf = Callable[[Identity, Sequence[Rate]], Awaitable[Pace]]
"""The pace of an identity under these rates, with what it has sent lately. Raises StorageError."""


class Lanes:
    """Makes and finds lanes. `fallbacks` are the accounts whose mail another one takes over in trouble.

    Without `pace_of` a pace begins anew with each lane.
    """

    def __init__(
        self,
        upstreams: Mapping[str, Upstream],
        terms: Mapping[str, Terms],
        pace_of: PaceOf | None,
        fallbacks: Collection[str],
        clock: Clock,
    ) -> None:
        self.accounts = tuple(upstreams)
        self.wholes = {
            name: Whole(name, upstream.identity, upstream.together)
            for name, upstream in upstreams.items()
            if isinstance(upstream, ByMailbox)
        }
        self._upstreams = upstreams
        self._terms = terms
        self._pace_of = pace_of
        self._fallbacks = fallbacks
        self._clock = clock
        self._by_queue: dict[Queue, Lane] = {}
        self._lanes: dict[Identity, Lane] = {}

    def __iter__(self) -> Iterator[Lane]:
        return iter(list(self._lanes.values()))

    def __len__(self) -> int:
        return len(self._lanes)

    def of(self, queue: Queue) -> Lane | None:
        """The lane of a queue, if it has one already."""
        return self._by_queue.get(queue)

    def paused_until(self, queue: Queue) -> float:
        """When the pause ends that a queue is in, in seconds since the epoch; it may be over."""
        lane, whole = self.of(queue), self.wholes.get(queue.account)
        return lane.paused_until if lane is not None else whole.pause.until if whole is not None else 0.0

    def cut_short(self, queue: Queue) -> None:
        """End the pause of a mailbox, and that of its account: what was in the way may be gone."""
        for each in (self.of(queue), self.wholes.get(queue.account)):
            if each is not None:
                each.pause.cut_short()

    async def open_all(self) -> list[Lane]:
        """Make the lanes of the accounts that have a mailbox; returns the new ones. Raises StorageError."""
        before = len(self._lanes)
        for name in self.accounts:
            if name not in self.wholes:
                await self.open(Queue(name))
        return list(self._lanes.values())[before:]

    async def open(self, queue: Queue) -> Lane | None:
        """The lane of a queue, made where there is none; None for no account. One at a time. Raises StorageError."""
        found = self._by_queue.get(queue)
        if found is not None or queue.account not in self._upstreams:
            return found
        identity = self._identity(queue)
        lane, rates = self._shaped(identity, self._queues(queue, identity))
        lane.pace = await self._pace(identity, rates) if rates else None
        self._lanes[identity] = lane
        self._by_queue.update(dict.fromkeys(lane.queues, lane))
        return lane

    async def move_in(self, before: "Lanes") -> list[Lane]:
        """Go on with the lanes of `before` whose mailboxes are still there; returns the others. Raises StorageError."""
        for name, whole in before.wholes.items():
            if name in self.wholes:
                whole.identity, whole.limit = self.wholes[name].identity, self.wholes[name].limit
                if self._upstreams[name] is not before.upstreams[name]:
                    whole.pause.cut_short()
                self.wholes[name] = whole
            whole.waiting.clear()
        kept: list[tuple[Lane, Lane, list[Rate]]] = []
        for lane in before:
            if (queue := self._queue_of(lane)) is not None:
                other, rates = self._shaped(lane.identity, self._queues(queue, lane.identity))
                if rates:
                    other.pace = lane.pace or await self._pace(lane.identity, rates)
                kept.append((lane, other, rates))
        for lane, other, rates in kept:
            lane.follow(other)
            if lane.pace is not None:
                lane.pace.use(rates)
            self._lanes[lane.identity] = lane
            self._by_queue.update(dict.fromkeys(lane.queues, lane))
        return [lane for lane in before if lane not in self]

    @property
    def upstreams(self) -> Mapping[str, Upstream]:
        """The upstreams of the accounts, by name."""
        return self._upstreams

    def __contains__(self, lane: Lane) -> bool:
        return self._lanes.get(lane.identity) is lane

    def _queue_of(self, lane: Lane) -> Queue | None:
        """A queue of `lane` whose mailbox is still the lane's; None when there is none."""
        here = (queue for queue in lane.queues if queue.account in self._upstreams)
        fits = (queue for queue in here if bool(queue.mailbox) == (queue.account in self.wholes))
        return next((queue for queue in fits if self._identity(queue) == lane.identity), None)

    def sweep(self) -> list[Lane]:
        """Let go of the lanes of senders from whom nothing has come for a while; returns them. What they have sent is
        written down, and counts again when they come back.
        """
        now = self._clock.time()
        over = [lane for lane in self._lanes.values() if now - lane.used_at >= KEPT and self._is_over(lane, now)]
        for lane in over:
            del self._lanes[lane.identity]
            for queue in lane.queues:
                del self._by_queue[queue]
        return over

    def clock_moved(self, seconds: float) -> None:
        """Follow a clock that was set."""
        for whole in self.wholes.values():
            whole.clock_moved(seconds)
        for lane in self._lanes.values():
            lane.clock_moved(seconds)

    def status(self) -> list[LaneStatus]:
        """How the mailboxes are doing, and the accounts that have many."""
        return [
            *(whole.status() for whole in self.wholes.values()),
            *(lane.status() for lane in self._lanes.values()),
        ]

    async def _pace(self, identity: Identity, rates: Sequence[Rate]) -> Pace:
        return Pace(rates, self._clock) if self._pace_of is None else await self._pace_of(identity, rates)

    def _is_over(self, lane: Lane, now: float) -> bool:
        return not lane.has_own and lane.is_over(now) and (lane.pace is None or not lane.pace.unsaved)

    def _identity(self, queue: Queue) -> Identity:
        upstream = self._upstreams[queue.account]
        if isinstance(upstream, ByMailbox) and queue.mailbox:
            return upstream.identity_of(queue.mailbox)
        return upstream.identity

    def _queues(self, queue: Queue, identity: Identity) -> tuple[Queue, ...]:
        """`queue`, and all others of the same mailbox, `identity`."""
        queues = [
            each
            for name in self.accounts
            if self._identity(each := Queue(name, queue.mailbox or identity.mailbox if name in self.wholes else ""))
            == identity
        ]
        return tuple(dict.fromkeys([queue, *queues]))

    def _shaped(self, identity: Identity, queues: tuple[Queue, ...]) -> tuple[Lane, list[Rate]]:
        """A lane for these queues, without the pace that it needs, and the rates of that."""
        names = list(dict.fromkeys(queue.account for queue in queues))
        terms = [self._terms.get(name, NONE) for name in names]
        rates = [rate for each in terms for rate in each.rates]
        lane = Lane(
            identity,
            queues,
            {name: self._upstreams[name] for name in names},
            concurrency=max(self._upstreams[name].concurrency for name in names),
            wholes=tuple(self.wholes[name] for name in names if name in self.wholes),
            largest=min(filter(None, (each.recipients for each in terms)), default=None),
            ahead=0 if any(each.mixed for each in terms) else AHEAD,
            diverts=any(name in self._fallbacks for name in names),
            used_at=self._clock.time(),
        )
        return lane, rates
