"""Delivery: takes due messages from the spool, has the upstreams send them, writes what became of them.

One loop looks for work, one task makes one attempt. Each identity has a lane of its own, so that a paused or slow
mailbox holds up nobody else.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from relay import log
from relay.database import StorageError
from relay.delivery.lane import Lane, lanes_of
from relay.delivery.schedule import Verdict, judge
from relay.model import Clock, LaneStatus, Outcome, Result, Results, Scope
from relay.spool import Claim, Settled, Spool
from relay.upstream import Upstream

POLL = 1.0
"""Seconds after which the queue is looked at in any case: a command may have changed it."""
HOUSEKEEPING = 30.0
_STORAGE_PAUSE = 5.0


class Delivery:
    """The scheduler and its workers.

    `retry` is the schedule of delays in seconds; `jitter` gives numbers in 0..1. `run()` works until `stop()`.
    """

    def __init__(
        self,
        spool: Spool,
        upstreams: Mapping[str, Upstream],
        *,
        retry: Sequence[float],
        clock: Clock | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._spool = spool
        self._retry = retry
        self._clock = clock or Clock()
        self._jitter = jitter
        self._lanes = lanes_of(upstreams)
        self._lane_of = {name: lane for lane in self._lanes for name in lane.accounts}
        self._attempts: dict[asyncio.Task[None], Claim] = {}
        self._wake = asyncio.Event()
        self._stopping = False
        self._looked_at = 0.0
        """When all lanes were last told to look into the queue."""
        self._idle = asyncio.Event()
        self._idle.set()
        spool.courier = self

    def notice(self, account: str) -> None:
        """A message for `account` has come."""
        lane = self._lane_of.get(account)
        if lane is not None:
            lane.due_at = 0.0
            self._wake.set()

    def reserve(self, account: str) -> bool:
        """Keep a place for a message that is being committed, if nothing older waits for it."""
        lane = self._lane_of.get(account)
        if lane is None or self._stopping or not lane.idle(self._clock.time()):
            return False
        lane.expected += 1
        return True

    def forgo(self, account: str) -> None:
        """The place is free again."""
        self._lane_of[account].expected -= 1

    def deliver(self, claim: Claim) -> None:
        """Begin the attempt that a place was kept for."""
        lane = self._lane_of[claim.message.account]
        lane.expected -= 1
        lane.line.append(claim)
        self._advance(lane)

    def sends(self, account: str) -> bool:
        """Whether a first attempt can be expected soon: a paused mailbox makes nobody wait for it."""
        lane = self._lane_of.get(account)
        return lane is not None and not self._stopping and self._clock.time() >= lane.paused_until

    def status(self) -> list[LaneStatus]:
        return [lane.status() for lane in self._lanes]

    async def run(self) -> None:
        """Deliver until `stop()` is called."""
        self._idle.clear()
        keeper = asyncio.create_task(self._keep_house(), name="housekeeping")
        try:
            while not self._stopping:
                self._wake.clear()
                try:
                    await self._fill_all()
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
            for upstream in lane.upstreams.values():
                await upstream.close()

    async def _rest(self) -> None:
        """Wait for an arrival, the end of an attempt, the next due time, or a second."""
        times = [at for lane in self._lanes if lane.hungry(self._clock.time()) and (at := lane.wake_at()) is not None]
        wait = min([POLL, *(at - self._clock.time() for at in times)])
        if wait > 0 and not self._wake.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._wake.wait()
        # A busy mailbox must not keep the others from noticing what a command has changed.
        if not self._wake.is_set() or self._clock.time() - self._looked_at >= POLL:
            self._looked_at = self._clock.time()
            for lane in self._lanes:
                lane.due_at = 0.0

    async def _fill_all(self) -> None:
        now = self._clock.time()
        ready = [lane for lane in self._lanes if lane.due_at is not None and lane.due_at <= now and lane.hungry(now)]
        if len(ready) == 1:
            await self._fill(ready[0])
        elif ready:
            await asyncio.gather(*(self._fill(lane) for lane in ready))

    async def _fill(self, lane: Lane) -> None:
        """Lease as many messages as the lane has room for."""
        room = lane.room(self._clock.time())
        lane.due_at = None  # an arrival during the look-up sets it again
        claims = await self._spool.claim(lane.accounts, room)
        lane.line.extend(claims)
        self._advance(lane)
        if len(claims) == room:
            lane.due_at = 0.0
        elif lane.due_at is None:
            lane.due_at = await self._spool.next_due(lane.accounts)

    def _advance(self, lane: Lane) -> None:
        """Begin the attempts of those who stand in line as far as there are places."""
        while lane.line and not self._stopping and lane.free(self._clock.time()):
            lane.active += 1
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
        task = asyncio.create_task(self._attempt(lane, claim), name=claim.message.id)
        self._attempts[task] = claim
        task.add_done_callback(self._attempts.pop)

    async def _attempt(self, lane: Lane, claim: Claim) -> None:
        message = claim.message
        started_at = self._clock.time()
        try:
            results = await self._send(lane.upstreams[message.account], claim)
            now = self._clock.time()
            verdict = judge(results, attempt=message.attempt, now=now, retry=self._retry, jitter=self._jitter())
            if verdict.trouble is not None:
                self._pause(lane, verdict.trouble, verdict.reason)
            elif any(result.outcome is Outcome.SENT for result in results.values()) and lane.succeeded(now):
                log.delivery.identity_recovered(str(lane.identity))
        finally:
            self._leave(lane)
        await self._save(claim, Settled(results, verdict.next_at, verdict.counted, verdict.reason, started_at, now))
        if verdict.trouble is not None:
            await self._send_home(lane)
        again = "it waits until the pause ends" if verdict.trouble else f"next try in {self._wait(verdict)}"
        log.delivery.attempt_ended(message.id, message.account, message.attempt, _lines(results), again)
        if verdict.next_at is not None:
            self.notice(message.account)

    def _leave(self, lane: Lane) -> None:
        """The next message may go; the result of this one is written meanwhile."""
        lane.active -= 1
        self._advance(lane)
        if lane.due_at is not None:
            self._wake.set()

    async def _send(self, upstream: Upstream, claim: Claim) -> Results:
        try:
            results = await upstream.send(claim.message)
            return {address: _showable(result) for address, result in results.items()}
        except Exception as error:  # noqa: BLE001 (an upstream that breaks its word must not lose mail)
            log.internal_error(f"{claim.message.id}: the upstream of {claim.message.account} failed", error)
            broken = Result(Outcome.DEFERRED, 451, "4.3.0", f"internal error: {type(error).__name__}", Scope.MESSAGE)
            return dict.fromkeys(claim.message.envelope.recipients, broken)

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
                settled = _unwritable(claim, settled, self._retry[-1])
            else:
                return

    def _wait(self, verdict: Verdict) -> str:
        return log.duration((verdict.next_at or 0.0) - self._clock.time())

    def _pause(self, lane: Lane, trouble: Result, reason: str) -> None:
        wait = lane.pause(trouble, reason, self._clock.time(), self._jitter())
        log.delivery.identity_paused(str(lane.identity), wait, reason)
        self._spool.nothing_soon(lane.accounts)

    async def _keep_house(self) -> None:
        """Now and then: fail what is too old, keep the leases of what runs."""
        while True:
            try:
                await self._spool.expire()
                await self._spool.reclaim()
                leased = [*self._attempts.values(), *(claim for lane in self._lanes for claim in lane.line)]
                if leased:
                    await self._spool.renew(leased)
            except StorageError as error:
                log.delivery.storage_trouble(str(error))
            await self._clock.sleep(HOUSEKEEPING)


def _showable(result: Result) -> Result:
    """What a peer said goes to the database, the log and the page: none of them takes everything."""
    if result.text.isprintable() and result.text.isascii():
        return result
    return replace(result, text=log.clean(result.text))


def _unwritable(claim: Claim, settled: Settled, wait: float) -> Settled:
    """The plain result in the place of one that the database would not take."""
    broken = Result(Outcome.DEFERRED, 451, "4.3.0", "internal error: the result could not be written", Scope.MESSAGE)
    results = dict.fromkeys(claim.message.envelope.recipients, broken)
    return replace(settled, results=results, next_at=settled.ended_at + wait, counted=True, reason=broken.text)


def _lines(results: Results) -> list[tuple[str, str, str, str]]:
    """The results as the log shows them: (recipients, outcome, reply, hint), equal ones together."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for address, result in results.items():
        reply = f"{result.code} {result.status} {result.text}"
        # The hint of a paused identity stands in the line that tells of the pause.
        hint = "" if result.scope in (Scope.IDENTITY, Scope.ACCOUNT) else result.hint
        groups.setdefault((result.outcome.value, reply, hint), []).append(address)
    return [(", ".join(f"<{address}>" for address in people), *key) for key, people in groups.items()]
