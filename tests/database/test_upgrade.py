"""A database of an earlier version: brought up to date by `serve` with its mail in it, left alone by the commands."""

import contextlib
import json
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
    with contextlib.closing(sqlite3.connect(folder / "relay.db")) as connection:
        connection.executescript(resources.files(migrations).joinpath("0001_initial.sql").read_text())
        connection.execute(
            """INSERT INTO message (id, kind, state, account, sender, eight_bit, smtputf8, origin, size, headers, body,
                   body_file, body_size, body_dots, received_at, expires_at, next_at)
               VALUES ('old', 'mail', 'queued', 'office', 'app@example.com', 0, 0, ?, 17, ?, ?, 0, 4, 0, 1, 9e9, 1)""",
            (json.dumps(["app", "default", "127.0.0.1", "printer", "", ""]), b"Subject: x\r\n", b"Hi\r\n"),
        )
        connection.execute(
            "INSERT INTO recipient (message, position, address, state) VALUES (1, 0, 'a@x.org', 'pending')"
        )
        connection.execute("PRAGMA user_version = 1")
        connection.commit()
    return "old"


async def test_queued_mail_survives_the_upgrade(tmp_path: Path) -> None:
    message = await of_the_first_version(tmp_path)
    async with spool.opened(tmp_path) as opened:
        assert [summary.id for summary in await opened.recent()] == [message]
        (claim,) = await opened.claim(["office"], 1)
        assert claim.message.envelope.recipients == ("a@x.org",)
    async with stored.database(tmp_path) as database:
        store: ConsentStore = stored.store(database, tmp_path)
        await store.keep(stored.SIGN_IN)
        assert [one.account for one in await store.all()] == ["office"]


async def test_a_command_leaves_it_and_says_what_to_do(tmp_path: Path) -> None:
    await of_the_first_version(tmp_path)
    with pytest.raises(StorageError, match="start `relay serve` once"):
        SqliteDatabase(tmp_path / "relay.db", migrate=False)
    assert schema(tmp_path / "relay.db") == FIRST
