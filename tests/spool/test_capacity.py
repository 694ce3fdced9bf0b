"""Room for new mail: when it is refused, and when it is taken again."""

import asyncio
import logging
import threading
from pathlib import Path

import pytest

from relay.database.sqlite import SqliteDatabase
from relay.model import Outcome, Result
from relay.spool import Limits, Queue, Settled, Spool
from relay.spool.capacity import Capacity
from tests.support.clock import FakeClock
from tests.support.process import PATIENCE
from tests.support.spool import HEADERS, opened, put, submission

SENT = Result(Outcome.SENT, 250, "2.0.0", "OK")
NEVER = Result(Outcome.FAILED, 550, "5.1.1", "no such user")
BODY = b"x" * 9_000
SIZE = len(HEADERS) + 2 + len(BODY)


async def settle(spool: Spool, result: Result, limit: int = 100) -> None:
    for claim in await spool.claim([Queue("office")], limit):
        await spool.finish(claim, Settled({"a@example.org": result}, None, True, "", 0.0, 0.0))


def told(caplog: pytest.LogCaptureFixture, event: str) -> int:
    return sum(getattr(record, "event", "") == event for record in caplog.records)


async def test_it_is_full_at_once_and_has_room_once_enough_has_gone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "relay")
    async with opened(tmp_path, FakeClock(), Limits(10 * SIZE)) as spool:
        capacity = spool.capacity
        await capacity.look()
        for _ in range(10):
            assert capacity.refusal(SIZE - 1) == ""
            await put(spool, submission(), BODY)
        for _ in range(50):
            assert "queue.max_size is" in capacity.refusal()
        await capacity.look()
        assert capacity.troubles == [f"new mail is refused: {capacity.full}"]
        assert (told(caplog, "full"), told(caplog, "room")) == (1, 0)
        report = await put(spool, submission(sender=""), b"")  # what the relay itself writes has room yet
        await settle(spool, SENT, 1)
        await capacity.look()
        assert capacity.refusal() == ""
        assert capacity.troubles == []
        assert report in {one.id for one in await spool.recent()}
        assert (told(caplog, "full"), told(caplog, "room")) == (1, 1)


async def test_a_message_that_does_not_fit_is_refused_and_a_smaller_one_is_not(tmp_path: Path) -> None:
    async with opened(tmp_path, FakeClock(), Limits(10 * SIZE)) as spool:
        await spool.capacity.look()
        await put(spool, submission(), BODY)
        assert spool.capacity.refusal(9 * SIZE + 1) != ""
        assert spool.capacity.refusal(8 * SIZE) == ""
        assert spool.capacity.full == ""


async def test_it_takes_more_room_to_begin_again_than_it_took_to_stop(tmp_path: Path) -> None:
    async with opened(tmp_path, FakeClock(), Limits(max_messages=40)) as spool:
        await spool.capacity.look()
        for _ in range(40):
            assert spool.capacity.refusal() == ""
            await put(spool, submission())
        assert "40 messages" in spool.capacity.refusal()
        for gone, full in ((1, True), (1, True), (1, False)):
            await settle(spool, SENT, gone)
            await spool.capacity.look()
            assert bool(spool.capacity.refusal()) is full


async def test_failed_mail_that_is_kept_refuses_nobody_and_makes_room(tmp_path: Path) -> None:
    limits = Limits(3 * SIZE)
    async with opened(tmp_path, FakeClock(), limits) as spool:
        for _ in range(3):
            await put(spool, submission(), BODY)
        await settle(spool, NEVER)
        await spool._write(lambda connection: connection.execute("UPDATE message SET owed = 0"))
        await put(spool, submission(), BODY)
        await spool.capacity.look()
        assert spool.capacity.refusal(SIZE) == ""
        assert spool.capacity.crowded.is_set()
        await spool.prune(1e10, 1e10, limits)
        assert [one.state for one in await spool.recent()] == ["queued", "failed", "failed"]
        assert not spool.capacity.crowded.is_set()


async def test_what_arrives_counts_before_it_is_there(tmp_path: Path) -> None:
    async with opened(tmp_path, FakeClock(), Limits(1000)) as spool:
        await spool.capacity.look()
        one, two = spool.capacity.arrival(), spool.capacity.arrival()
        assert one.grow(600) == ""
        assert one.grow(500) == ""
        assert two.grow(401) != ""
        two.end()
        assert spool.capacity.refusal(300) == ""
        one.end()
        one.end()
        assert spool.capacity.refusal(900) == ""


async def test_the_disk_is_left_with_what_it_is_to_have(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "relay.db")
    free = [1_000_000]
    (tmp_path / "bodies").mkdir()
    async with opened(tmp_path):
        pass
    capacity = Capacity(database, tmp_path, Limits(min_free_disk=600_000), FakeClock(), lambda _folder: free[0])
    await capacity.look()
    assert capacity.refusal(399_000) == ""
    assert "queue.min_free_disk" in capacity.refusal(400_001)
    capacity.store(300_000)
    assert capacity.refusal(150_000) != ""
    for free[0], full in ((599_999, True), (600_001, True), (629_999, True), (630_001, False), (600_001, False)):
        await capacity.look()
        assert bool(capacity.full) is full
    await database.close()


async def test_trouble_is_told_once_and_ends_when_something_can_be_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "relay")
    async with opened(tmp_path) as spool:
        bodies, away = tmp_path / "bodies", tmp_path / "away"
        bodies.rename(away)
        for _ in range(3):
            with pytest.raises(OSError, match="bodies"):
                await put(spool, submission(), b"x" * 300_000)
            spool.capacity.fail(OSError("bodies"))
            await spool.capacity.look()
            assert "cannot be written" in spool.capacity.troubles[0]
            assert spool.capacity.refusal() != ""
        away.rename(bodies)
        await spool.capacity.look()
        assert spool.capacity.refusal() == ""
        assert list(bodies.iterdir()) == []
        assert (told(caplog, "storage"), told(caplog, "storage_restored")) == (1, 1)


async def test_it_looks_once_a_second_and_less_often_when_that_takes_long(tmp_path: Path) -> None:
    clock = FakeClock()
    looks: list[float] = []
    answers = threading.Event()

    def free(_folder: Path) -> int:
        looks.append(clock.now)
        if len(looks) > 2:
            answers.wait(PATIENCE)  # a slow network disk
        return 10**12

    async with opened(tmp_path) as spool:
        capacity = Capacity(spool._database, tmp_path, Limits(min_free_disk=1), clock, free)
        task = asyncio.create_task(capacity.run())
        for _ in range(10_000):
            await clock.advance(1)
            await asyncio.sleep(0.002)
            if len(looks) == 3 and not answers.is_set():
                await clock.advance(10)
                answers.set()
            if len(looks) >= 4:
                break
        task.cancel()
        await asyncio.wait({task})
    assert looks[1] - looks[0] >= 1
    assert looks[3] - looks[2] >= 200
