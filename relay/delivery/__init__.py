"""Delivery: takes due messages from the spool, has the upstreams send them, writes what became of them.

One loop looks for work, one task makes one attempt. Each identity has a lane of its own, so that a paused or slow
mailbox holds up nobody else; `lanes` makes and finds them, `agenda` knows which is to be looked at when, `worker` makes
the attempts.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Mapping, Sequence

from relay import log
from relay.database import StorageError
from relay.delivery.agenda import together
from relay.delivery.attempt import STORAGE_PAUSE
from relay.delivery.change import Change, either
from relay.delivery.fallback import NONE, Fallbacks, fallbacks_of
from relay.delivery.housekeeping import cut_off, keep_house, send_home
from relay.delivery.lane import Lane
from relay.delivery.lanes import Lanes, PaceOf
from relay.delivery.terms import Terms, terms_of
from relay.delivery.worker import Worker
from relay.limits import Memory
from relay.model import Clock, LaneStatus
from relay.spool import Claim, Queue, Spool
from relay.upstream import Upstream

__all__ = ["Change", "Delivery", "Fallbacks", "Terms", "fallbacks_of", "terms_of"]

POLL = 1.0
"""Seconds after which the queue is looked at in any case: a command may have changed it."""


class Delivery(Worker):
    """The scheduler, which has the attempts made in time.

    `retry` is the schedule of delays in seconds; `jitter` gives numbers in 0..1; `terms` is what the accounts ask for,
    `pace_of` makes the pace of an identity that has rates. `run()` works until `stop()`.
    """

    def __init__(
        self,
        spool: Spool,
        upstreams: Mapping[str, Upstream],
        *,
        retry: Sequence[float],
        pace_of: PaceOf | None = None,
        terms: Mapping[str, Terms] | None = None,
        fallbacks: Fallbacks = NONE,
        clock: Clock | None = None,
        memory: Memory | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        clock = clock or Clock()
        lanes = Lanes(upstreams, terms or {}, pace_of, fallbacks.to, clock)
        super().__init__(
            spool, lanes, retry=retry, fallbacks=fallbacks, clock=clock, memory=memory or Memory(), jitter=jitter
        )
        self._upstreams = upstreams
        self._pace_of = pace_of
        self._unknown: set[Queue] = set()
        """Queues that mail has come into and that have no lane yet."""
        self._hurried = asyncio.Event()
        self._change: Change | None = None
        """What is to be used from the next turn on."""
        self._look_at = 0.0
        """When the whole queue is looked at next, by the clock that never jumps."""
        self._idle = asyncio.Event()
        self._idle.set()

    def notice(self, queue: Queue) -> None:
        """A message has come into `queue`."""
        lane = self._lanes.of(queue)
        if lane is not None:
            self._stir(lane)
        elif queue.account in self._upstreams:
            self._unknown.add(queue)
            self._wake.set()

    def look(self) -> None:
        """Look into the whole queue now: somebody has changed it."""
        self._look_at = 0.0
        self._wake.set()

    def resume(self, queue: Queue) -> None:
        """What was in the way of this mailbox may be gone: end its pause, and one attempt shows."""
        self._lanes.cut_short(queue)
        if (lane := self._lanes.of(queue)) is not None:
            self._stir(lane)
        self.look()

    def reserve(self, queue: Queue) -> bool:
        """Keep a place for a message that is being committed, if nothing older waits for it."""
        lane = self._lanes.of(queue)
        if lane is None or not lane.is_plain or self._stopping or self._change or not lane.idle(self._clock.time()):
            return False
        if self._memory.over:
            return False
        lane.expected += 1
        return True

    def forgo(self, queue: Queue) -> None:
        """The place is free again."""
        if (lane := self._lanes.of(queue)) is not None:
            lane.expected -= 1
            self._wake.set()

    def deliver(self, claim: Claim) -> None:
        """Begin the attempt that a place was kept for."""
        lane = self._lanes.of(claim.queue)
        assert lane is not None  # noqa: S101 (one in which a place is kept stays)
        lane.expected -= 1
        self._memory.take(claim.weight)
        lane.line.append(claim)
        self._advance(lane)
        if self._change is not None:
            self._wake.set()

    def sends(self, queue: Queue) -> bool:
        """Whether a first attempt can be expected soon: a paused mailbox makes nobody wait for it."""
        if self._stopping or queue.account not in self._upstreams:
            return False
        return self._clock.time() >= self._lanes.paused_until(queue)

    def clock_moved(self, seconds: float) -> None:
        """Pauses last as long as they would have, and what is due is looked up anew."""
        self._lanes.clock_moved(seconds)
        for lane in self._lanes:
            self._stir(lane)
        self.look()

    def status(self) -> list[LaneStatus]:
        return self._lanes.status()

    @property
    def under_way(self) -> set[asyncio.Task[None]]:
        """The attempts that have begun."""
        return set(self._attempts)

    async def use(self, change: Change) -> None:
        """Go on with other settings: what has begun ends as it began. Returns when nothing begins the old way."""
        self._change = change
        self._wake.set()
        if self._idle.is_set():
            await self._follow(change)
        await change.done.wait()

    async def _follow(self, change: Change) -> None:
        """Between two turns nothing is looked up; only commits that will come to a lane have to be waited for."""
        while any(lane.expected for lane in self._lanes):
            self._wake.clear()
            await self._wake.wait()
        for lane in self._lanes:
            await send_home(self._spool, lane, self._memory)
        lanes = Lanes(change.upstreams, change.terms, self._pace_of, change.fallbacks.to, self._clock)
        for lane in await lanes.move_in(self._lanes):
            self._agenda.forget(lane)
        self._lanes, self._upstreams, self._change = lanes, change.upstreams, None
        self._retry, self._fallbacks = change.retry, change.fallbacks
        for lane in lanes:
            self._stir(lane)
        self.look()
        change.done.set()

    async def run(self) -> None:
        """Deliver until `stop()` is called."""
        self._idle.clear()
        self._spool.courier = self
        house = keep_house(self._spool, self._clock, self._leased, self._sweep)
        keeper = asyncio.create_task(house, name="housekeeping")
        try:
            while not self._stopping:
                self._wake.clear()
                self._spool.follow_clock()
                try:
                    if self._change is not None:
                        await self._follow(self._change)
                    await self._look_around()
                    if await self._memory.room(POLL):
                        await self._visit_all()
                except StorageError as error:
                    self._spool.capacity.fail(error)
                    await self._clock.sleep(STORAGE_PAUSE)
                await self._rest()
        finally:
            keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeper
            self._idle.set()
            if self._change:
                self._change.done.set()

    def hasten(self) -> None:
        """Wait no longer for what is being sent: the relay is to stop at once."""
        self._hurried.set()

    async def stop(self, drain_timeout: float) -> None:
        """Begin nothing new, give what runs `drain_timeout` seconds, then let go of the rest."""
        self._stopping = True
        self._wake.set()
        await self._idle.wait()
        for lane in self._lanes:
            await send_home(self._spool, lane, self._memory)
        if self._attempts:
            log.delivery.draining(len(self._attempts), drain_timeout)
            await either(self._attempts, self._hurried, drain_timeout)
        await cut_off(self._spool, dict(self._attempts))
        for lane in self._lanes:  # what was being committed meanwhile
            await send_home(self._spool, lane, self._memory)
        for upstream in self._upstreams.values():
            await upstream.close()

    async def _rest(self) -> None:
        """Wait for an arrival, the end of an attempt, the next due time, or a second."""
        wait = min(self._look_at - self._clock.monotonic(), self._agenda.first_at - self._clock.time())
        if wait > 0 and not self._wake.is_set():
            await self._clock.wait(self._wake, wait)

    async def _look_around(self) -> None:
        """Open lanes for mail that came into a new queue; once a second see what others have changed in all of them."""
        while self._unknown:
            if (lane := await self._lanes.open(queue := next(iter(self._unknown)))) is not None:
                self._stir(lane)
            self._unknown.discard(queue)
        if self._clock.monotonic() < self._look_at:
            return
        self._look_at = self._clock.monotonic() + POLL
        now = self._clock.time()
        for lane in await self._lanes.open_all():
            self._stir(lane)
        for lane in [each for each in self._lanes if each.line]:
            self._advance(lane)
            if now < lane.paused_until:  # it came into the line when the pause had begun
                await send_home(self._spool, lane, self._memory)
        for queue, at in (await self._spool.heads(self._lanes.accounts)).items():
            found = self._lanes.of(queue) if at > now else await self._lanes.open(queue)
            if found is not None:
                found.expect_by(at)
                self._plan(found)

    async def _visit_all(self) -> None:
        """Look at the lanes whose time has come, and at those that waited for a place which is free now."""
        now = self._clock.time()
        wholes = self._lanes.wholes.values()
        lanes = dict.fromkeys(self._agenda.due(now))
        for whole in wholes:
            lanes |= dict.fromkeys(whole.next(now))
        if len(lanes) == 1:
            await self._visit(*lanes)
        elif lanes:
            await together(map(self._visit, lanes))
        if any(whole.waiting and whole.free(now) for whole in wholes):
            self._wake.set()

    async def _visit(self, lane: Lane) -> None:
        now = self._clock.time()
        if lane.due_at is not None and lane.due_at <= now:
            if lane.hungry(now):
                await self._fill(lane)
            elif lane.diverts and now < lane.paused_until:
                await self._divert(lane, now)
        self._plan(lane)

    async def _divert(self, lane: Lane, now: float) -> None:
        """Have other accounts take over the mail of a lane that is in trouble."""
        lane.due_at = None
        for queue in lane.queues:
            for to in await self._fallbacks.divert(self._spool, queue, now, lane.trouble):
                self.notice(to)
        due_at = await self._spool.next_due(lane.queues)
        lane.expect(due_at if due_at is None else max(due_at, now + POLL))

    async def _fill(self, lane: Lane) -> None:
        """Lease as many messages as the lane has room for, and begin the attempts that have a place."""
        wanted = lane.wanted(self._clock.time())
        lane.due_at = None  # an arrival during the look-up sets it again
        lane.keep(wanted)
        try:
            claims = await self._spool.claim(
                lane.queues, wanted, by_age=lane.by_age(wanted), room=lane.room, memory=self._memory.left
            )
        finally:
            lane.keep(-wanted)
        lane.leased += len(claims)
        for claim in claims:
            self._memory.take(claim.weight)
        lane.line.extend(claims)
        self._advance(lane)
        if self._clock.time() < lane.paused_until:
            await send_home(self._spool, lane, self._memory)
        if len(claims) == wanted:
            lane.due_at = 0.0
        elif lane.due_at is None:
            due_at, now = await self._spool.next_due(lane.queues), self._clock.time()
            # What is due already and was not taken has more recipients than there is room for.
            lane.expect(due_at if due_at is None or lane.pace is None or due_at > now else now + POLL)

    def _leased(self) -> list[Claim]:
        """What is being sent, or stands in line for it."""
        return [*self._attempts.values(), *(claim for lane in self._lanes for claim in lane.line)]

    def _sweep(self) -> None:
        """Let go of the lanes that nobody needs."""
        for lane in self._lanes.sweep():
            self._agenda.forget(lane)
            self._fallbacks.begin(lane.has)
