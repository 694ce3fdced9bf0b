"""Waiting for another process that holds the database: long, but not when an end is to be made."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from relay.database import Connection, StorageError
from relay.database.sqlite import SqliteDatabase
from tests.support.process import PATIENCE


def insert(connection: Connection) -> None:
    connection.execute("INSERT INTO pace VALUES ('a', 'messages', 1.0, 1.0, 1.0, 1)")


async def test_who_waits_for_another_process_hears_that_an_end_is_to_be_made(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "relay.db")
    other = sqlite3.connect(tmp_path / "relay.db", isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.ensure_future(database.write(insert))
        await asyncio.sleep(0)
        began = asyncio.get_running_loop().time()
        database.hurry()
        with pytest.raises(StorageError, match="another program holds the file"):
            await asyncio.wait_for(waiting, PATIENCE)
        with pytest.raises(StorageError, match="another program holds the file"):
            await database.write(insert)
        assert asyncio.get_running_loop().time() - began < 25, "it has waited as ever"
        # What is free is written all the same.
        other.execute("ROLLBACK")
        await database.write(insert)
    finally:
        other.close()
        await database.close()


async def test_without_hurry_it_waits_until_the_file_is_free(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "relay.db")
    other = sqlite3.connect(tmp_path / "relay.db", isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.ensure_future(database.write(insert))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(waiting), 0.6)  # longer than one step
        other.execute("ROLLBACK")
        await asyncio.wait_for(waiting, PATIENCE)
    finally:
        other.close()
        await database.close()
