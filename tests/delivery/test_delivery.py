"""Delivery on a real queue, with a turned clock and upstreams that answer as they are told."""

import asyncio
from pathlib import Path

from relay.model import Outcome, Result
from relay.spool import Queue
from tests.delivery.parts import works
from tests.support.clock import FakeClock
from tests.support.spool import opened
from tests.support.upstream import BUSY, NO_USER, REVOKED, SENT, ScriptedUpstream


async def test_a_message_is_sent_as_soon_as_it_comes(tmp_path: Path) -> None:
    upstream = ScriptedUpstream(SENT)
    async with works(tmp_path, office=upstream) as at:
        identifier = await at.submit("a@x.org", "b@x.org")
        (done,) = await at.until("sent")
        assert done.id == identifier
        assert [message.envelope.recipients for message in upstream.seen] == [("a@x.org", "b@x.org")]
    assert upstream.closed


async def test_a_deferred_message_is_tried_again_on_schedule(tmp_path: Path) -> None:
    upstream = ScriptedUpstream(BUSY, BUSY, SENT)
    async with works(tmp_path, office=upstream) as at:
        await at.submit()
        (waiting,) = await at.until("queued")
        assert waiting.next_at == at.clock.time() + 60
        assert waiting.reason == "451 4.3.0 busy"
        await at.turn(60)
        assert [message.attempt for message in upstream.seen] == [1, 2]
        await at.turn(330)
        (done,) = await at.until("sent")
        assert done.attempts == 3


async def test_only_what_is_left_is_sent_again(tmp_path: Path) -> None:
    upstream = ScriptedUpstream({"a@x.org": SENT, "b@x.org": BUSY, "c@x.org": NO_USER}, SENT)
    async with works(tmp_path, office=upstream) as at:
        await at.submit("a@x.org", "b@x.org", "c@x.org")
        await at.until("queued")
        await at.turn(60)
        (done,) = await at.until("failed")
        assert upstream.seen[1].envelope.recipients == ("b@x.org",)
        assert len(upstream.seen) == 2
        assert done.reply == "550 5.1.1 no such user"


async def test_trouble_with_a_mailbox_pauses_it_and_keeps_the_attempts(tmp_path: Path) -> None:
    upstream = ScriptedUpstream(REVOKED, REVOKED, SENT)
    async with works(tmp_path, office=upstream) as at:
        for _ in range(5):
            await at.submit()
        (status,) = at.delivery.status()
        async with asyncio.timeout(5):
            while not (status := at.delivery.status()[0]).trouble or status.active:
                await asyncio.sleep(0.005)
        assert "sign in again" in status.trouble
        tried = len(upstream.seen)
        assert tried <= 2
        for each in await at.spool.recent():
            assert (each.state, each.attempts) == ("queued", 0)
        await at.turn(150)
        done = await at.until("sent", 5)
        assert {each.attempts for each in done} == {1}
        assert at.delivery.status()[0].trouble == ""


async def test_a_paused_mailbox_holds_up_nobody_else(tmp_path: Path) -> None:
    bad, good = ScriptedUpstream(REVOKED), ScriptedUpstream(SENT, mailbox="other@x.org")
    async with works(tmp_path, office=bad, other=good) as at:
        for _ in range(3):
            await at.submit()
            await at.submit(account="other")
        done = await at.until("sent", 3)
        assert {each.account for each in done} == {"other"}


async def test_after_a_pause_one_probe_goes_first(tmp_path: Path) -> None:
    upstream = ScriptedUpstream(REVOKED, SENT, concurrency=1)
    async with works(tmp_path, office=upstream) as at:
        for _ in range(4):
            await at.submit()
        async with asyncio.timeout(5):
            while not at.delivery.status()[0].paused_until:
                await asyncio.sleep(0.005)
        upstream.hold()
        upstream.concurrency = 4
        await at.turn(60)
        assert upstream.running == 1
        upstream.let_go()
        await at.until("sent", 4)


