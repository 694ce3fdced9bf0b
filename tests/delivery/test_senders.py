"""An account that acts as whoever sends: each mailbox has its own pace, places and pauses, and comes and goes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from relay.config.mailbox_users import ActsAs
from relay.config.rates import rate
from relay.database.sqlite import SqliteDatabase
from relay.delivery import Delivery, Fallbacks, Terms
from relay.delivery.lanes import KEPT
from relay.limits import Ledger
from relay.model import Identity, LaneStatus, Outcome, Rate, Result, Scope
from relay.spool import Claim, Queue, Spool
from relay.upstream import ByMailbox, Upstream
from tests.delivery.parts import RETRY, Works
from tests.support.clock import FakeClock
from tests.support.spool import put, submission
from tests.support.upstream import REVOKED, SENT, ScriptedUpstream

PEOPLE = Identity("microsoft", "global", "x.org", "sender")
ANN, BOB = "ann@x.org", "bob@x.org"
NO_TOKEN = Result(Outcome.DEFERRED, 454, "4.7.0", "the client secret has expired", Scope.ACCOUNT)
NO_TOKEN_TOLD = "454 4.7.0 the client secret has expired"
ACTING = {"people": ActsAs.SENDER}


class CountingSpool(Spool):
    """Counts how often it is asked for mail."""

    claims = 0

    async def claim(self, *args: Any, **more: Any) -> list[Claim]:
        self.claims += 1
        return await super().claim(*args, **more)


class Ways:
    """The mailboxes; `answers` are what they say, all is sent where there is none."""

    def __init__(self) -> None:
        self.made: dict[str, ScriptedUpstream] = {}
        self.answers: dict[str, list[Result]] = {}

    def make(self, mailbox: str) -> ScriptedUpstream:
        made = ScriptedUpstream(*self.answers.get(mailbox, [SENT]), mailbox=mailbox)
        return self.made.setdefault(mailbox, made)


class Senders(Works):
    """As `Works`, with the account "people"."""

    spool: CountingSpool

    def __init__(self, spool: CountingSpool, delivery: Delivery, clock: FakeClock, ways: "Ways") -> None:
        super().__init__(spool, delivery, clock)
        self.ways, self.answers, self.make = ways.made, ways.answers, ways.make
        self.all_ways = ways

    async def mail(self, sender: str, account: str = "people") -> str:
        return await put(self.spool, submission(account=account, sender=sender, now=self.clock.time()))

    def lane(self, mailbox: str) -> LaneStatus:
        return next(one for one in self.delivery.status() if one.mailbox == mailbox)

    async def turn(self, seconds: float) -> None:
        """Let time pass, a little at a time, with room for the database's threads."""
        for _ in range(max(1, int(seconds))):
            await self.clock.advance(min(seconds, 1.0))
            await self.stillness()


def people(ways: Ways, concurrency: int = 2) -> ByMailbox:
    """The account."""
    return ByMailbox(
        *("people", PEOPLE, ways.make),
        acts_as=ActsAs.SENDER,
        identity_of=lambda mailbox: replace(PEOPLE, mailbox=mailbox),
        concurrency=concurrency,
    )


@contextlib.asynccontextmanager
async def senders(
    folder: Path, rates: Sequence[Rate] = (), fallbacks: Fallbacks | None = None, **others: ScriptedUpstream
) -> AsyncIterator[Senders]:
    clock = FakeClock()
    database = SqliteDatabase(folder / "relay.db")
    spool = CountingSpool(database, folder, clock=clock)
    await spool.open()
    await spool.hold_unknown(["people", *others], ACTING)
    ledger = Ledger(database, clock)
    ways = Ways()
    upstreams: dict[str, Upstream] = {"people": people(ways), **others}
    delivery = Delivery(
        *(spool, upstreams),
        retry=RETRY,
        pace_of=ledger.pace,
        terms=dict.fromkeys(["people", *others], Terms(rates=tuple(rates))),
        fallbacks=fallbacks or Fallbacks({}, lambda _: lambda message: message),
        clock=clock,
        jitter=lambda: 0.5,
    )
    at = Senders(spool, delivery, clock, ways)
    tasks = [asyncio.create_task(ledger.run()), asyncio.create_task(delivery.run())]
    try:
        yield at
    finally:
        await delivery.stop(5)
        await ledger.close()
        await asyncio.gather(*tasks)
        await spool.close()
        await database.close()


