"""The last thing that went wrong for an account's mail."""

from pathlib import Path

from relay.database.sqlite import SqliteDatabase
from relay.model import Outcome, Result, Results, Scope
from relay.spool import Queue, Settled, Spool
from relay.spool.trouble import LastTrouble, last_trouble
from tests.support.spool import opened, put, submission

A, B = "a@example.org", "b@example.org"
SENT = Result(Outcome.SENT, 250, "2.0.0", "ok")
LATER = Result(Outcome.DEFERRED, 451, "4.3.2", "busy", Scope.MESSAGE, hint="Wait")
NEVER = Result(Outcome.FAILED, 550, "5.1.1", "nobody", hint="Correct the address")


async def attempt(spool: Spool, at: float, results: Results) -> None:
    (claim,) = await spool.claim([Queue("office")], 1)
    again = at + 1 if any(result.outcome is Outcome.DEFERRED for result in results.values()) else None
    await spool.finish(claim, Settled(results, again, True, "a reason", at, at))


async def asked(folder: Path, account: str = "office") -> LastTrouble | None:
    """What a command beside the relay reads."""
    database = SqliteDatabase(folder / "relay.db", migrate=False)
    try:
        return await database.read(lambda connection: last_trouble(connection, account))
    finally:
        await database.close()


async def test_none(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        assert await asked(tmp_path) is None
        await put(spool, submission(A))
        await attempt(spool, 100.0, {A: SENT})
        assert await asked(tmp_path) is None


async def test_the_worst_of_several_recipients(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        message = await put(spool, submission(A, B))
        await attempt(spool, 100.0, {A: LATER, B: NEVER})
        found = await asked(tmp_path)
        assert found is not None
        assert (found.id, found.at, found.recipient, found.outcome) == (message, 100.0, B, "failed")
        assert (found.sender, found.reply, found.hint) == ("app@example.com", "550 5.1.1 nobody", "Correct the address")
        assert (found.state, found.sent_at, found.over) == ("queued", None, False)
        assert await asked(tmp_path, "other") is None


async def test_the_newest_and_whether_mail_has_gone_out_since(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        await put(spool, submission(A))
        await attempt(spool, 100.0, {A: NEVER})
        await put(spool, submission(A))
        await attempt(spool, 200.0, {A: SENT})
        found = await asked(tmp_path)
        assert found is not None
        assert (found.at, found.sent_at, found.over) == (100.0, 200.0, True)
        await put(spool, submission(A))
        await attempt(spool, 300.0, {A: LATER})
        found = await asked(tmp_path)
        assert found is not None
        assert (found.at, found.reply, found.over) == (300.0, "451 4.3.2 busy", False)
