"""What this process is sending is its own, however late it comes to say so."""

import asyncio
from pathlib import Path

import pytest

from relay.delivery.housekeeping import HOUSEKEEPING
from relay.spool import LEASE
from tests.delivery.parts import works
from tests.support.upstream import SENT, ScriptedUpstream


async def test_a_jump_of_the_clock_takes_no_attempt_away(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The machine slept, or its clock was set forward, while two messages were being sent and one stood in line."""
    upstream = ScriptedUpstream(SENT, concurrency=2)
    upstream.hold()
    async with works(tmp_path, office=upstream) as at:
        for number in range(3):
            await at.submit(f"n{number}@x.org")
        async with asyncio.timeout(10):
            while upstream.running < 2:
                await asyncio.sleep(0.005)
        at.clock.now += 2 * LEASE
        await at.turn(2 * HOUSEKEEPING)
        upstream.let_go()
        sent = await at.until("sent", 3)
    assert [each.attempts for each in sent] == [1, 1, 1]
    assert len(upstream.seen) == 3
    assert "leased and forgotten" not in caplog.text
