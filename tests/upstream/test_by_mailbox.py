"""An account of many mailboxes: each has a way of its own, and trouble that is its own."""

import logging
from dataclasses import replace

import pytest

from relay.config.mailbox_users import ActsAs
from relay.model import Identity, Message, Outcome, Result, Results, Scope
from relay.upstream import by_mailbox, overheard
from relay.upstream.by_mailbox import ByMailbox
from relay.upstream.trouble import Trace
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

    async def send(self, message: Message, trace: Trace | None = None) -> Results:
        assert not self.closed
        if trace is not None:
            trace(f"> for {self.mailbox}")
        self.sent += 1
        result = self.results.pop(0) if self.results else SENT
        return dict.fromkeys(message.envelope.recipients, result)

    async def close(self) -> None:
        self.closed = True


class Case:
    def __init__(self, *, acts_as: ActsAs = ActsAs.LOGIN) -> None:
        self.ways: dict[str, list[One]] = {}
        self.all = ByMailbox(
            *("people", WHO, self.make),
            acts_as=acts_as,
            identity_of=lambda mailbox: replace(WHO, mailbox=mailbox),
            concurrency=2,
        )

    def make(self, mailbox: str) -> One:
        self.ways.setdefault(mailbox, []).append(One(mailbox))
        return self.ways[mailbox][-1]

    async def send(self, login: str = ANN, sender: str = "who@x.org") -> Result:
        base = message()
        origin, envelope = replace(base.origin, login=login), replace(base.envelope, sender=sender)
        results = await self.all.send(replace(base, origin=origin, envelope=envelope))
        assert set(results) == set(envelope.recipients)
        return next(iter(results.values()))


@pytest.mark.parametrize(("acts_as", "mailbox"), [(ActsAs.LOGIN, ANN), (ActsAs.SENDER, BOB)])
async def test_who_a_message_is_sent_by(acts_as: ActsAs, mailbox: str) -> None:
    case = Case(acts_as=acts_as)
    assert await case.send(ANN.upper(), BOB.title()) == SENT
    assert list(case.ways) == [mailbox]


@pytest.mark.parametrize(
    ("acts_as", "part"), [(ActsAs.LOGIN, "nobody has logged in"), (ActsAs.SENDER, "it has no sender")]
)
async def test_nobody_to_act_as(acts_as: ActsAs, part: str) -> None:
    result = await Case(acts_as=acts_as).send("printer", "")
    assert (result.outcome, result.scope) == (Outcome.FAILED, Scope.MESSAGE)
    assert part in result.text
    assert result.hint


@pytest.mark.parametrize("scope", list(Scope))
async def test_what_a_way_says_is_passed_on_and_keeps_nothing_back(scope: Scope) -> None:
    case = Case()
    await case.send()
    trouble = replace(TROUBLE, scope=scope)
    case.ways[ANN][0].results = [trouble]
    assert await case.send() == trouble
    assert await case.send() == SENT, "pauses are delivery's"


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


async def test_every_mailbox_is_overheard(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "relay")
    case = Case()
    overheard("people", case.all)
    for login in (ANN, BOB):
        assert await case.send(login) == SENT
    assert [line.partition(") ")[2] for line in caplog.messages] == ["C: for ann@x.org", "C: for bob@x.org"]
