"""The queue stays small by itself, and mail goes on meanwhile."""

import asyncio
from pathlib import Path

from relay.database.sqlite import SqliteDatabase
from relay.model import Clock, Outcome, Result
from relay.spool import Queue, Settled, Spool
from relay.spool.debts import heard
from tests.support.clock import FakeClock
from tests.support.spool import opened, put, submission

SENT = Result(Outcome.SENT, 250, "2.0.0", "OK")
NEVER = Result(Outcome.FAILED, 550, "5.1.1", "no such user")
LARGE = b"x" * 100_000


async def done(spool: Spool, clock: FakeClock, result: Result, body: bytes = LARGE) -> str:
    """A message that is over and has been told of; its id."""
    identifier = await put(spool, submission(now=clock.time()), body)
    (claim,) = await spool.claim([Queue("office")], 1)
    await spool.finish(claim, Settled({"a@example.org": result}, None, True, "", 0.0, clock.time()))
    await spool._write(lambda connection: heard(connection, identifier))
    return identifier


async def test_the_oldest_failed_mail_makes_room_and_nothing_else(tmp_path: Path) -> None:
    clock = FakeClock()
    async with opened(tmp_path, clock) as spool:
        failed = []
        for _ in range(4):
            failed.append(await done(spool, clock, NEVER))
            await clock.advance(1)
        sent = await done(spool, clock, SENT)
        waiting = await put(spool, submission(now=clock.time()), LARGE)
        await spool.prune(1e6, 1e6, max_size=310_000)
        assert {one.id for one in await spool.recent()} == {*failed[2:], sent, waiting}
        assert {path.name for path in (tmp_path / "bodies").iterdir()} == {*failed[2:], waiting}
        await spool.prune(1e6, 1e6, max_size=1)
        assert {one.id for one in await spool.recent()} == {sent, waiting}


async def test_what_a_report_is_due_for_stays(tmp_path: Path) -> None:
    clock = FakeClock()
    async with opened(tmp_path, clock) as spool:
        await put(spool, submission(now=clock.time()), LARGE)
        (claim,) = await spool.claim([Queue("office")], 1)
        await spool.finish(claim, Settled({"a@example.org": NEVER}, None, True, "", 0.0, clock.time()))
        await spool.prune(0, 0, max_size=1)
        assert len(await spool.recent()) == 1


async def test_the_file_shrinks_while_mail_goes_on(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "relay.db")
    spool = Spool(database, tmp_path, clock=Clock())
    await spool.open()
    for _ in range(12):
        await asyncio.gather(*(put(spool, submission(), b"x" * 60_000) for _ in range(50)))
    full = _octets(tmp_path)
    assert full > 30_000_000
    for claim in await spool.claim([Queue("office")], 1000):
        await spool.finish(claim, Settled({"a@example.org": SENT}, None, True, "", 0.0, 1.0))
    tidying = asyncio.create_task(spool.prune(0, 0))
    arrived = 0
    while not tidying.done():
        await put(spool, submission())
        arrived += 1
        await asyncio.sleep(0)
    await tidying
    assert len(await spool.claim([Queue("office")], 10_000)) == arrived > 3
    await spool.close()
    await database.close()
    # What is left is the spare room for the mail to come, and the new messages.
    assert _octets(tmp_path) < 2100 * 4096 + arrived * 8192


async def test_a_log_that_a_reader_has_made_grow_is_cut(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "relay.db")
    slow = SqliteDatabase(tmp_path / "relay.db")
    slow._reader.execute("BEGIN")
    slow._reader.execute("SELECT count(*) FROM message").fetchall()
    await database.write(lambda connection: connection.execute("CREATE TABLE note (text BLOB)"))
    for _ in range(70):
        await database.write(lambda connection: connection.execute("INSERT INTO note VALUES (zeroblob(1000000))"))
    log = tmp_path / "relay.db-wal"
    assert log.stat().st_size > 64 * 1024 * 1024
    slow._reader.execute("COMMIT")
    await slow.close()
    assert not await database.tidy()
    assert log.stat().st_size == 0
    await database.close()


def _octets(folder: Path) -> int:
    return (folder / "relay.db").stat().st_size
