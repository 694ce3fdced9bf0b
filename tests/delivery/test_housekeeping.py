"""What delivery does beside its work, when there is much of it or some of it fails."""

import asyncio
from pathlib import Path

import pytest

from relay.database import StorageError
from relay.delivery.agenda import together
from relay.delivery.housekeeping import keep_house
from tests.support.clock import FakeClock
from tests.support.spool import opened, put, submission

MANY = 1100


async def test_all_that_is_too_old_fails_at_once_however_much_it_is(tmp_path: Path) -> None:
    clock = FakeClock()
    async with opened(tmp_path, clock) as spool:
        await asyncio.gather(*(put(spool, submission(now=clock.time(), max_age=60.0)) for _ in range(MANY)))
        await clock.advance(61)
        keeper = asyncio.create_task(keep_house(spool, clock, list, lambda: None))
        async with asyncio.timeout(30):
            while (await spool.overview()).total("failed") < MANY:
                await asyncio.sleep(0.01)
        keeper.cancel()
        await asyncio.wait({keeper})
        assert (await spool.overview()).total("queued") == 0


async def test_a_look_that_fails_leaves_no_other_behind() -> None:
    seen: list[str] = []

    async def fails() -> None:
        raise StorageError("the disk refuses")

    async def takes_longer() -> None:
        for _ in range(3):
            await asyncio.sleep(0)
        seen.append("all of it")

    with pytest.raises(StorageError, match="the disk refuses"):
        await together([fails(), takes_longer()])
    assert seen == ["all of it"]
