"""The pace, with the real parts on both sides: queue, SMTP with tokens, and a stand-in Exchange that refuses excess."""

import asyncio
from pathlib import Path

from relay.config.rates import rate
from relay.sandbox import Fault, Sandbox
from tests.delivery.parts import USES_OFFICE, fill, works
from tests.support.clock import FastClock
from tests.support.exchange import CLIENT, MAILBOX, account, delivering, sandbox
from tests.support.upstream import REVOKED, SENT, ScriptedUpstream


def arrived(at: Sandbox) -> list[int]:
    return [int(one.recipients[0].partition("@")[0].removeprefix("number")) for one in at.received]


def most_in_a_minute(at: Sandbox, mailbox: str = "") -> int:
    times = [one.at for one in at.received if mailbox in ("", one.mailbox)]
    return max(sum(start <= each < start + 60 for each in times) for start in times)


async def test_a_thousand_messages_into_one_mailbox_without_one_refusal(tmp_path: Path) -> None:
    """40 minutes at 25 messages a minute; the stand-in refuses the 31st of any minute and the fourth connection."""
    clock = FastClock(240)
    async with sandbox(tmp_path, clock) as running:
        async with delivering(tmp_path, running, CLIENT + account(running), clock) as at:
            began = clock.monotonic()
            await fill(at.spool, 1000)
            await at.until_received(1000)
            assert clock.monotonic() - began > 39 * 60
            states = {(each.state, each.attempts) for each in await at.spool.recent(2000)}
        assert states <= {("sent", 1), ("active", 1)}
        numbers = arrived(running)
        assert sorted(numbers) == list(range(1000))
        # Oldest first; by this clock it takes seconds to open a connection, while the other one goes on.
        assert all(abs(number - place) <= 50 for place, number in enumerate(numbers))
        assert sum(number == place for place, number in enumerate(numbers)) > 500
        assert most_in_a_minute(running) <= 30


async def test_an_urgent_message_overtakes_what_waits_for_the_pace(tmp_path: Path) -> None:
    """All of it at Exchange's own pace, oldest first within a priority, and nothing is refused."""
    clock = FastClock(120)
    crowd = 'networks = ["127.0.0.1"]\nsenders = ["*"]\naccount = "office"\n'
    clients = f'[clients.shop]\n{crowd}listeners = ["default"]\npriority = "low"\n'
    clients += f'[clients.login_page]\npassword = "x"\n{crowd}priority = "high"\n'
    async with (
        sandbox(tmp_path, clock) as running,
        delivering(tmp_path, running, clients + account(running), clock) as at,
    ):
        await fill(at.spool, 100, priority="low")
        await at.until_received(10)
        await fill(at.spool, 3, priority="high", start=1000)
        began = len(running.received)
        await at.until_received(103)
    order = arrived(running)
    urgent = [place for place, number in enumerate(order) if number >= 1000]
    assert urgent[-1] <= began + 8, "at most what was on its way goes before them, and the oldest's share"
    assert sorted(order) == [*range(100), 1000, 1001, 1002]
    letters = [number for number in order if number < 1000]
    assert all(abs(number - place) <= 25 for place, number in enumerate(letters))
    assert most_in_a_minute(running) <= 30


async def test_two_mailboxes_each_have_their_own_pace(tmp_path: Path) -> None:
    clock = FastClock(60)
    other = "other@sandbox.onmicrosoft.com"
    async with sandbox(tmp_path, clock, more_mailboxes=(other,)) as running:
        text = USES_OFFICE + account(running) + account(running, "second", other)
        async with delivering(tmp_path, running, text, clock) as at:
            await asyncio.gather(fill(at.spool, 30), fill(at.spool, 30, account="second"))
            await at.until_received(60)
        assert most_in_a_minute(running, MAILBOX) <= 30
        assert most_in_a_minute(running, other) <= 30
        assert most_in_a_minute(running) > 30


async def test_the_senders_of_one_account_each_have_their_own_pace_and_trouble(tmp_path: Path) -> None:
    """Two mailboxes of the tenant, and one that is not there; the stand-in refuses the 31st message of any minute."""
    clock = FastClock(60)
    other, typo = "other@sandbox.onmicrosoft.com", "tpyo@sandbox.onmicrosoft.com"
    async with sandbox(tmp_path, clock, more_mailboxes=(other,)) as running:
        text = CLIENT + account(running, mailbox="sender")
        async with delivering(tmp_path, running, text, clock) as at:
            for sender in (typo, MAILBOX, other):
                await fill(at.spool, 30, sender=sender)
            await at.until_received(60)
            paused = {one.mailbox for one in at.delivery.status() if one.trouble}
            assert paused == {typo}
            waiting = [each for each in await at.spool.recent(100) if each.state == "queued"]
            assert {(each.sender, each.attempts) for each in waiting} == {(typo, 0)}
        assert most_in_a_minute(running, MAILBOX) <= 30
        assert most_in_a_minute(running, other) <= 30
        assert most_in_a_minute(running) > 30


