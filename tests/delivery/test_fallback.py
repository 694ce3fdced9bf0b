"""Another account for the time that one is in trouble: on the real queue, and over the real way."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from relay.delivery import Fallbacks
from relay.model import Outcome, Result, Scope
from relay.sandbox import Fault
from relay.spool import Moved, Nobody, Queue, Revise
from tests.delivery.parts import works
from tests.support.clock import FastClock
from tests.support.exchange import MAILBOX, account, delivering, sandbox
from tests.support.spool import opened, put, submission
from tests.support.upstream import REVOKED, SENT, ScriptedUpstream

LOST = Result(Outcome.DEFERRED, 451, "4.4.2", "no answer came", Scope.MESSAGE, uncertain=True)


def as_it_is(_account: str) -> Revise:
    return lambda message: message


def only(*senders: str) -> Fallbacks:
    """A fallback that takes only mail from `senders`."""

    def through(_account: str) -> Revise:
        return lambda message: message if message.envelope.sender in senders else None

    return Fallbacks({"office": "other"}, through)


async def test_mail_of_a_mailbox_in_trouble_goes_through_the_other(tmp_path: Path) -> None:
    office, other = ScriptedUpstream(REVOKED), ScriptedUpstream(SENT, mailbox="other@x.org")
    fallbacks = Fallbacks({"office": "other"}, as_it_is)
    async with works(tmp_path, fallbacks=fallbacks, office=office, other=other) as at:
        for _ in range(500):
            await at.submit()
        done = await at.until("sent", 500)
        assert {(each.account, each.attempts) for each in done} == {("other", 1)}
        assert len(office.seen) <= 2
        await at.submit()
        await at.until("sent", 501)
        assert len(office.seen) <= 2


async def test_when_it_works_again_its_mail_is_its_own(tmp_path: Path) -> None:
    office, other = ScriptedUpstream(REVOKED, SENT), ScriptedUpstream(SENT, mailbox="other@x.org")
    fallbacks = Fallbacks({"office": "other"}, as_it_is)
    async with works(tmp_path, fallbacks=fallbacks, office=office, other=other) as at:
        await at.submit()
        await at.until("sent")
        await at.turn(60)
        await at.submit()
        accounts = [each.account for each in await at.until("sent", 2)]
        assert accounts == ["office", "other"]


@pytest.mark.parametrize("by", [-5 * 3600.0, 5 * 3600.0])
async def test_a_clock_that_is_set_keeps_no_mail_back(tmp_path: Path, by: float) -> None:
    quota = replace(REVOKED, retry_after=7200.0)
    office, other = ScriptedUpstream(quota), ScriptedUpstream(SENT, mailbox="other@x.org")
    fallbacks = Fallbacks({"office": "other"}, as_it_is)
    async with works(tmp_path, fallbacks=fallbacks, office=office, other=other) as at:
        await at.submit()
        await at.until("sent")
        at.clock.jump(by)
        await at.submit()  # before anything has been looked at by the new time
        await at.turn(2)
        await at.until("sent", 2)
        assert (len(office.seen), len(other.seen)) == (1, 2)


async def test_what_was_being_committed_when_the_trouble_began_goes_the_other_way_too(tmp_path: Path) -> None:
    office, other = ScriptedUpstream(REVOKED), ScriptedUpstream(SENT, mailbox="other@x.org")
    fallbacks = Fallbacks({"office": "other"}, as_it_is)
    async with works(tmp_path, fallbacks=fallbacks, office=office, other=other) as at:
        await at.stillness()
        at.spool.courier = Nobody()
        await at.submit("late@x.org")
        (late,) = await at.spool.claim([Queue("office")], 1)
        at.spool.courier = at.delivery
        assert at.delivery.reserve(Queue("office"))
        await at.submit("early@x.org")
        await at.until("sent")
        at.delivery.deliver(late)
        await at.turn(2)
        await at.until("sent", 2)
        assert [message.envelope.recipients for message in other.seen] == [("early@x.org",), ("late@x.org",)]
        assert len(office.seen) == 1


async def test_a_chain_is_gone_through_once_and_its_end_keeps_the_mail(tmp_path: Path) -> None:
    first, second, third = (ScriptedUpstream(REVOKED, mailbox=f"{name}@x.org") for name in "abc")
    fallbacks = Fallbacks({"a": "b", "b": "c"}, as_it_is)
    async with works(tmp_path, fallbacks=fallbacks, a=first, b=second, c=third) as at:
        await at.submit(account="a")
        async with asyncio.timeout(10):
            while not third.seen:
                await asyncio.sleep(0.005)
        await at.turn(20)
        assert [len(one.seen) for one in (first, second, third)] == [1, 1, 1]
        (waiting,) = await at.spool.recent()
        assert (waiting.account, waiting.state, waiting.attempts) == ("c", "queued", 0)


async def test_what_may_have_arrived_is_given_to_nobody(tmp_path: Path) -> None:
    office, other = ScriptedUpstream(LOST, REVOKED), ScriptedUpstream(SENT, mailbox="other@x.org")
    fallbacks = Fallbacks({"office": "other"}, as_it_is)
    async with works(tmp_path, fallbacks=fallbacks, office=office, other=other) as at:
        await at.submit("lost@x.org")
        await at.until("queued")
        await at.turn(60)
        assert len(office.seen) == 2
        await at.submit("new@x.org")
        (done,) = await at.until("sent")
        await at.turn(10)
        assert done.recipients == ("new@x.org",)
        assert [message.envelope.recipients for message in other.seen] == [("new@x.org",)]


async def test_what_the_other_may_not_send_waits(tmp_path: Path) -> None:
    office, other = ScriptedUpstream(REVOKED), ScriptedUpstream(SENT, mailbox="other@x.org")
    async with works(tmp_path, fallbacks=only("may@x.org"), office=office, other=other) as at:
        for sender in ["may@x.org", *["may.not@x.org"] * 300, "may@x.org"]:
            await put(at.spool, submission(sender=sender, now=at.clock.time()))
        assert len(await at.until("sent", 2)) == 2
        assert {message.envelope.sender for message in other.seen} == {"may@x.org"}


async def test_what_was_being_sent_at_a_crash_may_have_arrived(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        await put(spool, submission("active@x.org"))
        await spool.claim([Queue("office")], 1)
        await put(spool, submission("queued@x.org"))
    async with opened(tmp_path) as spool:
        moved, _ = await spool.divert(Queue("office"), "other", lambda message: message, since=-1.0, after=0)
        assert [message.envelope.recipients for message in moved] == [("queued@x.org",)]


async def test_a_message_is_changed_for_the_other_account(tmp_path: Path) -> None:
    def revise(message: Moved) -> Moved:
        return replace(message, headers=b"From: b@x.org\r\n", envelope=replace(message.envelope, sender="b@x.org"))

    async with opened(tmp_path) as spool:
        await put(spool, submission("a@x.org", "c@x.org"))
        await spool.divert(Queue("office"), "other", revise, since=-1.0, after=0)
        (claim,) = await spool.claim([Queue("other")], 5)
        assert claim.message.headers == b"From: b@x.org\r\n"
        assert (claim.message.envelope.sender, claim.message.envelope.recipients) == ("b@x.org", ("a@x.org", "c@x.org"))
        (told,) = await spool.recent()
        assert (told.size, told.reason) == (claim.message.size, "given over by office")


CLIENT = '[clients.app]\nnetworks = ["127.0.0.1"]\naccount = "office"\nsender = "force"\n'


async def test_the_sender_of_a_client_is_forced_anew(tmp_path: Path) -> None:
    """SMTP AUTH is switched off for one mailbox; the other sends under its own name."""
    clock, other = FastClock(1), "other@sandbox.onmicrosoft.com"
    async with sandbox(tmp_path, clock, more_mailboxes=(other,), send_as=()) as running:
        running.faults.add(Fault(kind="smtp_auth_disabled_mailbox", mailbox=MAILBOX))
        text = CLIENT + account(running, more='fallback = "second"') + account(running, "second", other)
        async with delivering(tmp_path, running, text, clock) as at:
            headers = f"From: App <{MAILBOX}>\r\nReply-To: app@erp.example\r\nSubject: Test\r\n".encode()
            made = submission("ann@example.org", sender=MAILBOX, now=clock.time())
            await put(at.spool, replace(made, headers=headers))
            await at.until_received(1)
        (taken,) = running.received
        assert (taken.mailbox, taken.sender) == (other, other)
        assert taken.raw.count(b"Reply-To: app@erp.example") == 1
        assert f"<{other}>".encode() in taken.raw.partition(b"From:")[2].partition(b"\r\n")[0]
