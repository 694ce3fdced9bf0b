"""How far a refusal reaches, seen on the whole way: this message, or the mailbox with all that waits for it."""

import asyncio
from pathlib import Path

import pytest

from relay.model import Clock, LaneStatus
from relay.sandbox import Fault
from relay.spool import Queue, Summary
from tests.delivery.parts import USES_OFFICE, fill
from tests.support.exchange import MAILBOX, AtExchange, account, delivering, sandbox

STORE = "STOREDRV.Submission.Exception"


async def one_after_another(at: AtExchange) -> tuple[Summary, Summary, LaneStatus]:
    """Two messages, the second once the first has its answer: how both stand, and the mailbox."""
    await fill(at.spool, 1)
    at.delivery.notice(Queue("office"))
    first = await settled(at)
    await fill(at.spool, 1)
    at.delivery.notice(Queue("office"))
    second = await settled(at, besides=first.id)
    (status,) = at.delivery.status()
    (first,) = [each for each in await at.spool.recent(10) if each.id == first.id]
    return first, second, status


async def settled(at: AtExchange, besides: str = "") -> Summary:
    """The other message than `besides`, once it has been tried or can be told not to be."""
    async with asyncio.timeout(30):
        while True:
            (status,) = at.delivery.status()
            found = [each for each in await at.spool.recent(10) if each.id != besides]
            if found and (found[0].state in ("sent", "failed") or found[0].reason or (besides and status.trouble)):
                return found[0]
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("point", "reply"),
    [
        ("end_of_data", f"554 5.2.252 SendAsDenied; a@x not allowed to send as b@x; {STORE}:SendAsDeniedException"),
        ("end_of_data", "552 5.3.4 Message size exceeds fixed maximum message size"),
        ("rcpt", "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found"),
        ("end_of_data", "550 5.7.1 a reply that nobody has seen before"),
    ],
)
async def test_a_message_fails_alone(tmp_path: Path, point: str, reply: str) -> None:
    async with sandbox(tmp_path, Clock()) as running:
        running.faults.add(Fault(kind="reply", at=point, reply=reply, times=1))
        async with delivering(tmp_path, running, USES_OFFICE + account(running), Clock()) as at:
            first, second, status = await one_after_another(at)
    assert (first.state, first.attempts, first.reply.startswith(reply[:10])) == ("failed", 1, True)
    assert (second.state, status.trouble, status.paused_until) == ("sent", "", 0.0)


@pytest.mark.parametrize(
    ("fault", "hours"),
    [
        (Fault(kind="auth_refused"), 0),
        (Fault(kind="reply", at="mail", reply="530 5.7.57 Client not authenticated to send mail"), 0),
        (Fault(kind="reply", at="end_of_data", reply=f"554 5.2.0 {STORE}:SubmissionQuotaExceededException"), 2),
        (Fault(kind="reply", at="end_of_data", reply="550 5.1.90 Your message can't be sent: recipient limit"), 2),
        (Fault(kind="too_many_connections"), 0),
        (Fault(kind="expired_secret"), 0),
    ],
    ids=["535", "530", "quota", "recipient quota", "432", "secret"],
)
async def test_trouble_with_the_mailbox_keeps_all_its_mail(tmp_path: Path, fault: Fault, hours: int) -> None:
    clock = Clock()
    async with sandbox(tmp_path, clock) as running:
        running.faults.add(fault)
        async with delivering(tmp_path, running, USES_OFFICE + account(running), clock) as at:
            first, second, status = await one_after_another(at)
            left = status.paused_until - clock.time()
    assert {(each.state, each.attempts) for each in (first, second)} == {("queued", 0)}
    assert status.trouble
    assert left > max(10.0, hours * 3600 - 60), "a quota that recovers in hours is not asked for every minute"
    assert len(running.received) == 0


@pytest.mark.parametrize("wait", ["90", "90.5"])
async def test_graph_says_when_to_come_again(tmp_path: Path, wait: str) -> None:
    clock = Clock()
    async with sandbox(tmp_path, clock) as running:
        running.faults.add(Fault(kind="throttled", at="graph", retry_after=wait))
        async with delivering(tmp_path, running, USES_OFFICE + account(running, via="graph"), clock) as at:
            first, _, status = await one_after_another(at)
            left = status.paused_until - clock.time()
    assert (first.state, first.attempts) == ("queued", 0)
    assert 60 < left <= 91, "longer than the first pause, and no longer than it was told"
    assert status.identity.endswith(MAILBOX)
