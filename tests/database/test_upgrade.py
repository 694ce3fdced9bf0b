"""A database of an earlier version: brought up to date by `serve` with its mail in it, left alone by the commands."""

import asyncio
import contextlib
import sqlite3
from importlib import resources
from pathlib import Path

import pytest

from relay.database import StorageError, migrations
from relay.database.sqlite import SqliteDatabase
from relay.delivery import Delivery
from relay.oauth.store import ConsentStore
from tests.support import spool, stored
from tests.support.clock import FakeClock
from tests.support.upstream import SENT, ScriptedUpstream

STEPS = sorted(file.name for file in resources.files(migrations).iterdir() if file.name.endswith(".sql"))
LARGE = b"x" * 70 + b"\r\n" * 2000


def schema(path: Path | str, script: str = "") -> set[str]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
        return {row[0] for row in connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}


def step(name: str) -> str:
    return resources.files(migrations).joinpath(name).read_text()


def of_version(folder: Path, number: int, now: float = 0.0) -> None:
    """A database as that version left it: a small message, one with its body in a file, and one that has failed."""
    (folder / "bodies").mkdir(exist_ok=True)
    (folder / "bodies" / "large").write_bytes(LARGE)
    with contextlib.closing(sqlite3.connect(folder / "relay.db")) as connection, connection:
        connection.executescript("PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL;")
        connection.executescript("\n".join(step(name) for name in STEPS[:number]))
        connection.execute(f"PRAGMA user_version = {number}")
        for name, state, body in (("small", "queued", b"Hello\r\n"), ("large", "queued", None), ("old", "failed", b"")):
            cursor = connection.execute(
                """INSERT INTO message (id, kind, state, account, sender, eight_bit, smtputf8, origin, size, headers,
                       body, body_file, body_size, body_dots, received_at, expires_at, next_at, done_at)
                   VALUES (?, 'mail', ?, 'office', 'app@x.org', 0, 0, '["app","default","127.0.0.1","","",""]', 9, ?,
                       ?, ?, ?, 0, ?, ?, ?, ?)""",
                (name, state, b"Subject: old\r\n", body, int(body is None), len(LARGE if body is None else body), now)
                + (now + 5000, now, None if state == "queued" else now),
            )
            connection.execute(
                "INSERT INTO recipient (message, position, address, state) VALUES (?, 0, ?, ?)",
                (cursor.lastrowid, f"{name}@x.org", "pending" if state == "queued" else "failed"),
            )


@pytest.mark.parametrize("number", range(1, len(STEPS) + 1))
async def test_mail_that_was_queued_before_an_upgrade_is_delivered_after_it(tmp_path: Path, number: int) -> None:
    clock = FakeClock()
    of_version(tmp_path, number, clock.time())
    upstream = ScriptedUpstream(SENT)
    async with spool.opened(tmp_path, clock) as opened:
        delivery = Delivery(opened, {"office": upstream}, retry=(60.0,), clock=clock)
        task = asyncio.create_task(delivery.run())
        async with asyncio.timeout(10):
            while [each.state for each in await opened.recent()] != ["failed", "sent", "sent"]:
                await asyncio.sleep(0.01)
        await delivery.stop(1)
        await task
        # What had failed under a version without reports is not told of years later.
        assert not opened.owed.is_set()
    assert sorted(message.envelope.recipients for message in upstream.seen) == [("large@x.org",), ("small@x.org",)]
    assert schema(tmp_path / "relay.db") == schema(":memory:", "\n".join(map(step, STEPS)))


async def test_the_store_of_sign_ins_is_there_after_the_upgrade(tmp_path: Path) -> None:
    of_version(tmp_path, 1)
    async with stored.database(tmp_path) as database:
        store: ConsentStore = stored.store(database, tmp_path)
        await store.keep(stored.SIGN_IN)
        assert [one.account for one in await store.all()] == ["office"]


async def test_a_command_leaves_it_and_says_what_to_do(tmp_path: Path) -> None:
    of_version(tmp_path, 1)
    with pytest.raises(StorageError, match="start `relay serve` once"):
        SqliteDatabase(tmp_path / "relay.db", migrate=False)
    assert schema(tmp_path / "relay.db") == schema(":memory:", step(STEPS[0]))
