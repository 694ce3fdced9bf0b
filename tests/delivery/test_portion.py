"""Long lists of recipients: cut to what one transaction takes, and nobody gets it twice."""

import asyncio
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given

from relay.delivery import Terms
from relay.delivery.portion import portion, rest, seen
from relay.model import Envelope, MemoryBody, Message, Origin, Outcome, Result, Results, Scope
from relay.upstream.replies import Stage, classify
from relay.upstream.smtp.reply import ReplyReader
from tests.delivery.parts import fill, works
from tests.support.clock import FastClock
from tests.support.exchange import CLIENT, account, delivering, sandbox
from tests.support.upstream import NO_USER, REVOKED, SENT, ScriptedUpstream

TOO_MANY = Result(Outcome.DEFERRED, 452, "4.5.3", "Too many recipients", Scope.RECIPIENT)
GREY = Result(Outcome.DEFERRED, 451, "4.7.1", "Greylisting in action", Scope.RECIPIENT)
BUSY = Result(Outcome.DEFERRED, 451, "4.3.0", "busy", Scope.MESSAGE)


def message(*recipients: str) -> Message:
    origin = Origin("app", "default", "127.0.0.1")
    return Message("m1", "office", Envelope("a@x.org", recipients), b"", MemoryBody(b"", 0), origin, 5.0)


def test_a_portion_is_what_fits_of_those_who_were_not_asked() -> None:
    whole = message("a", "b", "c", "d")
    assert portion(whole, None) is whole
    assert portion(whole, 4) is whole
    assert portion(whole, 2).envelope.recipients == ("a", "b")
    assert portion(whole, 2, {"a"}).envelope.recipients == ("b", "c")
    assert portion(whole, None, {"b"}).envelope.recipients == ("a", "c", "d")


def test_who_follows() -> None:
    whole = message("a", "b", "c")
    assert rest(whole, (), {"a": SENT, "b": TOO_MANY, "c": TOO_MANY}) == ["b", "c"]
    assert rest(whole, (), {"a": GREY, "b": TOO_MANY, "c": TOO_MANY}) == ["b", "c"]
    assert rest(whole, (), {"a": SENT, "b": NO_USER}) == ["c"]
    assert rest(whole, {"c"}, {"a": SENT, "b": NO_USER}) == []
    assert rest(whole, (), {"a": TOO_MANY, "b": TOO_MANY, "c": TOO_MANY}) == [], "nobody was taken: an ordinary wait"
    assert rest(whole, (), {"a": BUSY, "b": BUSY}) == [], "the server is busy: an ordinary wait"
    assert rest(whole, (), {"a": REVOKED, "b": REVOKED}) == []


@pytest.mark.parametrize(
    ("reply", "provider", "follows"),
    [
        ("452 4.5.3 Too many recipients", "microsoft", True),
        ("452 4.5.3 Your message has too many recipients. - gsmtp", "google", True),
        ("451 4.3.0 Multiple destination domains per transaction is unsupported. - gsmtp", "google", True),
        ("452 Too many recipients", "smtp", True),
        ("552 too many recipients", "smtp", True),
        ("552 5.5.3 too many", "smtp", True),
        ("452 4.2.2 The email account that you tried to reach is over quota. - gsmtp", "google", False),
        ("450 4.2.1 receiving mail too quickly - gsmtp", "google", False),
        ("452 4.3.1 Insufficient system storage", "smtp", False),
        ("552 5.2.2 mailbox full", "smtp", False),
        ("550 5.1.1 too many recipients of that name", "smtp", False),
    ],
)
def test_which_replies_are_about_the_number(reply: str, provider: str, follows: bool) -> None:
    (said,) = ReplyReader().feed(reply.encode() + b"\r\n")
    result = classify(Stage.RCPT, said.code, said.status, said.text, provider)
    assert bool(rest(message("a", "b"), (), {"a": SENT, "b": result})) is follows


OUTCOMES = st.sampled_from([SENT, NO_USER, GREY, TOO_MANY])


@given(st.integers(1, 12), st.integers(1, 5), st.data())
def test_an_attempt_ends_and_asks_everybody_who_is_not_too_many_once(
    count: int, largest: int, data: st.DataObject
) -> None:
    whole, asked = message(*(f"r{number}" for number in range(count))), dict[str, Result]()
    done: Results = {}
    for _ in range(200):
        left = [each for each in whole.envelope.recipients if each not in done]
        sent = portion(message(*left), largest, asked)
        results = {each: data.draw(OUTCOMES) for each in sent.envelope.recipients}
        assert not set(results) & (set(done) | set(asked))
        done |= {each: result for each, result in results.items() if result.outcome is not Outcome.DEFERRED}
        follow = rest(message(*left), asked, results)
        asked |= {each: result for each, result in results.items() if result is GREY}
        if not follow:
            return
        assert set(follow) == set(left) - set(done) - set(asked)
    raise AssertionError("it never ends")