async def test_accounts_on_one_mailbox_share_its_pace(tmp_path: Path) -> None:
    clock = FastClock(240)
    async with sandbox(tmp_path, clock) as running:
        text = USES_OFFICE + account(running) + account(running, "second")
        async with delivering(tmp_path, running, text, clock) as at:
            began = clock.monotonic()
            await asyncio.gather(fill(at.spool, 25), fill(at.spool, 25, account="second"))
            await at.until_received(50)
            assert clock.monotonic() - began > 100
            assert {each.attempts for each in await at.spool.recent(100)} == {1}


async def test_a_restart_does_not_begin_a_new_count(tmp_path: Path) -> None:
    clock = FastClock(120)
    async with sandbox(tmp_path, clock) as running:
        text = CLIENT + account(running, more='rate = ["10 messages/10m"]')
        begun = clock.monotonic()
        async with delivering(tmp_path, running, text, clock) as at:
            await fill(at.spool, 15)
            await at.until_received(10)
        async with delivering(tmp_path, running, text, clock) as at:
            await asyncio.sleep(0.3)
            assert len(running.received) == 10
            await at.until_received(15)
            assert clock.monotonic() - begun > 600
            assert {each.attempts for each in await at.spool.recent(20)} == {1}


async def test_graph_is_asked_four_times_at_once_for_one_application(tmp_path: Path) -> None:
    clock = FastClock(1)
    others = tuple(f"m{number}@sandbox.onmicrosoft.com" for number in range(5))
    async with sandbox(tmp_path, clock, more_mailboxes=others) as running:
        tables = [account(running, f"a{number}", one, via="graph") for number, one in enumerate(others)]
        text = CLIENT + 'account = "a0"\n' + "".join(tables)
        running.faults.add(Fault(kind="slow", at="graph_taken", seconds=0.1))
        async with delivering(tmp_path, running, text, clock) as at:
            most = 0

            async def look() -> None:
                nonlocal most
                while True:
                    most = max(most, sum(one.graph_requests for one in running.mailboxes))
                    await asyncio.sleep(0)

            watcher = asyncio.create_task(look())
            await asyncio.gather(*(fill(at.spool, 12, account=f"a{number}") for number in range(5)))
            await at.until_received(60)
            watcher.cancel()
            await asyncio.wait([watcher])
            assert most == 4


async def test_recipients_are_paced_and_a_large_message_is_not_passed_by_smaller_ones(tmp_path: Path) -> None:
    upstream = ScriptedUpstream(SENT)
    async with works(tmp_path, rates=[rate("100 recipients/1h")], office=upstream) as at:
        for number, count in enumerate([60, 60, 10, 500, 1]):
            await at.submit(*(f"n{number}-{each}@x.org" for each in range(count)))
        for sent in ([60], [60, 60, 10], [60, 60, 10, 500], [60, 60, 10, 500, 1]):
            await asyncio.sleep(0.1)
            assert [len(message.envelope.recipients) for message in upstream.seen] == sent
            await at.turn(1830)
            await at.turn(1830)
        assert {each.attempts for each in await at.spool.recent()} == {1}


async def test_a_wait_for_the_pace_uses_up_no_attempt(tmp_path: Path) -> None:
    upstream = ScriptedUpstream(SENT)
    async with works(tmp_path, rates=[rate("1 message/10m")], office=upstream) as at:
        for _ in range(3):
            await at.submit()
        await at.turn(660)
        assert len(upstream.seen) == 2
        await at.turn(660)
        assert {each.attempts for each in await at.until("sent", 3)} == {1}


async def test_what_the_mailbox_refuses_as_a_whole_does_not_count(tmp_path: Path) -> None:
    upstream = ScriptedUpstream(REVOKED, SENT)
    async with works(tmp_path, rates=[rate("1 message/1h")], office=upstream) as at:
        await at.submit()
        await at.turn(60)
        await at.until("sent")


async def test_accounts_on_one_mailbox_share_its_connections(tmp_path: Path) -> None:
    """Each keeps its own open for a while; the stand-in refuses mail on the third of this mailbox."""
    clock = FastClock(1)
    async with sandbox(tmp_path, clock, connections=2, messages_per_minute=None) as running:
        free = "rate = []\nconcurrency = 2"
        text = USES_OFFICE + account(running, more=free) + account(running, "second", more=free)
        async with delivering(tmp_path, running, text, clock) as at:
            for number in range(6):
                await asyncio.gather(fill(at.spool, 4), fill(at.spool, 4 * (number % 2), account="second"))
                await fill(at.spool, 4, account="second")
            await at.until_received(60)
            assert {(each.reason, each.attempts) for each in await at.spool.recent(100)} == {("", 1)}
