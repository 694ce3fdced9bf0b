"""An account of many mailboxes: each has a way of its own, and trouble that is its own."""

from dataclasses import replace

import pytest

from relay.model import Identity, Message, Outcome, Result, Results, Scope
from relay.upstream import by_mailbox
from relay.upstream.by_mailbox import PAUSES, ByMailbox
from tests.support.clock import FakeClock
from tests.upstream.parts import message

ANN, BOB = "ann@x.org", "bob@x.org"
WHO = Identity("microsoft", "global", "x.org", "sender")
SENT = Result(Outcome.SENT, 250, "2.0.0", "OK")
TROUBLE = Result(Outcome.DEFERRED, 535, "5.7.3", "refused", Scope.IDENTITY)


class One:
    """The way of one mailbox: its next results, else all is sent."""

    def __init__(self, mailbox: str) -> None:
        self.mailbox = mailbox
        self.results: list[Result] = []
        self.sent = 0
        self.closed = False

    async def send(self, message: Message, _trace: object = None) -> Results:
        assert not self.closed
        self.sent += 1
        result = self.results.pop(0) if self.results else SENT
        return dict.fromkeys(message.envelope.recipients, result)

    async def close(self) -> None:
        self.closed = True


class Case:
    def __init__(self, *, by_login: bool = True) -> None:
        self.clock = FakeClock()
        self.ways: dict[str, list[One]] = {}
        self.all = ByMailbox("people", WHO, self.make, by_login=by_login, clock=self.clock)

    def make(self, mailbox: str) -> One:
        self.ways.setdefault(mailbox, []).append(One(mailbox))
        return self.ways[mailbox][-1]

    async def send(self, login: str = ANN, sender: str = "who@x.org") -> Result:
        base = message()
        origin, envelope = replace(base.origin, login=login), replace(base.envelope, sender=sender)
        results = await self.all.send(replace(base, origin=origin, envelope=envelope))
        assert set(results) == set(envelope.recipients)
        return next(iter(results.values()))


@pytest.mark.parametrize(("by_login", "mailbox"), [(True, ANN), (False, BOB)])
async def test_who_a_message_is_sent_by(by_login: bool, mailbox: str) -> None:
    case = Case(by_login=by_login)
    assert await case.send(ANN.upper(), BOB.title()) == SENT
    assert list(case.ways) == [mailbox]


@pytest.mark.parametrize(("by_login", "part"), [(True, "nobody has logged in"), (False, "it has no sender")])
async def test_nobody_to_act_as(by_login: bool, part: str) -> None:
    result = await Case(by_login=by_login).send("printer", "")
    assert (result.outcome, result.scope) == (Outcome.FAILED, Scope.MESSAGE)
    assert part in result.text
    assert result.hint


async def test_trouble_of_one_is_told_as_his_and_stays_his() -> None:
    case = Case()
    await case.send()
    case.ways[ANN][0].results = [TROUBLE, TROUBLE]
    first = await case.send()
    assert (first.scope, first.retry_after, first.text) == (Scope.MAILBOX, PAUSES[0], f"{ANN}: refused")
    assert case.ways[ANN][0].sent == 2
    await case.clock.advance(10)
    again = await case.send()
    assert (again.scope, again.retry_after) == (Scope.MAILBOX, PAUSES[0] - 10)
    assert case.ways[ANN][0].sent == 2, "in the pause nothing is tried"
    assert await case.send(BOB) == SENT
    await case.clock.advance(PAUSES[0])
    assert (await case.send()).retry_after == PAUSES[1], "the second failure in a row"
    await case.clock.advance(PAUSES[1])
    assert await case.send() == SENT
    case.ways[ANN][0].results = [replace(TROUBLE, retry_after=500.0)]
    assert (await case.send()).retry_after == 500.0


async def test_a_new_login_ends_the_pause() -> None:
    case = Case()
    await case.send()
    case.ways[ANN][0].results = [TROUBLE]
    await case.send()
    case.all.resume(ANN)
    assert await case.send() == SENT


@pytest.mark.parametrize("scope", [Scope.ACCOUNT, Scope.MESSAGE, Scope.RECIPIENT])
async def test_other_trouble_is_passed_on(scope: Scope) -> None:
    case = Case()
    await case.send()
    other = replace(TROUBLE, scope=scope)
    case.ways[ANN][0].results = [other]
    assert await case.send() == other
    assert await case.send() == SENT


async def test_those_not_used_for_longest_are_closed() -> None:
    case = Case()
    people = [f"user{number}@x.org" for number in range(by_mailbox.MOST_OPEN + 3)]
    for person in people:
        await case.send(person)
    closed = [mailbox for mailbox, ways in case.ways.items() if ways[0].closed]
    assert closed == people[:3]
    assert await case.send(people[0]) == SENT
    assert len(case.ways[people[0]]) == 2
    await case.all.close()
    assert all(way.closed for ways in case.ways.values() for way in ways)
