"""Whether a client that waits has heard of a failure itself, or is owed a report: also when it goes at that moment."""

import asyncio
from pathlib import Path

import pytest

from relay.model import Outcome, Result
from relay.spool import Queue, Settled, Spool
from tests.support.spool import opened, put, submission

NEVER = Result(Outcome.FAILED, 550, "5.1.1", "no such user")


async def failed(spool: Spool) -> str:
    """A message that has failed while its client waits."""
    identifier = await put(spool, submission())
    spool.watch(identifier, Queue("office"))
    (claim,) = await spool.claim([Queue("office")], 1)
    await spool.finish(claim, Settled({"a@example.org": NEVER}, None, True, "no", 1.0, 2.0))
    return identifier


async def owed(spool: Spool) -> list[tuple[int, int, int]]:
    """(owed, reported, told) of every message."""
    select = "SELECT owed, reported, told FROM message JOIN recipient ON message = seq"
    found: list[tuple[int, int, int]] = await spool._database.read(
        lambda connection: connection.execute(select).fetchall()
    )
    return found


async def test_who_is_there_has_heard_it(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        identifier = await failed(spool)
        assert await spool.mark_reported(identifier, lambda: False)
        assert await owed(spool) == [(0, 1, 1)]


async def test_who_has_gone_by_then_is_owed_a_report(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        identifier = await failed(spool)
        spool.owed.clear()
        assert not await spool.mark_reported(identifier, lambda: True)
        async with asyncio.timeout(30):
            await spool.owed.wait()
        assert await owed(spool) == [(1, 0, 0)]


async def test_who_goes_while_it_is_noted_is_owed_a_report(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        identifier = await failed(spool)
        spool.owed.clear()
        noting = asyncio.create_task(spool.mark_reported(identifier, lambda: False))
        await asyncio.sleep(0)
        noting.cancel()
        spool.unwatch(identifier)
        with pytest.raises(asyncio.CancelledError):
            await noting
        await spool.close()
        assert await owed(spool) == [(1, 0, 0)]
