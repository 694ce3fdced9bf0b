"""A message that is split: all parts or none, each with the body, and one answer for who waits."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from relay.model import Outcome, Result
from relay.spool import Queue, Settled, Spool, Submission, Upload
from relay.spool.upload import SMALL
from tests.support.spool import opened, submission

SENT = Result(Outcome.SENT, 250, "2.0.0", "OK")
NO_USER = Result(Outcome.FAILED, 550, "5.1.1", "no such user")


async def uploaded(spool: Spool, body: bytes) -> Upload:
    upload = spool.upload()
    await upload.write(body, 0)
    return upload


def split(spool: Spool, *accounts: str) -> Submission:
    made = [replace(submission(f"{each}@x.org", account=each), id=spool.new_id()) for each in accounts]
    return replace(made[0], parts=tuple(made[1:]))


@pytest.mark.parametrize("body", [b"small\r\n", b"x" * (2 * SMALL)], ids=["small", "large"])
async def test_each_part_is_a_message_with_the_whole_body(tmp_path: Path, body: bytes) -> None:
    async with opened(tmp_path) as spool:
        upload = await uploaded(spool, body)
        await spool.put(upload, split(spool, "office", "internal", "third"))
    async with opened(tmp_path) as spool:
        for account in ("office", "internal", "third"):
            (claim,) = await spool.claim([Queue(account)], 5)
            assert claim.message.envelope.recipients == (f"{account}@x.org",)
            assert b"".join([part async for part in claim.message.body.chunks()]) == body
            await spool.finish(claim, Settled({f"{account}@x.org": SENT}, None, True, "", 0, 0))
        assert list((tmp_path / "bodies").iterdir()) == []
        assert {each.state for each in await spool.recent()} == {"sent"}


async def test_when_one_part_cannot_be_kept_none_is(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        upload = await uploaded(spool, b"x" * (2 * SMALL))
        whole = split(spool, "office", "internal")
        (part,) = whole.parts
        with pytest.raises(Exception, match=r"UNIQUE|exists"):
            await spool.put(upload, replace(whole, parts=(part, part)))
        assert await spool.recent() == []
        assert list((tmp_path / "bodies").iterdir()) == []


async def test_who_waits_hears_of_all_parts(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        upload = await uploaded(spool, b"small\r\n")
        results = asyncio.ensure_future(spool.watch(upload.id, Queue("office")))
        await spool.put(upload, split(spool, "office", "internal"))
        for account, result in (("internal", SENT), ("office", NO_USER)):
            assert not results.done()
            (claim,) = await spool.claim([Queue(account)], 5)
            await spool.finish(claim, Settled({f"{account}@x.org": result}, None, True, "", 0, 0))
        assert await results == {"internal@x.org": SENT, "office@x.org": NO_USER}
        spool.unwatch(upload.id)
        assert not spool.is_watched(upload.id)


async def test_a_message_that_is_held_is_not_due_before_its_time(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        upload = await uploaded(spool, b"small\r\n")
        await spool.put(upload, replace(submission(), held_until=1e11, reason="held"))
        assert await spool.claim([Queue("office")], 5) == []
        assert await spool.next_due([Queue("office")]) == 1e11
