"""Attempts: begun for those who stand in line, one task each; their end is written, and the next may go."""

import asyncio
from collections.abc import Callable, Sequence

from relay import log, metrics
from relay.delivery.agenda import Agenda
from relay.delivery.attempt import save, sent
from relay.delivery.change import Way
from relay.delivery.fallback import Fallbacks
from relay.delivery.housekeeping import send_home
from relay.delivery.lane import Lane, Whole
from relay.delivery.lanes import Lanes
from relay.delivery.portion import Rounds, seen
from relay.delivery.results import lines, when_again
from relay.limits import Memory
from relay.model import Clock, Message, Outcome, Result, Results, Scope
from relay.spool import Claim, Settled, Spool


class Worker:
    """Sends what stands in the lines of `lanes`, and notes in an agenda when each is to be looked at next."""

    def __init__(
        self,
        spool: Spool,
        lanes: Lanes,
        *,
        retry: Sequence[float],
        fallbacks: Fallbacks,
        clock: Clock,
        memory: Memory,
        jitter: Callable[[], float],
    ) -> None:
        self._spool = spool
        self._lanes = lanes
        self._retry = retry
        self._fallbacks = fallbacks
        self._clock = clock
        self._memory = memory
        """What the messages hold that stand in line or are being sent."""
        self._jitter = jitter
        self._agenda = Agenda()
        self._attempts: dict[asyncio.Task[None], Claim] = {}
        self._rounds = Rounds()
        self._wake = asyncio.Event()
        """Something has changed that whoever looks for work waits for."""
        self._stopping = False

    def _stir(self, lane: Lane) -> None:
        """Look into the queue of this lane now, if it is still there."""
        if lane not in self._lanes:
            return
        lane.due_at = 0.0
        self._agenda.add(lane, 0.0)
        self._wake.set()

    def _plan(self, lane: Lane) -> None:
        """Note when this lane is to be looked at next."""
        now = self._clock.time()
        if lane not in self._lanes:
            return
        if (at := lane.visit_at(now)) is not None:
            self._agenda.add(lane, at)
        else:
            lane.stand_in_line(now)

    def _advance(self, lane: Lane) -> None:
        """Begin the attempts of those who stand in line as far as there are places."""
        while lane.line and not self._stopping and lane.free(self._clock.time()):
            lane.take(1, self._clock.time())
            self._begin(lane, lane.line.popleft())

    def _begin(self, lane: Lane, claim: Claim) -> None:
        """Start the attempt whose place is taken."""
        message = self._rounds.next(claim.message, lane.largest, lane.upstreams[claim.message.account])
        if lane.pace is not None:
            lane.pace.begin(len(message.envelope.recipients))
        way = Way(lane, lane.upstreams[message.account], lane.pace)
        task = asyncio.create_task(self._attempt(way, claim, message), name=message.id)
        self._attempts[task] = claim
        task.add_done_callback(lambda task: self._memory.take(-self._attempts.pop(task).weight))

    async def _attempt(self, way: Way, claim: Claim, message: Message) -> None:
        """Send `message`, which is the claim's for as many recipients as one transaction takes."""
        lane = way.lane
        started_at = self._clock.time()
        results: Results = {}
        try:
            results = await sent(way.upstream, message)
            now = self._clock.time()
            ends = [(result.outcome.value, result.status) for result in results.values()]
            metrics.attempted(message.account, ends, now - started_at)
            verdict, others = self._rounds.judge(
                claim.message, results, now=now, retry=self._retry, jitter=self._jitter()
            )
            if verdict.trouble is not None:
                self._pause(lane, message.account, verdict.trouble, verdict.reason)
            elif any(result.outcome is Outcome.SENT for result in results.values()):
                lane.succeeded(message.account, now)
        finally:
            self._leave(way, message, results)
        settled = Settled(results, verdict.next_at, verdict.counted, verdict.reason, started_at, now, others)
        await save(self._spool, claim, settled, self._clock, self._retry[-1])
        if verdict.trouble is not None:
            await send_home(self._spool, lane, self._memory)
        again = when_again(verdict, self._clock.time())
        log.delivery.attempt_ended(message.id, message.account, message.attempt, lines(results), again)
        if verdict.next_at is not None:
            self._stir(lane)

    def _leave(self, way: Way, message: Message, results: Results) -> None:
        """The next message may go; the result of this one is written meanwhile."""
        lane = way.lane
        lane.take(-1, self._clock.time())
        if way.pace is not None:
            messages, reached = seen(message, results)
            way.pace.end(len(message.envelope.recipients), messages=messages, reached=reached)
        self._advance(lane)
        if lane.due_at is not None:
            self._plan(lane)
        if lane.due_at is not None or any(whole.waiting for whole in lane.wholes):
            self._wake.set()

    def _pause(self, lane: Lane, account: str, trouble: Result, reason: str) -> None:
        """Rest after trouble with the mailbox; with the account as a whole where all its mailboxes are in it."""
        whole = lane.whole_of(account) if trouble.scope is Scope.ACCOUNT else None
        resting: Lane | Whole = whole or lane
        if self._clock.time() >= resting.pause.until:
            self._fallbacks.begin(resting.has)
        if wait := resting.pause.begin(trouble, reason, self._clock.time(), self._jitter()):
            log.delivery.identity_paused(str(resting), wait, reason)
        self._spool.nothing_soon(resting.has)
