"""How a message ends: what is sent at the first attempt takes a shorter way to the same end."""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from relay.model import DsnWishes, Outcome, Result
from relay.spool import Claim, Queue, Settled, Spool
from tests.support.spool import HEADERS, opened, put, submission

WHO = ("a@x.org", "b@x.org")
SENT = Result(Outcome.SENT, 250, "2.0.0", "OK")
BUSY = Result(Outcome.DEFERRED, 451, "4.3.0", "busy")
NEVER = Result(Outcome.FAILED, 550, "5.1.1", "no such user")
ENDS = "SELECT state, reason, done_at, headers, body, owed, reported FROM message ORDER BY seq"


def ended(folder: Path) -> list[tuple[object, ...]]:
    with contextlib.closing(sqlite3.connect(folder / "relay.db")) as connection:
        return connection.execute(ENDS).fetchall()


async def claim(spool: Spool) -> Claim:
    (claimed,) = await spool.claim([Queue("office")], 1)
    return claimed


async def finish(spool: Spool, results: dict[str, Result], next_at: float | None = None) -> str | None:
    return await spool.finish(await claim(spool), Settled(results, next_at, True, "because", 1.0, 2.0))


@pytest.mark.parametrize(
    ("wish", "owed", "kept"),
    [(None, 0, None), (DsnWishes(notify=dict.fromkeys(WHO, "SUCCESS")), 1, HEADERS)],
    ids=["nothing", "success"],
)
async def test_what_is_sent_at_once_ends_as_what_is_sent_later(
    tmp_path: Path, wish: DsnWishes | None, owed: int, kept: bytes | None
) -> None:
    async with opened(tmp_path) as spool:
        await put(spool, submission(*WHO, dsn=wish))
        assert await finish(spool, dict.fromkeys(WHO, SENT)) == "sent"
        await put(spool, submission(*WHO, dsn=wish))
        assert await finish(spool, dict.fromkeys(WHO, BUSY), next_at=0.0) == "queued"
        assert await finish(spool, dict.fromkeys(WHO, SENT)) == "sent"
        assert [one.state for one in await spool.recent()] == ["sent", "sent"]
    assert ended(tmp_path) == [("sent", "", 2.0, kept, None, owed, 0)] * 2


async def test_who_failed_at_the_first_attempt_is_not_forgotten_when_the_others_are_sent(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        await put(spool, submission(*WHO))
        assert await finish(spool, {WHO[0]: NEVER, WHO[1]: BUSY}, next_at=0.0) == "queued"
        assert await finish(spool, {WHO[1]: SENT}) == "failed"
    assert ended(tmp_path) == [("failed", "because", 2.0, HEADERS, b"Hello\r\n", 1, 0)]


async def test_the_end_of_a_first_attempt_that_somebody_has_taken_over_is_not_written(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        await put(spool, submission(*WHO))
        first = await claim(spool)
        await spool.release([first])
        second = await claim(spool)
        assert await spool.finish(first, Settled(dict.fromkeys(WHO, SENT), None, True, "", 1.0, 2.0)) is None
        assert (await spool.recent())[0].state == "active"
        assert await spool.finish(second, Settled(dict.fromkeys(WHO, NEVER), None, True, "no", 1.0, 2.0)) == "failed"
