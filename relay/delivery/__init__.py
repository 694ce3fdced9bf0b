"""Delivery: takes due messages from the spool, has the upstreams send them, writes what became of them.

One loop looks for work, one task makes one attempt. Each identity has a lane of its own, so that a paused or slow
mailbox holds up nobody else.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from relay import log, metrics
from relay.database import StorageError
from relay.delivery.fallback import NONE, Fallbacks, fallbacks_of
from relay.delivery.lane import Lane, lanes_of
from relay.delivery.portion import LATER, onward, portion, rest, seen
from relay.delivery.schedule import Verdict, judge
from relay.delivery.terms import Terms, terms_of
from relay.limits import Pace
from relay.model import Clock, Identity, LaneStatus, Message, Outcome, Result, Results, Scope
from relay.spool import Claim, Settled, Spool
from relay.upstream import Upstream

__all__ = ["Delivery", "Fallbacks", "Terms", "fallbacks_of", "terms_of"]

POLL = 1.0
"""Seconds after which the queue is looked at in any case: a command may have changed it."""
HOUSEKEEPING = 30.0
_STORAGE_PAUSE = 5.0


class Delivery:
    """The scheduler and its workers.

    `retry` is the schedule of delays in seconds; `jitter` gives numbers in 0..1; `paces` are those of the identities
    that have one, `terms` what else the accounts ask for. `run()` works until `stop()`.
    """

    def __init__(
        self,
        spool: Spool,
        upstreams: Mapping[str, Upstream],
        *,
        retry: Sequence[float],
        paces: Mapping[Identity, Pace] | None = None,
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
        self._lanes = lanes_of(upstreams, paces or {}, terms or {})
        self._lane_of = {name: lane for lane in self._lanes for name in lane.accounts}
        self._attempts: dict[asyncio.Task[None], Claim] = {}
        self._asked: dict[str, Results] = {}
        """Of messages that go in several transactions: who was deferred in an earlier one of this attempt."""
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
        if lane is None or not lane.is_plain or self._stopping or not lane.idle(self._clock.time()):
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
                    if self._fallbacks.to:
                        await self._divert_all()
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
        now = self._clock.time()
        times = [at for lane in self._lanes if (at := lane.wake_at(now)) is not None]
        wait = min([POLL, *(at - now for at in times)])
        if wait > 0 and not self._wake.is_set():
            await self._clock.wait(self._wake, wait)
        # A busy mailbox must not keep the others from noticing what a command has changed.
        if not self._wake.is_set() or self._clock.time() - self._looked_at >= POLL:
            self._looked_at = self._clock.time()
            for lane in self._lanes:
                self._advance(lane)
                lane.due_at = 0.0

    async def _divert_all(self) -> None:
        """Have other accounts take over the mail of those that are in trouble."""
        now = self._clock.time()
        for lane in self._lanes:
            if now < lane.paused_until and lane.due_at is not None and lane.due_at <= now:
                lane.due_at = None
                for account in lane.accounts:
                    if to := await self._fallbacks.divert(self._spool, account, now, lane.trouble):
                        self.notice(to)
                lane.expect(await self._spool.next_due(lane.accounts))

    async def _fill_all(self) -> None:
        now = self._clock.time()
        ready = [lane for lane in self._lanes if lane.due_at is not None and lane.due_at <= now and lane.hungry(now)]
        if len(ready) == 1:
            await self._fill(ready[0])
        elif ready:
            ready.sort(key=lambda lane: lane.looked_at)  # the mailboxes of one application take turns
            await asyncio.gather(*(self._fill(lane) for lane in ready))

    async def _fill(self, lane: Lane) -> None:
        """Lease as many messages as the lane has room for, and begin the attempts that have a place."""
        wanted = lane.wanted(self._clock.time())
        if not wanted:
            return  # another mailbox of the same application has taken the place meanwhile
        lane.looked_at = self._clock.monotonic()
        lane.due_at = None  # an arrival during the look-up sets it again
        lane.keep(wanted)
        try:
            claims = await self._spool.claim(lane.accounts, wanted, by_age=lane.by_age(wanted), room=lane.room)
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
        due_at, now = await self._spool.next_due(lane.accounts), self._clock.time()
        return due_at if due_at is None or lane.pace is None or due_at > now else now + POLL

    def _advance(self, lane: Lane) -> None:
        """Begin the attempts of those who stand in line as far as there are places."""
        while lane.line and not self._stopping and lane.free(self._clock.time()):
            lane.take(1)
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
                self._pause(lane, verdict.trouble, verdict.reason)
            elif any(result.outcome is Outcome.SENT for result in results.values()) and lane.succeeded(now):
                log.delivery.identity_recovered(str(lane.identity))
        finally:
            self._leave(lane, message, results)
        settled = Settled(results, verdict.next_at, verdict.counted, verdict.reason, started_at, now, others)
        await self._save(claim, settled)
        if verdict.trouble is not None:
            await self._send_home(lane)
        again = "" if verdict.next_at is None else self._again(verdict)
        log.delivery.attempt_ended(message.id, message.account, message.attempt, _lines(results), again)
        if again:
            self.notice(message.account)

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
        lane.take(-1)
        if lane.pace is not None:
            messages, reached = seen(message, results)
            lane.pace.end(len(message.envelope.recipients), messages=messages, reached=reached)
        self._advance(lane)
        if lane.due_at is not None or lane.app is not None:
            self._wake.set()

    async def _send(self, upstream: Upstream, message: Message) -> Results:
        try:
            results = await upstream.send(message)
            return {address: _showable(result) for address, result in results.items()}
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
                settled = _unwritable(claim, settled, self._retry[-1])
            else:
                return

    def _again(self, verdict: Verdict) -> str:
        """When the recipients that are left are tried again, for the log."""
        if verdict.trouble is not None:
            return "it waits until the pause ends"
        return f"next try in {log.duration((verdict.next_at or 0.0) - self._clock.time())}"

    def _pause(self, lane: Lane, trouble: Result, reason: str) -> None:
        if self._clock.time() >= lane.paused_until:
            for account in lane.accounts:
                self._fallbacks.begin(account)
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
