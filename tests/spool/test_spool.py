"""The queue on a real SQLite file: nothing is lost, nothing is claimed twice."""

import asyncio
import contextlib
import sqlite3
import sys
from pathlib import Path

import pytest

from relay.database import StorageError
from relay.model import Outcome, Result
from relay.spool import LEASE, Queue, Settled
from relay.spool.upload import SMALL, new_id
from tests.support.clock import FakeClock
from tests.support.spool import HEADERS, claim_one, content, opened, put, submission

SENT = Result(Outcome.SENT, 250, "2.0.0", "OK")
LATER = Result(Outcome.DEFERRED, 451, "4.3.0", "busy")
NEVER = Result(Outcome.FAILED, 550, "5.1.1", "no such user")


def settled(results: dict[str, Result], next_at: float | None = None, *, counted: bool = True) -> Settled:
    return Settled(results, next_at, counted, "because", 1.0, 2.0)


def sql(folder: Path, statement: str) -> list[tuple[object, ...]]:
    with contextlib.closing(sqlite3.connect(folder / "relay.db")) as connection, connection:
        return connection.execute(statement).fetchall()


@pytest.mark.parametrize("size", [0, 7, SMALL, SMALL + 1, 700_000])
async def test_a_message_comes_back_as_it_was_put(tmp_path: Path, size: int) -> None:
    body = (b".line\r\n" * (size // 7 + 1))[:size]
    async with opened(tmp_path) as spool:
        identifier = await put(spool, submission("a@example.org", "b@example.org"), body)
        claimed = await claim_one(spool)
        assert await content(claimed) == body
        message = claimed.message
        assert (message.id, message.headers, message.attempt) == (identifier, HEADERS, 1)
        assert message.envelope.recipients == ("a@example.org", "b@example.org")
        assert message.body.dots == body.count(b".")
        assert (tmp_path / "bodies" / identifier).exists() is (size > SMALL)


async def test_a_sent_message_leaves_its_history_and_no_body(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        await put(spool, submission(), b"x" * 100_000)
        claimed = await claim_one(spool)
        assert await spool.finish(claimed, settled({"a@example.org": SENT})) == "sent"
        assert list((tmp_path / "bodies").iterdir()) == []
        (summary,) = await spool.recent()
        assert (summary.state, summary.reply) == ("sent", "250 2.0.0 OK")
    assert sql(tmp_path, "SELECT headers, body FROM message") == [(None, None)]
    assert sql(tmp_path, "SELECT count(*) FROM attempt") == [(0,)]


async def test_only_the_deferred_recipients_are_tried_again_and_at_their_time(tmp_path: Path) -> None:
    clock = FakeClock()
    async with opened(tmp_path, clock) as spool:
        await put(spool, submission("a@x.org", "b@x.org", "c@x.org", now=clock.time()))
        claimed = await claim_one(spool)
        results = {"a@x.org": SENT, "b@x.org": LATER, "c@x.org": NEVER}
        assert await spool.finish(claimed, settled(results, clock.time() + 60)) == "queued"
        assert await spool.claim([Queue("office")], 5) == []
        assert await spool.next_due([Queue("office")]) == clock.time() + 60
        await clock.advance(61)
        again = await claim_one(spool)
        assert again.message.envelope.recipients == ("b@x.org",)
        assert again.message.attempt == 2
        assert await spool.finish(again, settled({"b@x.org": SENT})) == "failed"
        (summary,) = await spool.recent()
        assert summary.recipients == ("a@x.org", "b@x.org", "c@x.org")
    assert sql(tmp_path, "SELECT number, started_at, ended_at FROM attempt") == [(1, 1.0, 2.0)]


async def test_a_failed_message_keeps_its_content(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        await put(spool, submission(), b"precious\r\n")
        assert await spool.finish(await claim_one(spool), settled({"a@example.org": NEVER})) == "failed"
    assert sql(tmp_path, "SELECT state, body FROM message") == [("failed", b"precious\r\n")]


async def test_an_attempt_given_back_does_not_count(tmp_path: Path) -> None:
    clock = FakeClock()
    async with opened(tmp_path, clock) as spool:
        await put(spool, submission(now=clock.time()))
        for _ in range(3):
            claimed = await claim_one(spool)
            assert claimed.message.attempt == 1
            await spool.finish(claimed, settled({"a@example.org": LATER}, clock.time(), counted=False))


async def test_nothing_is_claimed_twice(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        names = {await put(spool, submission()) for _ in range(20)}
        batches = await asyncio.gather(*(spool.claim([Queue("office")], 7) for _ in range(5)))
        claimed = [claim.message.id for batch in batches for claim in batch]
        assert sorted(claimed) == sorted(names)


async def test_oldest_first_and_only_the_accounts_asked_for(tmp_path: Path) -> None:
    clock = FakeClock()
    async with opened(tmp_path, clock) as spool:
        expected = []
        for _ in range(3):
            expected.append(await put(spool, submission(now=clock.time())))
            await put(spool, submission(account="other", now=clock.time()))
            await clock.advance(1)
        assert [claim.message.id for claim in await spool.claim([Queue("office")], 10)] == expected


async def test_a_claim_of_a_dead_process_is_due_again_after_the_delay(tmp_path: Path) -> None:
    clock = FakeClock()
    async with opened(tmp_path, clock) as spool:
        await put(spool, submission(now=clock.time()))
        await claim_one(spool)
    async with opened(tmp_path, clock) as spool:
        assert await spool.claim([Queue("office")], 1) == []
        await clock.advance(61)
        assert (await claim_one(spool)).message.attempt == 2


async def test_a_result_under_a_lost_lease_is_not_taken(tmp_path: Path) -> None:
    clock = FakeClock()
    async with opened(tmp_path, clock) as spool:
        await put(spool, submission(now=clock.time()))
        first = await claim_one(spool)
        await spool.release([first])
        second = await claim_one(spool)
        assert await spool.finish(first, settled({"a@example.org": NEVER})) is None
        assert await spool.finish(second, settled({"a@example.org": SENT})) == "sent"


async def test_a_put_goes_through_when_its_caller_is_cancelled(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        upload = spool.upload()
        await upload.write(b"x" * 200_000, 0)
        stored = spool.put(upload, submission())
        await asyncio.sleep(0)
        stored.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stored
    async with opened(tmp_path) as spool:
        assert len(await content(await claim_one(spool))) == 200_000


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ("UPDATE message SET headers = NULL", "header block is missing"),
        ("UPDATE message SET body = x'00'", "not the size"),
        ("UPDATE message SET origin = '{'", "origin cannot be read"),
        ("UPDATE message SET body_file = 1", "is missing"),
        ("DELETE FROM recipient", "no recipient"),
    ],
)
async def test_a_damaged_row_is_set_aside_and_the_next_is_served(tmp_path: Path, damage: str, reason: str) -> None:
    clock = FakeClock()
    async with opened(tmp_path, clock) as spool:
        broken = await put(spool, submission(now=clock.time()))
        sql(tmp_path, damage)
        good = await put(spool, submission(now=clock.time()))
        claimed = [claim.message.id for _ in range(2) for claim in await spool.claim([Queue("office")], 1)]
        assert claimed == [good]
        states = {summary.id: (summary.state, summary.reason) for summary in await spool.recent()}
        assert states[broken][0] == "corrupt"
        assert reason in states[broken][1]


async def test_a_truncated_body_file_is_set_aside(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        identifier = await put(spool, submission(), b"x" * 100_000)
        (tmp_path / "bodies" / identifier).write_bytes(b"short")
        assert await spool.claim([Queue("office")], 1) == []
        (summary,) = await spool.recent()
        assert "5 of 100000 octets" in summary.reason


@pytest.mark.skipif(sys.platform == "win32", reason="Windows makes links for administrators only")
async def test_a_body_that_cannot_be_looked_at_is_not_set_aside(tmp_path: Path) -> None:
    """A network drive that is away, rights that are wrong: the next attempt may find it again."""
    async with opened(tmp_path) as spool:
        body = tmp_path / "bodies" / await put(spool, submission(), b"x" * (SMALL + 1))
        body.rename(tmp_path / "kept")
        body.symlink_to(body.name)  # of all such errors the one that needs no rights: a link to itself
        claim = await claim_one(spool)
        with pytest.raises(OSError, match="symbolic links"):
            await content(claim)
        body.unlink()
        (tmp_path / "kept").rename(body)
        assert len(await content(claim)) == SMALL + 1


async def test_what_waits_too_long_fails_with_its_last_reason(tmp_path: Path) -> None:
    clock = FakeClock()
    async with opened(tmp_path, clock) as spool:
        await put(spool, submission(now=clock.time(), max_age=100))
        claimed = await claim_one(spool)
        await spool.finish(claimed, settled({"a@example.org": LATER}, clock.time() + 60))
        await clock.advance(101)
        assert await spool.expire() == 1
        (summary,) = await spool.recent()
        assert summary.state == "failed"
        assert summary.reply == "554 5.4.7 expired in the queue; last: because"


async def test_mail_of_a_removed_account_is_held_until_it_is_back(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        await put(spool, submission(account="gone"))
        assert await spool.hold_unknown(["office"]) == (1, 0)
        (summary,) = await spool.recent()
        assert (summary.state, "account gone is not in the configuration" in summary.reason) == ("held", True)
        assert await spool.hold_unknown(["office", "gone"]) == (0, 1)
        assert len(await spool.claim([Queue("gone")], 5)) == 1


async def test_history_is_pruned_by_age_and_state(tmp_path: Path) -> None:
    clock = FakeClock()
    async with opened(tmp_path, clock) as spool:
        for result in (SENT, NEVER):
            await put(spool, submission(now=clock.time()), b"x" * 100_000)
            await spool.finish(
                await claim_one(spool), Settled({"a@example.org": result}, None, True, "", 0.0, clock.time())
            )
        await clock.advance(1000)
        await spool.prune(keep_sent=500, keep_failed=5000)
        assert [summary.state for summary in await spool.recent()] == ["failed"]
        await spool.prune(keep_sent=500, keep_failed=500)
        assert len(await spool.recent()) == 1, "a report about it is due"
        await clock.advance(3600)
        await spool.prune(keep_sent=500, keep_failed=500)
        assert await spool.recent() == []
        assert list((tmp_path / "bodies").iterdir()) == []


async def test_a_lease_that_nobody_renews_is_taken_back(tmp_path: Path) -> None:
    clock = FakeClock()
    async with opened(tmp_path, clock) as spool:
        await put(spool, submission(now=clock.time()))
        forgotten = await claim_one(spool)
        await clock.advance(100)
        await spool.renew([forgotten])
        await clock.advance(100)
        await spool.reclaim()
        assert await spool.claim([Queue("office")], 1) == []
        await clock.advance(LEASE)
        await spool.reclaim()
        assert (await claim_one(spool)).message.id == forgotten.message.id


async def test_held_mail_expires_too(tmp_path: Path) -> None:
    clock = FakeClock()
    async with opened(tmp_path, clock) as spool:
        await put(spool, submission(account="gone", now=clock.time(), max_age=100))
        await spool.hold_unknown(["office"])
        await clock.advance(101)
        assert await spool.expire() == 1


async def test_pruning_goes_on_until_all_is_gone(tmp_path: Path) -> None:
    clock = FakeClock()
    async with opened(tmp_path, clock) as spool:
        for _ in range(450):
            await put(spool, submission(now=clock.time()))
        for claimed in await spool.claim([Queue("office")], 450):
            await spool.finish(claimed, Settled({"a@example.org": SENT}, None, True, "", 0.0, clock.time()))
        await clock.advance(10)
        await spool.prune(keep_sent=5, keep_failed=5)
        assert await spool.recent(1000) == []


async def test_trouble_is_remembered_until_a_write_goes_well(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        locked = sqlite3.connect(tmp_path / "relay.db", isolation_level=None)
        pages = locked.execute("PRAGMA page_count").fetchone()[0]
        await spool._write(lambda connection: connection.execute(f"PRAGMA max_page_count = {pages}").fetchone())
        with pytest.raises(StorageError):
            await put(spool, submission(), b"x" * 60_000)
        assert "no room left" in spool.capacity.trouble
        await spool._write(lambda connection: connection.execute("PRAGMA max_page_count = 100000").fetchone())
        await spool.capacity.look()
        assert spool.capacity.trouble == ""
        await put(spool, submission(), b"x" * 60_000)
        locked.close()


def test_ids_sort_by_time_and_differ() -> None:
    ids = [new_id(1_700_000_000 + step / 1000) for step in range(200)]
    assert ids == sorted(ids)
    assert all(len(identifier) == 16 and identifier.isalnum() for identifier in ids)
    assert len({new_id(5.0) for _ in range(400_000)}) == 400_000, "chance would repeat one in a moment as busy as that"
