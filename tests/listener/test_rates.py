"""What clients may send in a time: refused with the time to wait, or held in the queue."""

from pathlib import Path

from tests.support.clock import FakeClock
from tests.support.door import CONTENT, LOCAL, Door, Line, door


async def send(line: Line, *recipients: str) -> str:
    """One message: the first refusal, or the last reply."""
    for command in ("EHLO c", "MAIL FROM:<app@x.org>", *(f"RCPT TO:<{each}>" for each in recipients), "DATA"):
        reply = await line.say(command)
        if reply[0] not in "23":
            return reply
    return await line.say(CONTENT + b".\r\n")


async def waiting(at: Door) -> list[tuple[tuple[str, ...], float, str]]:
    """The queue, oldest first: recipients, when it is due, and why so late."""
    return [(each.recipients, each.next_at, each.reason) for each in reversed(await at.spool.recent())]


async def test_a_client_above_its_rate_hears_when_to_come_again(tmp_path: Path) -> None:
    clock = FakeClock()
    async with door(tmp_path, clients=LOCAL + 'rate = ["2 messages/1m"]\n', clock=clock) as at:
        line = await at.knock()
        assert (await send(line, "a@x.org")).startswith("250")
        clock.now += 18
        assert (await send(line, "b@x.org")).startswith("250")
        told = 'Client "local" may send 2 messages/1m: try again in 42s (clients.local.rate)'
        assert await send(line, "c@x.org") == f"451 4.7.1 {told}"
        clock.now += 42
        assert (await send(line, "c@x.org")).startswith("250")
        assert len(await waiting(at)) == 3


async def test_a_flood_to_one_address_is_refused_while_others_are_served(tmp_path: Path) -> None:
    clock = FakeClock()
    async with door(tmp_path, clients=LOCAL + 'recipient_rate = ["3 messages/1m"]\n', clock=clock) as at:
        line = await at.knock()
        replies = [await send(line, address) for _ in range(50) for address in ("victim@x.org", "Victim@X.org")]
        assert [reply[:3] for reply in replies].count("250") == 3
        told = "3 messages/1m to Victim@X.org: try again in 1m (clients.local.recipient_rate)"
        assert replies[-1] == f'451 4.7.1 Client "local" may send {told}'
        for number in range(20):
            assert (await send(line, f"user{number}@x.org")).startswith("250")
        clock.now += 60
        assert (await send(line, "victim@x.org")).startswith("250")


async def test_a_flood_to_one_address_is_held_while_others_are_served(tmp_path: Path) -> None:
    clock = FakeClock()
    rates = 'recipient_rate = ["1 message/1m"]\nover_rate = "hold"\n'
    async with door(tmp_path, clients=LOCAL + rates, clock=clock) as at:
        line = await at.knock()
        now = clock.now
        for _ in range(3):
            assert (await send(line, "victim@x.org", "other@x.org", f"new{_}@x.org")).startswith("250")
        why = 'held for the rates of client "local"'
        assert await waiting(at) == [
            (("victim@x.org", "other@x.org", "new0@x.org"), now, ""),
            (("new1@x.org",), now, ""),
            (("victim@x.org", "other@x.org"), now + 60, why),
            (("new2@x.org",), now, ""),
            (("victim@x.org", "other@x.org"), now + 120, why),
        ]
        assert {claim.message.envelope.recipients[0] for claim, body in await at.taken() if body == b"Hello\r\n"} == {
            "victim@x.org",
            "new1@x.org",
            "new2@x.org",
        }


async def test_what_would_be_held_for_longer_than_it_is_kept_is_refused(tmp_path: Path) -> None:
    rates = 'rate = ["1 message/1h"]\nover_rate = "hold"\nmax_age = "90m"\n'
    async with door(tmp_path, clients=LOCAL + rates, clock=FakeClock()) as at:
        line = await at.knock()
        assert (await send(line, "a@x.org")).startswith("250")
        assert (await send(line, "a@x.org")).startswith("250")
        assert (await send(line, "a@x.org")).startswith("451 4.7.1")


async def test_a_message_that_is_refused_has_cost_nothing(tmp_path: Path) -> None:
    async with door(tmp_path, clients=LOCAL + 'rate = ["1 message/1h"]\n', clock=FakeClock()) as at:
        line = await at.knock()
        await line.begin()
        assert (await line.say(b"From: app@x.org\r\n\r\nbare\nline\r\n.\r\n")).startswith("554")
        assert (await send(line, "a@x.org")).startswith("250")


async def test_sessions_that_began_together_share_the_rate(tmp_path: Path) -> None:
    async with door(tmp_path, clients=LOCAL + 'rate = ["1 message/1h"]\n', clock=FakeClock()) as at:
        first, second = await at.knock(), await at.knock()
        await first.begin()
        await second.begin()
        assert (await first.say(CONTENT + b".\r\n")).startswith("250")
        assert (await second.say(CONTENT + b".\r\n")).startswith("451 4.7.1")
        assert len(await waiting(at)) == 1
