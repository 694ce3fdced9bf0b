"""What a command has changed is noticed within a second, however busy the other mailboxes are."""

import asyncio
from pathlib import Path

from relay.delivery import POLL, Delivery
from relay.spool import Queue, changes
from relay.spool.administration import opened
from relay.spool.selection import Selection
from tests.support import spool as support
from tests.support.clock import FakeClock
from tests.support.spool import put, submission
from tests.support.upstream import BUSY, SENT, ScriptedUpstream


async def test_a_retry_is_noticed_beside_a_mailbox_that_never_rests(tmp_path: Path) -> None:
    clock = FakeClock()
    quiet, busy = ScriptedUpstream(BUSY, SENT, mailbox="quiet@x.org"), ScriptedUpstream(SENT, mailbox="busy@x.org")
    async with support.opened(tmp_path, clock) as spool, opened(tmp_path / "relay.db") as queue:
        queue._clock = clock
        delivery = Delivery(spool, {"quiet": quiet, "busy": busy}, retry=(3600.0,), clock=clock)
        task = asyncio.create_task(delivery.run())
        await put(spool, submission(account="quiet", now=clock.time()))
        async with asyncio.timeout(5):
            while not (await spool.recent())[0].reason:
                await asyncio.sleep(0.005)
        ((seq, _),) = await queue.find(Selection())
        assert (await queue.change(changes.retry, [seq])).left == {}
        clock.now += POLL
        async with asyncio.timeout(5):
            while len(quiet.seen) < 2:
                delivery.notice(Queue("busy"))
                await asyncio.sleep(0)
        await delivery.stop(5)
        await task
