"""How many requests run at a time: for a mailbox, and for an application."""

import asyncio
import gc
import weakref

from relay.model import Identity
from relay.upstream.gates import Gate, Gates


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
