"""What a listener takes when there is no room: neither in the queue, nor in memory, nor for those who are too slow."""

import asyncio
import logging
from pathlib import Path

import pytest

from relay.limits import Memory
from relay.spool import Limits
from tests.support.clock import FakeClock
from tests.support.door import Door, Line, door

FULL = "452 4.3.1 The message cannot be stored now, please try again later"
TOO_MUCH = "452 4.3.1 Too much mail is being received at once, please try again later"
LINE = b"x" * 998 + b"\r\n"


async def greeted(at: Door) -> Line:
    line = await at.knock()
    assert (await line.say("EHLO c")).startswith("250")
    return line


async def until(line: Line, memory: Memory, used: int) -> None:
    """Wait until so much is in memory."""
    async with asyncio.timeout(10):
        while memory.used < used:
            await asyncio.sleep(0.005)
    assert not line.reader.at_eof()


async def test_size_tells_at_mail_what_would_not_fit(tmp_path: Path) -> None:
    async with door(tmp_path, limits=Limits(100_000)) as at:
        await at.spool.capacity.look()
        line = await greeted(at)
        assert await line.say("MAIL FROM:<a@x.org> SIZE=100001") == FULL
        assert (await line.say("MAIL FROM:<a@x.org> SIZE=90000")).startswith("250")


async def test_without_size_it_is_told_at_the_end_of_the_data(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "relay")
    async with door(tmp_path, limits=Limits(100_000)) as at:
        await at.spool.capacity.look()
        line = await at.knock()
        await line.begin()
        assert await line.say(b"Subject: x\r\n\r\n" + LINE * 300 + b".\r\n") == FULL
        assert list((tmp_path / "bodies").iterdir()) == []
        for _ in range(5):
            assert await line.say("MAIL FROM:<a@x.org>") == "250 2.1.0 Sender OK"
            assert (await line.say("RSET")).startswith("250")
        # What was refused has given its room back.
        assert at.spool.capacity.refusal(90_000) == ""


async def test_while_it_is_full_everybody_is_refused_at_mail_and_the_log_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "relay")
    async with door(tmp_path, limits=Limits(max_messages=1)) as at:
        await at.spool.capacity.look()
        line = await at.knock()
        await line.begin()
        assert (await line.say(b"Subject: x\r\n\r\nx\r\n.\r\n")).startswith("250")
        for _ in range(20):
            assert await line.say("MAIL FROM:<a@x.org>") == FULL
        events = [getattr(record, "event", "") for record in caplog.records]
        assert events.count("full") == 1
        assert "sender refused" not in events
        assert len(await at.taken()) == 1


async def test_a_message_that_began_in_time_is_refused_when_room_has_gone_meanwhile(tmp_path: Path) -> None:
    async with door(tmp_path, limits=Limits(max_messages=1)) as at:
        await at.spool.capacity.look()
        one, two = await at.knock(), await greeted(at)
        for said in ("MAIL FROM:<a@x.org>", "RCPT TO:<b@x.org>"):
            assert (await two.say(said)).startswith("250")
        await one.begin()
        assert (await one.say(b"Subject: x\r\n\r\nx\r\n.\r\n")).startswith("250")
        assert await two.say("DATA") == FULL
        assert (await two.say("NOOP")).startswith("250")


async def test_bodies_go_to_the_disk_early_when_memory_is_short(tmp_path: Path) -> None:
    memory = Memory(100_000)
    async with door(tmp_path, memory=memory) as at:
        line = await at.knock()
        await line.begin()
        memory.take(90_000)  # the others
        line.writer.write(b"Subject: x\r\n\r\n" + LINE * 40)
        async with asyncio.timeout(10):
            while not list((tmp_path / "bodies").iterdir()):
                await asyncio.sleep(0.005)
        assert (await line.say(LINE * 5 + b".\r\n")).startswith("250")
        memory.take(-90_000)
        assert memory.used == 0
        ((claim, body),) = await at.taken()
        assert (body, claim.message.headers.count(b"Subject: x")) == (LINE * 45, 1)


async def test_a_large_header_block_is_refused_when_memory_is_short(tmp_path: Path) -> None:
    memory = Memory(50_000)
    async with door(tmp_path, memory=memory) as at:
        line = await at.knock()
        await line.begin()
        head = b"".join(b"X-%d: %s\r\n" % (number, b"y" * 60) for number in range(1000))
        assert await line.say(head + b"\r\nx\r\n.\r\n") == TOO_MUCH
        assert memory.used == 0
        await line.begin()
        assert (await line.say(b"Subject: x\r\n\r\nx\r\n.\r\n")).startswith("250")


async def test_data_waits_for_memory_and_gives_up_in_the_end(tmp_path: Path) -> None:
    clock = FakeClock()
    memory = Memory(100_000, clock)
    async with door(tmp_path, memory=memory, clock=clock) as at:
        lines = [await at.knock() for _ in range(2)]
        memory.take(100_000)
        for line in lines:
            for said in ("EHLO c", "MAIL FROM:<a@x.org>", "RCPT TO:<b@x.org>"):
                assert (await line.say(said)).startswith("250")
            line.writer.write(b"DATA\r\n")
        await line_up(memory, 2)
        memory.take(-16_384)
        assert (await lines[0].hear()).startswith("354")
        assert memory.over
        await clock.advance(21)
        assert await lines[1].hear() == TOO_MUCH
        assert (await lines[1].say("NOOP")).startswith("250")
        assert (await lines[0].say(b"Subject: x\r\n\r\nx\r\n.\r\n")).startswith("250")


async def line_up(memory: Memory, count: int) -> None:
    async with asyncio.timeout(10):
        while len(memory._waiting) < count:
            await asyncio.sleep(0.005)


async def test_memory_is_given_back_by_those_who_hang_up(tmp_path: Path) -> None:
    memory = Memory(10_000_000)
    async with door(tmp_path, memory=memory) as at:
        line = await at.knock()
        await line.begin()
        line.writer.write(b"Subject: x\r\n\r\n" + LINE * 50)
        await until(line, memory, 60_000)
        line.close()
        async with asyncio.timeout(10):
            while memory.used:
                await asyncio.sleep(0.005)
        assert at.spool.capacity._arriving == 0


async def test_content_that_drips_in_ends_the_session(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "relay")
    async with door(tmp_path, 'timeout = "1s"') as at:
        line = await at.knock()
        await line.begin()

        async def drip() -> None:
            while True:
                line.writer.write(b"x")
                await asyncio.sleep(0.1)

        dripping = asyncio.create_task(drip())
        assert await line.hear() == "421 4.4.2 The message comes too slowly, closing the connection"
        dripping.cancel()
        assert [record for record in caplog.records if getattr(record, "event", "") == "too_slow"]


async def test_a_command_that_drips_in_ends_the_session(tmp_path: Path) -> None:
    async with door(tmp_path, 'timeout = "1s"') as at:
        line = await at.knock()

        async def drip() -> None:
            while True:
                line.writer.write(b"N")
                await asyncio.sleep(0.1)

        dripping = asyncio.create_task(drip())
        assert await line.hear() == "421 4.4.2 Timeout, closing the connection"
        dripping.cancel()
