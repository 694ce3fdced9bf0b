"""How many requests run at a time: for a mailbox, and for an application."""

import asyncio
import gc
import weakref

import pytest

from relay.model import Identity, Outcome, Scope
from relay.upstream.gates import Gate, Gates
from relay.upstream.trouble import AttemptError
from tests.support.clock import FakeClock


def mailbox(name: str) -> Identity:
    return Identity("microsoft", "global", "contoso.com", name)


class Counter:
    def __init__(self) -> None:
        self.running = self.most = 0

    async def pass_through(self, gate: Gate) -> None:
        async with gate.passing():
            self.running += 1
            self.most = max(self.most, self.running)
            for _ in range(3):
                await asyncio.sleep(0)
            self.running -= 1


async def test_two_accounts_on_one_mailbox_share_its_places() -> None:
    gates, counter = Gates(), Counter()
    several = [gates.of(mailbox("office"), 2, "app", 4) for _ in range(2)]
    await asyncio.gather(*(counter.pass_through(gate) for gate in several * 4))
    assert counter.most == 2


async def test_mailboxes_of_one_app_share_its_places() -> None:
    gates, counter = Gates(), Counter()
    several = [gates.of(mailbox(f"m{number}"), 2, "app", 4) for number in range(5)]
    await asyncio.gather(*(counter.pass_through(gate) for gate in several * 2))
    assert counter.most == 4


async def test_another_app_has_its_own() -> None:
    gates, counter = Gates(), Counter()
    several = [gates.of(mailbox(f"m{number}"), 2, f"app{number}", 1) for number in range(3)]
    await asyncio.gather(*(counter.pass_through(gate) for gate in several * 2))
    assert counter.most == 3


async def test_without_an_app_only_the_mailbox_counts() -> None:
    gates, counter = Gates(), Counter()
    several = [gates.of(mailbox(f"m{number}"), 1) for number in range(3)]
    await asyncio.gather(*(counter.pass_through(gate) for gate in several * 2))
    assert counter.most == 3


async def test_mailboxes_that_rest_are_forgotten() -> None:
    gates = Gates()
    busy = gates.of(mailbox("m0"), 2, "app", 4)
    async with busy.passing():
        again = gates.of(mailbox("m0"), 2, "app", 4)
        assert (again.mailbox, again.app) == (busy.mailbox, busy.app), "one of which a place is held stays"
    gone = weakref.ref(busy.mailbox)
    del busy, again
    gc.collect()
    assert gone() is None


async def test_an_application_that_is_throttled_rests_for_all_its_mailboxes_and_no_other_does() -> None:
    clock, counter = FakeClock(), Counter()
    gates = Gates(clock)
    gates.of(mailbox("m0"), 2, "app", 4).rest.begin(10.0, "429 throttled")
    with pytest.raises(AttemptError, match="429 throttled") as refused:
        await counter.pass_through(gates.of(mailbox("m1"), 2, "app", 4))
    result = refused.value.result
    assert (result.outcome, result.scope, result.retry_after) == (Outcome.DEFERRED, Scope.IDENTITY, 10.0)
    for other in (gates.of(mailbox("m2"), 2, "another", 4), gates.of(mailbox("m3"), 2)):
        await counter.pass_through(other)
    await clock.advance(10)
    await counter.pass_through(gates.of(mailbox("m1"), 2, "app", 4))


async def test_who_waited_for_a_place_meanwhile_does_not_ask_either() -> None:
    gates, counter = Gates(FakeClock()), Counter()
    gate = gates.of(mailbox("m0"), 1, "app", 4)
    async with gate.passing():
        waiting = asyncio.create_task(counter.pass_through(gate))
        await asyncio.sleep(0)
        gate.rest.begin(5.0, "429 throttled")
    with pytest.raises(AttemptError):
        await waiting
    assert counter.most == 0
