"""A clock that is set while mail waits, or while no relay runs: nothing is lost, and nothing waits for ever."""

import sqlite3
from pathlib import Path

import pytest

from relay.model import Outcome, Result
from relay.spool import Queue, Settled, Spool
from tests.support.clock import FakeClock
from tests.support.spool import opened, put, submission

BUSY = Result(Outcome.DEFERRED, 451, "4.3.0", "busy")
NEVER = Result(Outcome.FAILED, 550, "5.1.1", "no such user")
HOUR = 3600.0
YEARS = 50 * 365 * 24 * HOUR


async def deferred(spool: Spool, clock: FakeClock, wait: float) -> str:
    """A message that is to be tried again after `wait` seconds."""
    identifier = await put(spool, submission(now=clock.time()))
    (claim,) = await spool.claim([Queue("office")], 1)
    now = clock.time()
    await spool.finish(claim, Settled({"a@example.org": BUSY}, now + wait, True, "busy", now, now))
    return identifier


@pytest.mark.parametrize("by", [5 * HOUR, -5 * HOUR, YEARS, -YEARS])
async def test_a_message_is_tried_when_it_would_have_been(tmp_path: Path, by: float) -> None:
    clock = FakeClock()
    async with opened(tmp_path, clock) as spool:
        await deferred(spool, clock, 900)
        clock.jump(by)
        assert await spool.claim([Queue("office")], 10) == []
        assert await spool.expire() == 0
        await clock.advance(899)
        assert await spool.claim([Queue("office")], 10) == []
        await clock.advance(1)
        assert len(await spool.claim([Queue("office")], 10)) == 1


@pytest.mark.parametrize("by", [YEARS, -YEARS])
async def test_mail_lives_as_long_as_max_age_says(tmp_path: Path, by: float) -> None:
    clock = FakeClock()
    async with opened(tmp_path, clock) as spool:
        await put(spool, submission(now=clock.time(), max_age=5 * HOUR))
        clock.jump(by)
        await clock.advance(4 * HOUR)
        assert await spool.expire() == 0
        await clock.advance(HOUR)
        assert await spool.expire() == 1


async def test_what_is_being_sent_is_not_taken_for_abandoned(tmp_path: Path) -> None:
    """A second attempt beside the first would be a duplicate."""
    clock = FakeClock()
    async with opened(tmp_path, clock) as spool:
        await put(spool, submission(now=clock.time()))
        (claim,) = await spool.claim([Queue("office")], 1)
        clock.jump(5 * HOUR)
        await spool.reclaim()
        assert await spool.claim([Queue("office")], 1) == []
        await clock.advance(1)
        ended = Settled({"a@example.org": NEVER}, None, True, "", clock.time(), clock.time())
        assert await spool.finish(claim, ended) == "failed"


@pytest.mark.parametrize("by", [20 * 24 * HOUR, -20 * 24 * HOUR])
async def test_failed_mail_is_kept_as_long_as_it_should_be(tmp_path: Path, by: float) -> None:
    clock = FakeClock()
    async with opened(tmp_path, clock) as spool:
        await put(spool, submission(now=clock.time()))
        (claim,) = await spool.claim([Queue("office")], 1)
        await spool.finish(claim, Settled({"a@example.org": NEVER}, None, True, "", clock.time(), clock.time()))
        clock.jump(by)
        await spool.expire()
        await spool.prune(HOUR, 14 * 24 * HOUR)
        assert len(await spool.recent()) == 1
        await clock.advance(15 * 24 * HOUR)
        await spool.prune(HOUR, 14 * 24 * HOUR)
        assert await spool.recent() == []


async def test_mail_that_comes_after_the_jump_keeps_its_own_times(tmp_path: Path) -> None:
    clock = FakeClock()
    async with opened(tmp_path, clock) as spool:
        await deferred(spool, clock, 900)
        clock.jump(5 * HOUR)
        new = await put(spool, submission(now=clock.time()))
        assert [claim.message.id for claim in await spool.claim([Queue("office")], 10)] == [new]


async def test_a_clock_that_drifts_a_little_moves_nothing(tmp_path: Path) -> None:
    clock = FakeClock()
    async with opened(tmp_path, clock) as spool:
        await put(spool, submission(now=clock.time()))
        (before,) = await spool.recent()
        clock.jump(-30)
        await spool.expire()
        (after,) = await spool.recent()
        assert after.received_at == before.received_at


async def test_a_clock_that_was_set_back_while_no_relay_ran(tmp_path: Path) -> None:
    clock = FakeClock()
    async with opened(tmp_path, clock) as spool:
        await deferred(spool, clock, 900)
    async with opened(tmp_path, FakeClock(clock.time() - 5 * HOUR)) as spool:
        assert await spool.next_due([Queue("office")]) == clock.time() - 5 * HOUR + 900


async def test_what_could_not_be_moved_is_moved_later(tmp_path: Path) -> None:
    clock = FakeClock()
    async with opened(tmp_path, clock) as spool:
        await deferred(spool, clock, 900)
        clock.jump(5 * HOUR)
        forbid = "CREATE TEMP TRIGGER forbid BEFORE UPDATE ON message BEGIN SELECT raise(ABORT, 'no'); END"
        await spool._database.write(lambda connection: connection.execute(forbid))
        with pytest.raises(sqlite3.IntegrityError):
            await spool._write(lambda connection: connection.execute("UPDATE message SET size = 1"))
        await spool._database.write(lambda connection: connection.execute("DROP TRIGGER forbid"))
        assert await spool.claim([Queue("office")], 10) == []
        assert await spool.next_due([Queue("office")]) == clock.time() + 900
