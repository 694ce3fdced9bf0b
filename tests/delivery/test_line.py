"""Messages that stand in line: leased with their commit, sent in order when there is a place, given back untried."""

import asyncio
from pathlib import Path

from relay.delivery.lane import AHEAD
from relay.spool import Spool
from tests.delivery.parts import works
from tests.support.upstream import REVOKED, SENT, ScriptedUpstream


async def states(spool: Spool) -> list[tuple[str, int]]:
    """State and attempts of every message, the oldest first."""
    return [(each.state, each.attempts) for each in reversed(await spool.recent(1000))]


async def test_who_comes_while_all_places_are_taken_stands_in_line_and_goes_in_order(tmp_path: Path) -> None:
    upstream = ScriptedUpstream(SENT, concurrency=1)
    async with works(tmp_path, office=upstream) as at:
        upstream.hold()
        names = [await at.submit() for _ in range(5)]
        assert await states(at.spool) == [("active", 1)] * 5, "each was leased in its own commit"
        assert upstream.most_running == 1
        upstream.let_go()
        await at.until("sent", 5)
        assert [message.id for message in upstream.seen] == names
        assert upstream.most_running == 1


async def test_the_line_has_an_end_and_the_rest_follows_from_the_queue(tmp_path: Path) -> None:
    upstream = ScriptedUpstream(SENT)
    async with works(tmp_path, office=upstream) as at:
        upstream.hold()
        for _ in range(AHEAD + 12):
            await at.submit()
        found = await states(at.spool)
        assert found.count(("active", 1)) == AHEAD + upstream.concurrency
        assert found.count(("queued", 0)) == 10
        upstream.let_go()
        await at.until("sent", AHEAD + 12)
        assert len(upstream.seen) == AHEAD + 12
        assert upstream.most_running == upstream.concurrency


async def test_trouble_gives_the_line_back_untried(tmp_path: Path) -> None:
    upstream = ScriptedUpstream(REVOKED, SENT, concurrency=1)
    async with works(tmp_path, office=upstream) as at:
        upstream.hold()
        for _ in range(4):
            await at.submit()
        upstream.let_go()
        async with asyncio.timeout(5):
            while await states(at.spool) != [("queued", 0)] * 4:
                await asyncio.sleep(0.005)
        assert len(upstream.seen) == 1, "nobody else had to hear of the trouble himself"
        await at.turn(60)
        await at.until("sent", 4)


async def test_a_stop_waits_for_who_is_being_sent_not_for_the_line(tmp_path: Path) -> None:
    upstream = ScriptedUpstream(SENT, concurrency=1)
    async with works(tmp_path, office=upstream) as at:
        upstream.hold()
        for _ in range(3):
            await at.submit()
        stop = asyncio.create_task(at.delivery.stop(5))
        await asyncio.sleep(0.05)
        upstream.let_go()
        await stop
        assert await states(at.spool) == [("sent", 1), ("queued", 0), ("queued", 0)]
