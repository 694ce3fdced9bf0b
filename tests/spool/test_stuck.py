"""Which mailboxes are in trouble, as who looks beside the relay reads it from the attempts."""

from pathlib import Path

import pytest

from relay.model import Outcome, Result, Results, Scope
from relay.spool import Queue, Settled, Spool, changes
from relay.spool.administration import opened as opened_beside
from relay.spool.selection import Selection
from relay.spool.stuck import Stuck
from tests.support.spool import opened, put, submission

A, B = "a@example.org", "b@example.org"
SENT = Result(Outcome.SENT, 250, "2.0.0", "ok")
REFUSED = Result(Outcome.DEFERRED, 535, "5.7.3", "not you", Scope.IDENTITY, hint="Ask *her*")
BUSY = Result(Outcome.DEFERRED, 451, "4.3.2", "busy", Scope.MESSAGE)


async def attempt(spool: Spool, at: float, results: Results, *, counted: bool = False) -> str:
    (claim,) = await spool.claim([Queue("office")], 1)
    waits = any(result.outcome is Outcome.DEFERRED for result in results.values())
    await spool.finish(claim, Settled(results, at if waits else None, counted or not waits, "a reason", at, at))
    return claim.message.id


async def seen(folder: Path) -> list[Stuck]:
    async with opened_beside(folder / "relay.db") as queue:
        return await queue.stuck()


async def test_mail_that_is_only_late_is_no_trouble_of_the_mailbox(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        await put(spool, submission(A))
        assert await seen(tmp_path) == []
        await attempt(spool, 100.0, {A: BUSY}, counted=True)
        assert await seen(tmp_path) == []


async def test_the_last_attempt_tells_until_something_goes_out(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        await put(spool, submission(A))
        await attempt(spool, 100.0, {A: REFUSED})
        await put(spool, submission(A))
        last = await attempt(spool, 200.0, {A: REFUSED})
        (found,) = await seen(tmp_path)
        assert found == Stuck("office", "", last, 200.0, "535 5.7.3 not you", "Ask *her*")
        assert str(found) == "535 5.7.3 not you -- Ask *her*"
        await spool.claim([Queue("office")], 1)  # one is being tried right now
        assert len(await seen(tmp_path)) == 1
        await attempt(spool, 300.0, {A: SENT})
        assert await seen(tmp_path) == []


@pytest.mark.parametrize("change", [changes.hold, changes.retry])
async def test_what_a_person_does_to_the_message_hides_nothing(tmp_path: Path, change: changes.Change) -> None:
    async with opened(tmp_path) as spool:
        await put(spool, submission(A))
        await attempt(spool, 100.0, {A: REFUSED})
        async with opened_beside(tmp_path / "relay.db") as queue:
            await queue.change(change, [seq for seq, _ in await queue.find(Selection())])
        assert [each.reply for each in await seen(tmp_path)] == ["535 5.7.3 not you"]


async def test_mail_to_some_of_its_recipients_has_gone_out_too(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        await put(spool, submission(A))
        await attempt(spool, 100.0, {A: REFUSED})
        await put(spool, submission(A, B, now=-1.0))
        (claim,) = [
            each for each in await spool.claim([Queue("office")], 2) if len(each.message.envelope.recipients) > 1
        ]
        await spool.finish(claim, Settled({A: SENT, B: BUSY}, 300.0, True, "a reason", 200.0, 200.0))
        assert await seen(tmp_path) == []