def test_what_a_provider_has_counted() -> None:
    whole = message("a", "b", "c")
    assert seen(whole, {"a": SENT, "b": NO_USER, "c": GREY}) == (1, 1)
    assert seen(whole, dict.fromkeys("abc", REVOKED)) == (0, 0)
    assert seen(whole, dict.fromkeys("abc", BUSY)) == (1, 3)
    assert seen(whole, {}) == (1, 3)


async def test_a_long_list_goes_in_transactions_of_one_attempt(tmp_path: Path) -> None:
    upstream = ScriptedUpstream(SENT)
    people = [f"r{number}@x.org" for number in range(12)]
    async with works(tmp_path, terms={"office": Terms(recipients=5)}, office=upstream) as at:
        await at.submit(*people)
        (done,) = await at.until("sent")
        assert done.attempts == 1
    assert [message.envelope.recipients for message in upstream.seen] == [
        tuple(people[:5]),
        tuple(people[5:10]),
        tuple(people[10:]),
    ]
    assert {message.attempt for message in upstream.seen} == {1}


async def test_who_is_deferred_alone_is_asked_again_only_after_the_wait(tmp_path: Path) -> None:
    first = {"a@x.org": SENT, "b@x.org": GREY}
    upstream = ScriptedUpstream(first, SENT)
    async with works(tmp_path, terms={"office": Terms(recipients=2)}, office=upstream) as at:
        await at.submit("a@x.org", "b@x.org", "c@x.org", "d@x.org")
        (waiting,) = await at.until_reason("451 4.7.1 Greylisting in action")
        assert (waiting.attempts, waiting.next_at) == (1, at.clock.time() + 60)
        asked = [message.envelope.recipients for message in upstream.seen]
        assert asked == [("a@x.org", "b@x.org"), ("c@x.org", "d@x.org")]
        await at.turn(60)
        (done,) = await at.until("sent")
        assert done.attempts == 2
    assert upstream.seen[2].envelope.recipients == ("b@x.org",)


async def test_what_exchange_takes_only_in_part_goes_on_at_once(tmp_path: Path) -> None:
    """A mailbox with RecipientLimits of 3 answers 452 4.5.3 from the fourth on."""
    clock = FastClock(1)
    async with sandbox(tmp_path, clock, recipients=3) as running:
        async with delivering(tmp_path, running, CLIENT + account(running), clock) as at:
            await fill(at.spool, 1, recipients=8)
            await at.until_received(3)
            (told,) = await at.spool.recent()
            assert told.attempts == 1
        assert [len(one.recipients) for one in running.received] == [3, 3, 2]
        everybody = [address for one in running.received for address in one.recipients]
        assert len(set(everybody)) == len(everybody) == 8


class OneEach(ScriptedUpstream):
    """Makes a copy of its own for each recipient, as the Gmail API does for those whom nobody is to see."""

    def first_copy(self, message: Message) -> tuple[str, ...]:
        return message.envelope.recipients[:1]


class Lost(ScriptedUpstream):
    """Does not find its way about a message."""

    def first_copy(self, message: Message) -> tuple[str, ...]:
        raise LookupError(message.id)


async def test_a_way_that_cannot_say_is_tried_with_everybody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    upstream = Lost(SENT)
    async with works(tmp_path, office=upstream) as at:
        await at.submit("a@x.org", "b@x.org")
        await at.until("sent")
    assert [message.envelope.recipients for message in upstream.seen] == [("a@x.org", "b@x.org")]
    assert "in how many copies" in caplog.text


async def test_what_goes_in_several_copies_is_written_down_after_each(tmp_path: Path) -> None:
    people = [f"r{number}@x.org" for number in range(5)]
    before, after = OneEach(SENT, NO_USER, SENT), OneEach(SENT)

    async def until_seen(upstream: OneEach, count: int) -> None:
        async with asyncio.timeout(10):
            while len(upstream.seen) < count:
                if len(upstream.seen) == count - 1 and not upstream.running:
                    upstream.hold()
                await asyncio.sleep(0)

    async with works(tmp_path, drain=0.0, office=before) as at:
        await at.submit(*people)
        await until_seen(before, 3)  # the relay is stopped while the third copy is on its way
    async with works(tmp_path, office=after) as at:
        (done,) = await at.until("failed")
        assert done.attempts == 2
    assert [message.envelope.recipients for message in before.seen] == [(one,) for one in people[:3]]
    assert [message.envelope.recipients for message in after.seen] == [(one,) for one in people[2:]]