async def test_one_mistyped_sender_stops_nobody_else(tmp_path: Path) -> None:
    async with senders(tmp_path) as at:
        at.answers["typo@x.org"] = [REVOKED, REVOKED, SENT]
        for _ in range(3):
            await at.mail("typo@x.org")
            await at.mail(ANN)
            await at.mail(BOB)
        assert {each.sender for each in await at.until("sent", 6)} == {ANN, BOB}
        (waiting, *_) = await at.until("queued")
        assert (waiting.sender, waiting.attempts, waiting.reason) == (
            "typo@x.org",
            0,
            "454 4.7.0 token revoked -- sign in again",
        )
        paused = at.lane("typo@x.org")
        assert (paused.identity, paused.accounts) == ("microsoft/global/x.org/typo@x.org", ("people",))
        assert (paused.paused_until, at.lane(ANN).paused_until) == (at.clock.time() + 30, 0)
        tried = len(at.ways["typo@x.org"].seen)
        await at.turn(20)
        assert len(at.ways["typo@x.org"].seen) == tried, "in the pause nothing is tried"
        await at.turn(11)
        assert len(at.ways["typo@x.org"].seen) == tried + 1, "then one goes first"
        await at.turn(61)
        assert {each.attempts for each in await at.until("sent", 9)} == {1}
        assert at.lane("typo@x.org").trouble == ""


async def test_trouble_of_the_account_stops_all_of_its_mailboxes_and_one_message_ends_it(tmp_path: Path) -> None:
    async with senders(tmp_path) as at:
        at.answers[ANN] = [NO_TOKEN, NO_TOKEN, SENT]
        at.answers[BOB] = [NO_TOKEN, SENT]
        await at.mail(ANN)
        await at.until("queued")
        assert not at.delivery.sends(Queue("people", BOB))
        for sender in (ANN, BOB, "cid@x.org"):
            await at.mail(sender)
        await at.turn(20)
        assert list(at.ways) == [ANN]
        whole = at.delivery.status()[0]
        assert (whole.identity, whole.trouble) == ("microsoft/global/x.org/sender (every mailbox)", NO_TOKEN_TOLD)
        assert at.lane(ANN).trouble == "", "it is not the mailbox that is in trouble"
        await at.turn(12)
        assert sum(len(way.seen) for way in at.ways.values()) == 2, "one attempt shows whether all is well"
        await at.turn(130)
        assert {each.attempts for each in await at.until("sent", 4)} == {1}
        assert at.delivery.status()[0].trouble == ""


async def test_each_sender_has_a_pace_of_his_own(tmp_path: Path) -> None:
    async with senders(tmp_path, rates=[rate("2 messages/1m")]) as at:
        for _ in range(3):
            for sender in (ANN, BOB, "cid@x.org"):
                await at.mail(sender)
        await at.until("sent", 6)
        await at.turn(30)
        assert [len(way.seen) for way in at.ways.values()] == [2, 2, 2]
        await at.turn(31)
        await at.until("sent", 9)
        assert [len(way.seen) for way in at.ways.values()] == [3, 3, 3]


async def test_places_are_the_mailboxes_own_and_bounded_over_all(tmp_path: Path) -> None:
    async with senders(tmp_path) as at:
        people = [f"p{number}@x.org" for number in range(15)]
        for person in people:
            at.make(person).hold()
        for _ in range(3):
            for person in people:
                await at.mail(person)
        async with asyncio.timeout(10):
            while at.delivery.status()[0].active < ByMailbox.together:
                await asyncio.sleep(0.005)
        await at.turn(3)
        assert sum(way.running for way in at.ways.values()) == ByMailbox.together
        for person in people:
            at.ways[person].let_go()
        await at.until("sent", 45)
        assert {way.most_running for way in at.ways.values()} <= {1, 2}


