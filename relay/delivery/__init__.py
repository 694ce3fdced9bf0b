"""Delivery: takes due messages from the spool, has the upstreams send them, writes what became of them.

One loop looks for work, one task makes one attempt. Each identity has a lane of its own, so that a paused or slow
mailbox holds up nobody else; `lanes` makes and finds them, `agenda` knows which is to be looked at when.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Mapping, Sequence

from relay import log, metrics
from relay.database import StorageError
from relay.delivery.agenda import Agenda
from relay.delivery.fallback import NONE, Fallbacks, fallbacks_of
from relay.delivery.lane import Lane, Whole
from relay.delivery.lanes import Lanes, PaceOf
from relay.delivery.portion import LATER, onward, portion, rest, seen
from relay.delivery.results import lines, showable, unwritable
from relay.delivery.schedule import Verdict, judge
from relay.delivery.terms import Terms, terms_of
from relay.model import Clock, LaneStatus, Message, Outcome, Result, Results, Scope
from relay.spool import Claim, Queue, Settled, Spool
from relay.upstream import Upstream

__all__ = ["Delivery", "Fallbacks", "Terms", "fallbacks_of", "terms_of"]

POLL = 1.0
"""Seconds after which the queue is looked at in any case: a command may have changed it."""
HOUSEKEEPING = 30.0
_STORAGE_PAUSE = 5.0


class Delivery:
    """The scheduler and its workers.

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
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._spool = spool
        self._retry = retry
        self._fallbacks = fallbacks
        self._clock = clock or Clock()
        self._jitter = jitter
        self._upstreams = upstreams
        self._lanes = Lanes(upstreams, terms or {}, pace_of, fallbacks.to, self._clock)
        self._agenda = Agenda()
        self._unknown: set[Queue] = set()
        """Queues that mail has come into and that have no lane yet."""
        self._attempts: dict[asyncio.Task[None], Claim] = {}
        self._asked: dict[str, Results] = {}
        """Of messages that go in several transactions: who was deferred in an earlier one of this attempt."""
        self._wake = asyncio.Event()
        self._stopping = False
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
        if lane is None or not lane.is_plain or self._stopping or not lane.idle(self._clock.time()):
            return False
        lane.expected += 1
        return True

    def forgo(self, queue: Queue) -> None:
        """The place is free again."""
        if (lane := self._lanes.of(queue)) is not None:
            lane.expected -= 1

    def deliver(self, claim: Claim) -> None:
        """Begin the attempt that a place was kept for."""
        lane = self._lanes.of(claim.queue)
        assert lane is not None  # noqa: S101 (one in which a place is kept stays)
        lane.expected -= 1
        lane.line.append(claim)
        self._advance(lane)

    def sends(self, queue: Queue) -> bool:
        """Whether a first attempt can be expected soon: a paused mailbox makes nobody wait for it."""
        if self._stopping or queue.account not in self._upstreams:
            return False
        return self._clock.time() >= self._lanes.paused_until(queue)

    def status(self) -> list[LaneStatus]:
        return self._lanes.status()

    async def run(self) -> None:
        """Deliver until `stop()` is called."""
        self._idle.clear()
        self._spool.courier = self
        keeper = asyncio.create_task(self._keep_house(), name="housekeeping")
        try:
            while not self._stopping:
                self._wake.clear()
                try:
                    await self._look_around()
                    await self._visit_all()
                except StorageError as error:
                    log.delivery.storage_trouble(str(error))
                    await self._clock.sleep(_STORAGE_PAUSE)
                await self._rest()
        finally:
            keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeper
            self._idle.set()

    async def stop(self, drain_timeout: float) -> None:
        """Begin nothing new, give what runs `drain_timeout` seconds, then let go of the rest."""
        self._stopping = True
        self._wake.set()
        await self._idle.wait()
        for lane in self._lanes:
            await self._send_home(lane)
        if self._attempts:
            log.delivery.draining(len(self._attempts), drain_timeout)
            await asyncio.wait(self._attempts, timeout=drain_timeout)
        cut_off = dict(self._attempts)
        for task in cut_off:
            task.cancel()
        if cut_off:
            await asyncio.wait(cut_off)
            await self._spool.release(list(cut_off.values()))
        for lane in self._lanes:
            await self._send_home(lane)  # whose commit ended meanwhile
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
        for queue, at in (await self._spool.heads(self._lanes.accounts)).items():
            found = self._lanes.of(queue) if at > now else await self._lanes.open(queue)
            if found is not None:
                found.expect_by(at)
                self._plan(found)
        for lane in self._lanes:
            if lane.line:
                self._advance(lane)

    def _stir(self, lane: Lane) -> None:
        """Look into the queue of this lane now."""
        lane.due_at = 0.0
        self._agenda.add(lane, 0.0)
        self._wake.set()

    def _plan(self, lane: Lane) -> None:
        """Note when this lane is to be looked at next."""
        now = self._clock.time()
        at = lane.visit_at(now)
        if at is not None:
            self._agenda.add(lane, at)
        else:
            lane.stand_in_line(now)

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
            await asyncio.gather(*map(self._visit, lanes))
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
            claims = await self._spool.claim(lane.queues, wanted, by_age=lane.by_age(wanted), room=lane.room)
        finally:
            lane.keep(-wanted)
        lane.leased += len(claims)
        lane.line.extend(claims)
        self._advance(lane)
        if self._clock.time() < lane.paused_until:
            await self._send_home(lane)
        if len(claims) == wanted:
            lane.due_at = 0.0
        elif lane.due_at is None:
            lane.expect(await self._next_due(lane))

    async def _next_due(self, lane: Lane) -> float | None:
        """When to look again: what is due already and was not taken has more recipients than there is room for."""
        due_at, now = await self._spool.next_due(lane.queues), self._clock.time()
        return due_at if due_at is None or lane.pace is None or due_at > now else now + POLL

    def _advance(self, lane: Lane) -> None:
        """Begin the attempts of those who stand in line as far as there are places."""
        while lane.line and not self._stopping and lane.free(self._clock.time()):
            lane.take(1, self._clock.time())
            self._begin(lane, lane.line.popleft())

    async def _send_home(self, lane: Lane) -> None:
        """Give back to the queue who stands in line: nothing was tried."""
        waiting = list(lane.line)
        lane.line.clear()
        try:
            if waiting:
                await self._spool.release(waiting, tried=False)
        except StorageError as error:
            log.delivery.storage_trouble(str(error))  # nobody renews their leases: they are due again in two minutes

    def _begin(self, lane: Lane, claim: Claim) -> None:
        """Start the attempt whose place is taken."""
        message = portion(claim.message, lane.largest, self._asked.get(claim.message.id, ()))
        if lane.pace is not None:
            lane.pace.begin(len(message.envelope.recipients))
        task = asyncio.create_task(self._attempt(lane, claim, message), name=message.id)
        self._attempts[task] = claim
        task.add_done_callback(self._attempts.pop)

    async def _attempt(self, lane: Lane, claim: Claim, message: Message) -> None:
        """Send `message`, which is the claim's for as many recipients as one transaction takes."""
        started_at = self._clock.time()
        results: Results = {}
        try:
            results = await self._send(lane.upstreams[message.account], message)
            now = self._clock.time()
            ends = [(result.outcome.value, result.status) for result in results.values()]
            metrics.attempted(message.account, ends, now - started_at)
            verdict, others = self._judge(claim, results, now)
            if verdict.trouble is not None:
                self._pause(lane, message.account, verdict.trouble, verdict.reason)
            elif any(result.outcome is Outcome.SENT for result in results.values()):
                self._succeeded(lane, message.account, now)
        finally:
            self._leave(lane, message, results)
        settled = Settled(results, verdict.next_at, verdict.counted, verdict.reason, started_at, now, others)
        await self._save(claim, settled)
        if verdict.trouble is not None:
            await self._send_home(lane)
        again = "it waits until the pause ends" if verdict.trouble else f"next try in {self._wait(verdict)}"
        log.delivery.attempt_ended(message.id, message.account, message.attempt, lines(results), again)
        if verdict.next_at is not None:
            self._stir(lane)

    def _judge(self, claim: Claim, results: Results, now: float) -> tuple[Verdict, Results]:
        """What follows from an attempt or a part of one, and the results of those whose turn has not come."""
        message = claim.message
        asked = self._asked.pop(message.id, {})
        if left := rest(message, asked, results):
            deferred = {address: result for address, result in results.items() if result.outcome is Outcome.DEFERRED}
            self._asked[message.id] = {who: result for who, result in (asked | deferred).items() if who not in left}
            return onward(message), dict.fromkeys(left, LATER)
        verdict = judge(asked | results, attempt=message.attempt, now=now, retry=self._retry, jitter=self._jitter())
        return verdict, asked

    def _leave(self, lane: Lane, message: Message, results: Results) -> None:
        """The next message may go; the result of this one is written meanwhile."""
        lane.take(-1, self._clock.time())
        if lane.pace is not None:
            messages, reached = seen(message, results)
            lane.pace.end(len(message.envelope.recipients), messages=messages, reached=reached)
        self._advance(lane)
        if lane.due_at is not None:
            self._plan(lane)
        if lane.due_at is not None or any(whole.waiting for whole in lane.wholes):
            self._wake.set()

    async def _send(self, upstream: Upstream, message: Message) -> Results:
        try:
            results = await upstream.send(message)
            return {address: showable(result) for address, result in results.items()}
        except Exception as error:  # noqa: BLE001 (an upstream that breaks its word must not lose mail)
            log.internal_error(f"{message.id}: the upstream of {message.account} failed", error)
            broken = Result(Outcome.DEFERRED, 451, "4.3.0", f"internal error: {type(error).__name__}", Scope.MESSAGE)
            return dict.fromkeys(message.envelope.recipients, broken)

    async def _save(self, claim: Claim, settled: Settled) -> None:
        """Write the result, again and again while the disk refuses: forgetting it would send the message twice."""
        while True:
            try:
                await self._spool.finish(claim, settled)
            except StorageError as error:
                log.delivery.storage_trouble(str(error))
                await self._clock.sleep(_STORAGE_PAUSE)
            except Exception as error:  # noqa: BLE001 (a result that cannot be written must not park the message)
                log.internal_error(f"{claim.message.id}: its result cannot be written", error)
                settled = unwritable(claim, settled, self._retry[-1])
            else:
                return

    def _wait(self, verdict: Verdict) -> str:
        return log.duration((verdict.next_at or 0.0) - self._clock.time())

    def _pause(self, lane: Lane, account: str, trouble: Result, reason: str) -> None:
        """Rest after trouble with the mailbox; with the account as a whole where all its mailboxes are in it."""
        whole = lane.whole_of(account) if trouble.scope is Scope.ACCOUNT else None
        resting: Lane | Whole = whole or lane
        if self._clock.time() >= resting.pause.until:
            self._fallbacks.begin(resting.has)
        wait = resting.pause.begin(trouble, reason, self._clock.time(), self._jitter())
        log.delivery.identity_paused(str(resting), wait, reason)
        self._spool.nothing_soon(resting.has)

    def _succeeded(self, lane: Lane, account: str, now: float) -> None:
        """A message has gone out: neither the mailbox nor its account is in trouble any more."""
        whole = lane.whole_of(account)
        for each in (lane, whole) if whole is not None else (lane,):
            each.last_sent_at = now
            if each.pause.end():
                log.delivery.identity_recovered(str(each))

    async def _keep_house(self) -> None:
        """Now and then: fail what is too old, keep the leases of what runs."""
        while True:
            try:
                # First of all: after a long sleep, or a jump of the clock, its own leases would look forgotten.
                leased = [*self._attempts.values(), *(claim for lane in self._lanes for claim in lane.line)]
                if leased:
                    await self._spool.renew(leased)
                await self._spool.expire()
                await self._spool.reclaim()
                for lane in self._lanes.sweep():
                    self._agenda.forget(lane)
                    self._fallbacks.begin(lane.has)
            except StorageError as error:
                log.delivery.storage_trouble(str(error))
            await self._clock.sleep(HOUSEKEEPING)
