"""Passwords: right ones are quick the second time, wrong ones are slow and cost the same for everybody."""

import asyncio
from collections.abc import AsyncIterator
from typing import Literal

import argon2
import pytest

from relay.listener.authentication import LONGEST_DELAY, MOST_FAILURES, REMEMBERED, Attempt, PasswordChecker, Verdict
from tests.support.clock import FakeClock
from tests.support.door import QUICK_HASH

PASSWORD = 'pässwörd "quoted" <&> % $'
HASH = QUICK_HASH.hash(PASSWORD)


class CountingHasher(argon2.PasswordHasher):
    """argon2 as it is, with the calls counted."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.calls = 0

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002 (argon2's name)
        self.calls += 1
        return super().verify(hash, password)


class Door:
    """A checker with a turnable clock and countable verifications."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.hasher = CountingHasher()
        self.checker = PasswordChecker(self.clock, self.hasher)

    async def knock(
        self,
        password: str,
        *,
        login: str = "app",
        address: str = "192.0.2.1",
        hashed: str | None = HASH,
        plain: str | None = None,
    ) -> Verdict:
        task = asyncio.create_task(self.checker.check(Attempt(login, password.encode(), address, hashed, plain)))
        while not task.done():
            await asyncio.sleep(0.001)
            await self.clock.advance(0.05)
        return task.result()


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    door = Door()
    yield door
    door.checker.close()


async def test_right_and_wrong(door: Door) -> None:
    assert await door.knock(PASSWORD) is Verdict.RIGHT
    assert await door.knock(PASSWORD + " ") is Verdict.WRONG
    assert await door.knock(PASSWORD, hashed=None, plain=PASSWORD) is Verdict.RIGHT
    assert await door.knock("x", hashed=None, plain=PASSWORD) is Verdict.WRONG


async def test_a_success_is_remembered_for_a_while_and_only_for_its_hash(door: Door) -> None:
    for _ in range(5):
        assert await door.knock(PASSWORD) is Verdict.RIGHT
    assert door.hasher.calls == 1
    await door.clock.advance(REMEMBERED + 1)
    await door.knock(PASSWORD)
    assert door.hasher.calls == 2
    assert await door.knock(PASSWORD, hashed=argon2.PasswordHasher().hash("changed")) is Verdict.WRONG


async def test_an_unknown_login_costs_what_a_wrong_password_costs(door: Door) -> None:
    await door.knock("wrong")
    known = door.hasher.calls
    assert await door.knock("wrong", login="nobody", hashed=None) is Verdict.WRONG
    assert await door.knock("wrong", login="plain", hashed=None, plain="secret") is Verdict.WRONG
    assert door.hasher.calls == 3 * known


async def test_each_failure_makes_the_next_answer_slower_up_to_a_limit(door: Door) -> None:
    waits = []
    for _ in range(8):
        before = door.clock.time()
        await door.knock("wrong")
        waits.append(door.clock.time() - before)
    # Each is the delay and a little: the time that the clock is turned while argon2 works.
    assert waits[:6] == sorted(waits[:6])
    assert waits[0] < 1
    assert LONGEST_DELAY <= waits[-1] < LONGEST_DELAY + 2


async def test_failures_count_for_the_address_and_for_the_login(door: Door) -> None:
    await door.knock("wrong", login="a", address="192.0.2.1")
    await door.knock("wrong", login="b", address="192.0.2.1")
    await door.knock("wrong", login="a", address="192.0.2.2")
    assert door.checker.failures("other", "192.0.2.1") == 2
    assert door.checker.failures("a", "192.0.2.9") == 2
    assert door.checker.failures("other", "192.0.2.9") == 0


async def test_an_address_with_many_failures_is_told_to_come_later_but_a_remembered_app_goes_on(door: Door) -> None:
    assert await door.knock(PASSWORD) is Verdict.RIGHT
    for number in range(MOST_FAILURES):
        door.checker.note_failure(f"guess{number}", "192.0.2.1")
    calls = door.hasher.calls
    assert await door.knock("guess") is Verdict.BUSY
    assert door.hasher.calls == calls
    assert await door.knock(PASSWORD) is Verdict.RIGHT


async def test_strangers_cannot_lock_an_app_out(door: Door) -> None:
    for number in range(3 * MOST_FAILURES):
        door.checker.note_failure("app", f"203.0.113.{number}")
    assert await door.knock(PASSWORD) is Verdict.RIGHT