async def test_senders_come_and_go_and_what_they_sent_is_remembered(tmp_path: Path) -> None:
    async with senders(tmp_path, rates=[rate("3 messages/24h")]) as at:
        for number in range(30):
            await at.mail(f"p{number}@x.org")
        await at.mail(ANN)
        await at.mail(ANN)
        await at.until("sent", 32)
        assert len(at.delivery.status()) == 32
        for _ in range(3):
            await at.turn(2)
            await at.clock.advance(KEPT / 2)
        async with asyncio.timeout(10):
            while len(at.delivery.status()) > 1:
                await at.turn(5)
        for _ in range(2):
            await at.mail(ANN)
        await at.until("sent", 33)
        await at.turn(5)
        assert len(at.ways[ANN].seen) == 3, "the fourth has to wait until tomorrow"


async def test_a_new_login_ends_the_pause(tmp_path: Path) -> None:
    async with senders(tmp_path) as at:
        at.answers[ANN] = [REVOKED, SENT]
        await at.mail(ANN)
        await at.until("queued")
        at.delivery.resume(Queue("people", ANN))
        await at.until("sent")
        assert at.lane(ANN).trouble == ""


async def test_an_account_of_its_own_and_one_of_all_share_a_mailbox(tmp_path: Path) -> None:
    office = ScriptedUpstream(SENT)
    office.identity = replace(PEOPLE, mailbox=ANN)
    async with senders(tmp_path, rates=[rate("3 messages/1h")], office=office) as at:
        for _ in range(2):
            await at.mail(ANN)
            await at.mail(ANN, account="office")
        await at.until("sent", 3)
        await at.turn(5)
        assert len(office.seen) + len(at.ways[ANN].seen) == 3
        assert [one.accounts for one in at.delivery.status()][1:] == [("office", "people")]


async def test_only_the_mail_of_who_is_in_trouble_takes_the_other_way(tmp_path: Path) -> None:
    other = ScriptedUpstream(SENT, mailbox="other@x.org")
    fallbacks = Fallbacks({"people": "other"}, lambda _: lambda message: message)
    async with senders(tmp_path, fallbacks=fallbacks, other=other) as at:
        at.answers[BOB] = [REVOKED]
        await at.mail(ANN)
        await at.mail(BOB)
        await at.until("sent", 2)
        assert [message.envelope.sender for message in other.seen] == [BOB]


async def test_who_has_no_sender_is_told(tmp_path: Path) -> None:
    async with senders(tmp_path) as at:
        at.answers[""] = [Result(Outcome.FAILED, 550, "5.7.1", "it has no sender", Scope.MESSAGE)]
        await at.mail("")
        (failed,) = await at.until("failed")
        assert "it has no sender" in failed.reply


async def test_mail_that_waits_follows_the_configuration(tmp_path: Path) -> None:
    async with senders(tmp_path) as at:
        await at.delivery.stop(0)
        await at.mail("Ann@X.org")
        assert set(await at.spool.heads(["people"])) == {Queue("people", ANN)}
        await at.spool.hold_unknown(["people"], {})
        assert set(await at.spool.heads(["people"])) == {Queue("people")}
        await at.spool.hold_unknown(["people"], ACTING)
        (head,) = await at.spool.heads(["people", "office"])
        assert head == ("people", ANN)


async def test_a_thousand_senders_who_wait_are_not_asked_before_their_time(tmp_path: Path) -> None:
    async with senders(tmp_path, rates=[rate("1 message/1h")]) as at:
        await asyncio.gather(*(at.mail(f"p{number}@x.org") for number in range(1000) for _ in range(2)))
        async with asyncio.timeout(30):
            while sum(len(way.seen) for way in at.ways.values()) < 1000:
                await at.clock.advance(0.01)
                await asyncio.sleep(0.005)
        assert {len(way.seen) for way in at.ways.values()} == {1}
        await at.turn(3)
        at.spool.claims = 0
        for number in range(20):
            await at.mail(f"q{number}@x.org")
        async with asyncio.timeout(10):
            while len(at.ways) < 1020:
                await at.turn(1)
        assert at.spool.claims <= 2 * 20
