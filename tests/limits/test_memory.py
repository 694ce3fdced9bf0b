"""Octets in memory against a limit: who waits, and in which order they go on."""

import asyncio

from relay.limits import Memory
from tests.support.clock import FakeClock


async def test_without_a_limit_nobody_waits() -> None:
    memory = Memory()
    memory.take(10**12)
    assert not memory.over
    assert memory.left is None
    assert await memory.room(0)


async def test_who_has_waited_longest_goes_first_and_one_at_a_time() -> None:
    clock = FakeClock()
    memory = Memory(100, clock)
    memory.take(100)
    gone: list[int] = []

    async def begin(number: int) -> None:
        assert await memory.room(30)
        gone.append(number)
        memory.take(60)

    tasks = [asyncio.create_task(begin(number)) for number in range(4)]
    await clock.settle()
    assert gone == []
    memory.take(-100)
    await clock.settle()
    assert (gone, memory.over) == ([0, 1], True)
    memory.take(-60)
    await clock.settle()
    assert gone == [0, 1, 2]
    memory.take(-60)
    await asyncio.gather(*tasks)
    assert gone == [0, 1, 2, 3]


async def test_who_has_waited_too_long_is_told() -> None:
    clock = FakeClock()
    memory = Memory(100, clock)
    memory.take(150)
    waiting = asyncio.create_task(memory.room(20))
    await clock.advance(19)
    assert not waiting.done()
    await clock.advance(1)
    assert await waiting is False
    memory.take(-150)
    assert await memory.room(0)


async def test_the_turn_of_one_who_has_gone_is_the_next_one_s() -> None:
    clock = FakeClock()
    memory = Memory(100, clock)
    memory.take(100)
    first, second = asyncio.create_task(memory.room(20)), asyncio.create_task(memory.room(20))
    await clock.settle()
    memory.take(-100)
    first.cancel()
    await clock.settle()
    assert await second is True
