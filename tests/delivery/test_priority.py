"""Priorities: the urgent goes first, and nothing waits for ever."""

import asyncio
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import given

from relay.delivery.lane import FAIR_SHARE, Lane
from relay.delivery.terms import Terms
from relay.model import Identity, Priority
from relay.spool import Queue, Spool
from tests.delivery.parts import works
from tests.support.spool import opened, put, submission
from tests.support.upstream import SENT, ScriptedUpstream

MIXED = {"office": Terms(mixed=True)}


async def submit(spool: Spool, who: str, priority: Priority, now: float = 0.0, account: str = "office") -> None:
    await put(spool, submission(f"{who}@x.org", account=account, now=now, max_age=1e12, priority=priority))


def order(upstream: ScriptedUpstream) -> list[str]:
    return [message.envelope.recipients[0].partition("@")[0] for message in upstream.seen]


async def test_a_one_time_password_overtakes_a_thousand_newsletters_which_still_arrive(tmp_path: Path) -> None:
    upstream = ScriptedUpstream(SENT, concurrency=1)
    upstream.hold()
    async with works(tmp_path, terms=MIXED, office=upstream) as at:
        await asyncio.gather(*(submit(at.spool, f"news{number}", "low", number) for number in range(1000)))
        await submit(at.spool, "password", "high", 5000)
        upstream.let_go()
        async with asyncio.timeout(30):
            while len(upstream.seen) < 1001:
                await asyncio.sleep(0.01)
    arrived = order(upstream)
    assert arrived.index("password") <= 2
    arrived.remove("password")
    assert arrived == [f"news{number}" for number in range(1000)], "oldest first within a priority"


async def test_a_stream_of_urgent_mail_starves_nobody(tmp_path: Path) -> None:
    upstream = ScriptedUpstream(SENT, concurrency=1)
    upstream.hold()
    async with works(tmp_path, terms=MIXED, office=upstream) as at:
        await submit(at.spool, "first", "normal")
        for number in range(10):
            await submit(at.spool, f"news{number}", "low", 10 + number)
        for number in range(100):
            await submit(at.spool, f"urgent{number}", "high", 100 + number)
        upstream.let_go()
        await at.until("sent", 111)
    arrived = order(upstream)
    places = [arrived.index(f"news{number}") for number in range(10)]
    assert places == sorted(places)
    assert places[-1] <= 1 + 10 * FAIR_SHARE, "each fifth place is the oldest's"
    assert arrived[1:4] == ["urgent0", "urgent1", "urgent2"]


@given(st.lists(st.integers(1, 20), max_size=50))
def test_the_share_is_exact_however_the_places_come(chunks: list[int]) -> None:
    lane = Lane(Identity("smtp", "", "", ""), (), {})
    given_away = 0
    for places in chunks:
        given_away += lane.by_age(places)
        lane.leased += places
    assert given_away == sum(chunks) // FAIR_SHARE


async def test_priorities_survive_a_restart(tmp_path: Path) -> None:
    priorities: list[Priority] = ["low", "normal", "high"]
    async with opened(tmp_path) as spool:
        for priority in priorities:
            await submit(spool, priority, priority)
    async with opened(tmp_path) as spool:
        claims = await spool.claim([Queue("office")], 3)
        assert [claim.message.envelope.recipients[0] for claim in claims] == ["high@x.org", "normal@x.org", "low@x.org"]
        assert await spool.claim([Queue("office")], 3) == []


async def test_where_age_counts_the_oldest_of_all_priorities_and_accounts_comes_first(tmp_path: Path) -> None:
    mail: list[tuple[str, Priority]] = [("b", "low"), ("a", "normal"), ("a", "high"), ("b", "high"), ("a", "low")]
    async with opened(tmp_path) as spool:
        for number, (account, priority) in enumerate(mail):
            await submit(spool, str(number), priority, number, account)
        claims = await spool.claim([Queue("a"), Queue("b")], 4, by_age=2)
        assert [claim.message.envelope.recipients[0][0] for claim in claims] == ["0", "1", "2", "3"]
