"""A database of an earlier version: brought up to date by `serve` with its mail in it, left alone by the commands."""

import contextlib
import sqlite3
from importlib import resources
from pathlib import Path

import pytest

from relay.database import StorageError, migrations
from relay.database.sqlite import SqliteDatabase
from relay.oauth.store import ConsentStore
from tests.support import spool, stored


def schema(path: Path | str, first: str = "") -> set[str]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(first)
        return {row[0] for row in connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}


FIRST = schema(":memory:", resources.files(migrations).joinpath("0001_initial.sql").read_text())


async def of_the_first_version(folder: Path) -> str:
    """A database as the first version left it, with one message queued in it: the message's id."""
    async with spool.opened(folder) as opened:
        message = await spool.put(opened, spool.submission())
    with sqlite3.connect(folder / "relay.db") as connection:
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            if not any(f"TABLE {table} " in sql for sql in FIRST):
                connection.execute(f"DROP TABLE {table}")
        connection.execute("PRAGMA user_version = 1")
    connection.close()
    assert schema(folder / "relay.db") == FIRST
    return message


async def test_queued_mail_survives_the_upgrade(tmp_path: Path) -> None:
    message = await of_the_first_version(tmp_path)
    async with spool.opened(tmp_path) as opened:
        assert [summary.id for summary in await opened.recent()] == [message]
    async with stored.database(tmp_path) as database:
        store: ConsentStore = stored.store(database, tmp_path)
        await store.keep(stored.SIGN_IN)
        assert [one.account for one in await store.all()] == ["office"]


async def test_a_command_leaves_it_and_says_what_to_do(tmp_path: Path) -> None:
    await of_the_first_version(tmp_path)
    with pytest.raises(StorageError, match="start `relay serve` once"):
        SqliteDatabase(tmp_path / "relay.db", migrate=False)
    assert schema(tmp_path / "relay.db") == FIRST
