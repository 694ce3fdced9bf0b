"""What the tests of delivery are made of: a queue, a delivery at work on it, and mail."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from relay.delivery import Delivery, Fallbacks, Terms
from relay.model import Priority, Rate
from relay.spool import Queue, Spool, Submission, Summary
from tests.support.clock import FakeClock
from tests.support.exchange import CLIENT, MAILBOX
from tests.support.spool import opened, put, submission
from tests.support.upstream import ScriptedUpstream

RETRY = (60.0, 300.0)


class Works:
    """A spool and a delivery at work on it."""

    def __init__(self, spool: Spool, delivery: Delivery, clock: FakeClock) -> None:
        self.spool = spool
        self.delivery = delivery
        self.clock = clock

    async def submit(self, *recipients: str, account: str = "office", max_age: float = 432_000.0) -> str:
        given = submission(*recipients, account=account, now=self.clock.time(), max_age=max_age)
        return await put(self.spool, given)

    async def turn(self, seconds: float) -> None:
        """Let time pass, a little at a time, with room for the database's threads."""
        for _ in range(max(1, int(seconds / 30))):
            await self.clock.advance(min(seconds, 30))
            self.delivery.notice(Queue("office"))
            await self.stillness()

    async def stillness(self) -> None:
        """Wait until what can happen now has happened, however slow the machine: each step may lead to a write."""
        for _ in range(5):
            await self.spool.release([])
            await self.spool.recent(1)
            await self.clock.settle()

    async def until_reason(self, reason: str) -> list[Summary]:
        """Wait for a message that waits for this reason."""
        async with asyncio.timeout(10):
            while True:
                found = [each for each in await self.spool.recent(1000) if each.reason == reason]
                if found:
                    return found
                await asyncio.sleep(0.005)

    async def until(self, state: str, count: int = 1) -> list[Summary]:
        """Wait until `count` messages are in `state`; time stands still."""
        async with asyncio.timeout(10):
            while True:
                found = [each for each in await self.spool.recent(1000) if each.state == state]
                if state == "queued":  # after an attempt: before it, there is no reason to wait
                    found = [each for each in found if each.reason]
                if len(found) >= count:
                    return found
                await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def works(
    folder: Path,
    drain: float = 5.0,
    rates: Sequence[Rate] = (),
    terms: Mapping[str, Terms] | None = None,
    fallbacks: Fallbacks | None = None,
    **upstreams: ScriptedUpstream,
) -> AsyncIterator[Works]:
    clock = FakeClock()
    asked = {name: replace((terms or {}).get(name, Terms()), rates=tuple(rates)) for name in upstreams}
    async with opened(folder, clock) as spool:
        delivery = Delivery(
            spool,
            upstreams,
            retry=RETRY,
            terms=asked,
            fallbacks=fallbacks or Fallbacks({}, lambda _account: lambda message: message),
            clock=clock,
            jitter=lambda: 0.5,
        )
        task = asyncio.create_task(delivery.run())
        await asyncio.sleep(0)
        yield Works(spool, delivery, clock)
        await delivery.stop(drain)
        await task


USES_OFFICE = CLIENT + 'account = "office"\n'


async def fill(
    spool: Spool,
    count: int,
    account: str = "office",
    recipients: int = 1,
    priority: Priority = "normal",
    start: int = 0,
    sender: str = MAILBOX,
) -> None:
    """Queue messages, the number of each in its first recipient."""
    others = [f"also{number}@x.org" for number in range(recipients - 1)]

    def made(number: int) -> Submission:
        given = submission(
            f"number{number}@x.org", *others, account=account, sender=sender, now=number / 1000, priority=priority
        )
        return replace(given, expires_at=1e12, headers=f"From: {sender}\r\nSubject: Test\r\n".encode())

    await asyncio.gather(*(put(spool, made(number)) for number in range(start, start + count)))
