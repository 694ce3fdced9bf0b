"""A clock that is set while mail goes out: no pause lasts for hours, none ends early, and nothing is sent twice."""

import asyncio
from pathlib import Path

import pytest

from tests.delivery.parts import works
from tests.support.clock import FakeClock
from tests.support.upstream import BUSY, REVOKED, SENT, ScriptedUpstream

HOUR = 3600.0


@pytest.mark.parametrize("by", [5 * HOUR, -5 * HOUR])
async def test_a_pause_lasts_as_long_as_it_would_have(tmp_path: Path, by: float) -> None:
    upstream = ScriptedUpstream(REVOKED, SENT)
    async with works(tmp_path, office=upstream) as at:
        await at.submit()
        await at.until("queued")
        left = at.delivery.status()[0].paused_until - at.clock.time()
        at.clock.jump(by)
        await at.turn(1)
        assert at.delivery.status()[0].paused_until - at.clock.time() == pytest.approx(left - 1)
        assert len(upstream.seen) == 1
        await at.turn(left + 1)
        await at.until("sent")


@pytest.mark.parametrize("by", [5 * HOUR, -5 * HOUR, 50 * 365 * 24 * HOUR])
async def test_a_message_is_tried_again_at_its_time_and_sent_once(tmp_path: Path, by: float) -> None:
    upstream = ScriptedUpstream(BUSY, SENT)
    async with works(tmp_path, office=upstream) as at:
        await at.submit()
        await at.until("queued")
        at.clock.jump(by)
        await at.turn(30)
        assert len(upstream.seen) == 1
        await at.turn(90)
        await at.until("sent")
        assert len(upstream.seen) == 2


@pytest.mark.parametrize("by", [5 * HOUR, -5 * HOUR])
async def test_what_is_being_sent_meanwhile_is_not_begun_again(tmp_path: Path, by: float) -> None:
    upstream = ScriptedUpstream(SENT)
    upstream.hold()
    async with works(tmp_path, office=upstream) as at:
        await at.submit()
        async with asyncio.timeout(10):
            while not upstream.seen:
                await asyncio.sleep(0.005)
        at.clock.jump(by)
        await at.turn(60)
        assert len(upstream.seen) == 1
        upstream.let_go()
        await at.until("sent")
        assert len(upstream.seen) == 1


def test_the_fake_clock_is_set_without_time_passing() -> None:
    clock = FakeClock()
    before = clock.monotonic()
    clock.jump(-100)
    assert (clock.monotonic(), clock.time() - clock.elapsed()) == (before, -100)
