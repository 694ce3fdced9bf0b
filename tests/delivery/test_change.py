"""Other settings while mail is being sent: what has begun ends as it began, everything else goes the new way."""

import asyncio
from pathlib import Path

from relay.config.rates import rate
from relay.delivery import Change
from relay.delivery.fallback import NONE
from relay.delivery.terms import Terms
from relay.model import Rate
from tests.delivery.parts import works
from tests.delivery.test_senders import ANN, BOB, people, senders
from tests.support.upstream import REVOKED, SENT, ScriptedUpstream


def change(*rates: Rate, **upstreams: ScriptedUpstream) -> Change:
    terms = {name: Terms(rates=rates) for name in upstreams}
    return Change(upstreams, retry=[60.0], terms=terms, fallbacks=NONE)


async def reached(upstream: ScriptedUpstream, count: int = 1) -> None:
    async with asyncio.timeout(10):
        while len(upstream.seen) < count:
            await asyncio.sleep(0.005)


async def test_an_attempt_ends_as_it_began_and_the_next_goes_the_new_way(tmp_path: Path) -> None:
    old, new = ScriptedUpstream(SENT, concurrency=1), ScriptedUpstream(SENT, concurrency=1)
    async with works(tmp_path, office=old) as at:
        old.hold()
        await at.submit("first@x.org")
        await reached(old)
        await at.submit("second@x.org")
        await at.delivery.use(change(office=new))
        # The mailbox is the same, so its one place is taken until the first attempt has ended.
        await at.stillness()
        assert new.seen == []
        (under_way,) = at.delivery.under_way
        old.let_go()
        await asyncio.wait({under_way})
        await at.until("sent", 2)
        assert [len(each.seen) for each in (old, new)] == [1, 1]
        assert not old.closed


async def test_an_account_that_is_gone_begins_nothing(tmp_path: Path) -> None:
    gone, other = ScriptedUpstream(SENT, concurrency=1), ScriptedUpstream(SENT, mailbox="other@x.org")
    async with works(tmp_path, office=gone, other=other) as at:
        gone.hold()
        await at.submit("first@x.org")
        await reached(gone)
        await at.submit("second@x.org")
        await at.delivery.use(change(other=other))
        gone.let_go()
        await at.until("sent")
        assert await at.spool.hold_unknown(["other"]) == (1, 0)
        await at.turn(60)
        assert len(gone.seen) == 1
        assert [lane.accounts for lane in at.delivery.status()] == [("other",)]
        back = ScriptedUpstream(SENT)
        await at.spool.hold_unknown(["other", "office"])
        await at.delivery.use(change(other=other, office=back))
        await at.until("sent", 2)
        assert len(back.seen) == 1


async def test_a_pause_ends_where_the_account_has_changed_and_nowhere_else(tmp_path: Path) -> None:
    office, other = ScriptedUpstream(REVOKED), ScriptedUpstream(REVOKED, mailbox="other@x.org")
    async with works(tmp_path, office=office, other=other) as at:
        await at.submit("a@x.org")
        await at.submit("b@x.org", account="other")
        await at.until("queued", 2)
        mended = ScriptedUpstream(SENT)
        await at.delivery.use(change(office=mended, other=other))
        await at.until("sent")
        paused = {lane.accounts[0]: lane.paused_until > at.clock.time() for lane in at.delivery.status()}
        assert paused == {"office": False, "other": True}
        assert len(other.seen) == 1


async def test_what_was_sent_counts_under_other_rates(tmp_path: Path) -> None:
    upstream = ScriptedUpstream(SENT)
    async with works(tmp_path, rates=[rate("2 messages/1h")], office=upstream) as at:
        for name in ("a", "b", "c", "d"):
            await at.submit(f"{name}@x.org")
        await at.until("sent", 2)
        upstream.hold()
        await at.delivery.use(change(rate("3 messages/1h"), office=upstream))
        await reached(upstream, 3)
        # The third is under way while the rate changes once more: it counts on both sides.
        await at.delivery.use(change(rate("3 messages/1h"), rate("9 recipients/1h"), office=upstream))
        upstream.let_go()
        await at.until("sent", 3)
        await at.turn(60)
        assert len(upstream.seen) == 3
        await at.delivery.use(change(office=upstream))
        await at.until("sent", 4)


async def test_two_accounts_that_come_to_one_mailbox_share_its_lane(tmp_path: Path) -> None:
    office, other = ScriptedUpstream(SENT, concurrency=1), ScriptedUpstream(SENT, mailbox="other@x.org")
    async with works(tmp_path, office=office, other=other) as at:
        moved = ScriptedUpstream(SENT, concurrency=1)
        await at.delivery.use(change(office=office, other=moved))
        office.hold()
        await at.submit("a@x.org")
        await reached(office)
        await at.submit("b@x.org", account="other")
        await at.stillness()
        assert moved.seen == []
        office.let_go()
        await at.until("sent", 2)
        assert (len(office.seen), len(moved.seen)) == (1, 1)


async def test_a_stop_is_not_held_up_by_a_change(tmp_path: Path) -> None:
    office = ScriptedUpstream(SENT)
    async with works(tmp_path, office=office) as at:
        await at.delivery.stop(0)
        await at.delivery.use(change(office=ScriptedUpstream(SENT)))
        assert at.delivery.under_way == set()


async def test_who_is_in_a_hurry_waits_for_nothing(tmp_path: Path) -> None:
    office = ScriptedUpstream(SENT)
    async with works(tmp_path, office=office) as at:
        office.hold()
        await at.submit("a@x.org")
        await reached(office)
        stopping = asyncio.create_task(at.delivery.stop(3600))
        await at.stillness()
        assert not stopping.done()
        at.delivery.hasten()
        await asyncio.wait_for(stopping, 10)
        (left,) = await at.spool.recent()
        assert left.state == "queued"


async def test_the_mailboxes_of_an_account_go_on_each_with_its_own(tmp_path: Path) -> None:
    async with senders(tmp_path, rates=[rate("2 messages/1h")]) as at:
        at.answers[BOB] = [REVOKED, SENT]
        ann = at.make(ANN)
        ann.hold()
        for sender in (ANN, BOB, ANN, ANN):
            await at.mail(sender)
        await reached(ann, 2)
        await at.until("queued")
        terms = {"people": Terms(rates=(rate("3 messages/1h"),))}
        await at.delivery.use(Change({"people": people(at.all_ways, 3)}, [60.0], terms, NONE))
        # Two have begun the old way, the third goes beside them; and Bob has one attempt at once.
        await reached(ann, 3)
        assert at.lane(ANN).active == 3
        ann.let_go()
        await at.until("sent", 4)
        assert {(one.mailbox, one.active) for one in at.delivery.status()} == {("", 0), (ANN, 0), (BOB, 0)}
        await at.mail(ANN)
        await at.turn(5)
        assert len(ann.seen) == 3