async def test_never_more_at_once_than_the_identity_allows(tmp_path: Path) -> None:
    """Two accounts on one mailbox share its concurrency."""
    first, second = ScriptedUpstream(SENT), ScriptedUpstream(SENT)
    first.hold()
    second.hold()
    async with works(tmp_path, office=first, again=second) as at:
        for _ in range(6):
            await at.submit()
            await at.submit(account="again")
        async with asyncio.timeout(5):
            while first.running + second.running < 2:
                await asyncio.sleep(0.005)
        await asyncio.sleep(0.05)
        assert first.running + second.running == 2
        first.let_go()
        second.let_go()
        await at.until("sent", 12)


async def test_an_upstream_that_breaks_its_word_loses_nothing(tmp_path: Path) -> None:
    upstream = ScriptedUpstream(ValueError("bug"), SENT)
    async with works(tmp_path, office=upstream) as at:
        await at.submit()
        (waiting,) = await at.until("queued")
        assert waiting.reason == "451 4.3.0 internal error: ValueError"
        await at.turn(60)
        await at.until("sent")


async def test_a_result_that_cannot_be_written_does_not_park_the_message(tmp_path: Path) -> None:
    upstream = ScriptedUpstream(Result(Outcome.DEFERRED, 2**70, "4.3.0", "no number for a database"), SENT)
    async with works(tmp_path, office=upstream) as at:
        await at.submit()
        (waiting,) = await at.until("queued")
        assert "could not be written" in waiting.reason
        await at.turn(400)
        await at.until("sent")


async def test_what_a_peer_says_is_made_fit_to_be_kept_and_shown(tmp_path: Path) -> None:
    async with works(
        tmp_path, office=ScriptedUpstream(Result(Outcome.FAILED, 550, "5.0.0", "bad \ud800\x1b[2J"))
    ) as at:
        await at.submit()
        (done,) = await at.until("failed")
        assert done.reply == "550 5.0.0 bad \\ud800\\x1b[2J"


async def test_max_age_runs_under_a_pause(tmp_path: Path) -> None:
    upstream = ScriptedUpstream(REVOKED)
    async with works(tmp_path, office=upstream) as at:
        await at.submit(max_age=600)
        await at.turn(700)
        (done,) = await at.until("failed")
        assert "expired in the queue; last: 454 4.7.0 token revoked -- sign in again" in done.reply


async def test_a_stop_waits_for_what_runs(tmp_path: Path) -> None:
    upstream = ScriptedUpstream(SENT)
    upstream.hold()
    async with works(tmp_path, drain=10, office=upstream) as at:
        await at.submit()
        while not upstream.running:
            await asyncio.sleep(0.005)
        asyncio.get_running_loop().call_later(0.1, upstream.let_go)
    async with opened(tmp_path) as spool:
        assert [each.state for each in await spool.recent()] == ["sent"]


async def test_what_a_stop_cuts_off_is_due_at_once_afterwards(tmp_path: Path) -> None:
    upstream = ScriptedUpstream(SENT)
    upstream.hold()
    async with works(tmp_path, drain=0.01, office=upstream) as at:
        await at.submit()
        while not upstream.running:
            await asyncio.sleep(0.005)
        now = at.clock.time()
    async with opened(tmp_path, FakeClock(now)) as spool:
        (claim,) = await spool.claim([Queue("office")], 5)
        assert claim.message.attempt == 2


async def test_a_thousand_messages_all_arrive_once_and_oldest_first(tmp_path: Path) -> None:
    upstream = ScriptedUpstream(SENT, concurrency=1)
    async with works(tmp_path, office=upstream) as at:
        names = [await at.submit() for _ in range(300)]
        await at.until("sent", 300)
        assert [message.id for message in upstream.seen] == names


def test_results_carry_hints_to_the_queue() -> None:
    assert REVOKED.hint
    assert Result(Outcome.SENT, 250, "2.0.0", "").hint == ""
