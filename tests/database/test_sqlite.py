"""SQLite as the relay uses it: durable, grouped, and clear when it cannot."""

import asyncio
import contextlib
import os
import shutil
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from relay.database import Connection, StorageError
from relay.database.lock import LockFile
from relay.database.sqlite import SqliteDatabase
from tests.support.process import PATIENCE


def count(connection: Connection) -> int:
    number: int = connection.execute("SELECT count(*) FROM note").fetchone()[0]
    return number


def add(text: str) -> Callable[[Connection], int | None]:
    def work(connection: Connection) -> int | None:
        return connection.execute("INSERT INTO note VALUES (?)", (text,)).lastrowid

    return work


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    database = SqliteDatabase(tmp_path / "relay.db")
    await database.write(lambda connection: connection.execute("CREATE TABLE note (text TEXT NOT NULL UNIQUE)"))
    yield database
    await database.close()


async def test_what_was_written_is_there_for_a_second_connection(database: SqliteDatabase, tmp_path: Path) -> None:
    await database.write(add("one"))
    with contextlib.closing(sqlite3.connect(tmp_path / "relay.db")) as other:
        assert other.execute("SELECT text FROM note").fetchall() == [("one",)]


async def test_many_writes_at_once_share_commits_and_all_arrive(database: SqliteDatabase) -> None:
    await asyncio.gather(*(database.write(add(str(number))) for number in range(1000)))
    assert await database.read(count) == 1000


async def test_one_failing_write_harms_no_other_in_its_batch(database: SqliteDatabase) -> None:
    results = await asyncio.gather(
        *(database.write(add(text)) for text in ("a", "b", "a", "c", "b")), return_exceptions=True
    )
    assert [isinstance(result, sqlite3.IntegrityError) for result in results] == [False, False, True, False, True]
    assert await database.read(count) == 3


async def test_a_cancelled_writer_does_not_stop_the_others(database: SqliteDatabase) -> None:
    cancelled = asyncio.ensure_future(database.write(add("x")))
    await asyncio.sleep(0)
    cancelled.cancel()
    await database.write(add("y"))
    assert await database.read(count) == 2
    assert cancelled.cancelled()


async def test_durability_is_on(database: SqliteDatabase) -> None:
    pragmas = await database.write(
        lambda connection: [
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    )
    assert pragmas == ["wal", 2, 1]


async def test_a_newer_schema_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "relay.db"
    await SqliteDatabase(path).close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StorageError, match=r"relay\.db was written by a newer relay \(schema 99"):
        SqliteDatabase(path)


async def test_commands_do_not_migrate(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="start `relay serve` once"):
        SqliteDatabase(tmp_path / "relay.db", migrate=False)


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "relay.db"
    path.write_bytes(b"This is not a database at all.\n" * 100)
    with pytest.raises(StorageError, match=r"relay\.db.*move it away"):
        SqliteDatabase(path)
    assert path.read_bytes().startswith(b"This is not")


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="check that the folder exists"):
        SqliteDatabase(tmp_path / "missing" / "relay.db")


async def test_a_full_database_says_so_and_takes_writes_again_when_there_is_room(database: SqliteDatabase) -> None:
    pages = await database.write(lambda connection: connection.execute("PRAGMA page_count").fetchone()[0])
    await database.write(lambda connection: connection.execute(f"PRAGMA max_page_count = {pages + 2}").fetchone())
    with pytest.raises(StorageError, match=r"no room left for .*free some space"):
        await database.write(add("x" * 100_000))
    await database.write(lambda connection: connection.execute("PRAGMA max_page_count = 1000000").fetchone())
    await database.write(add("x" * 100_000))
    assert await database.read(count) == 1


def test_a_second_lock_names_the_first_process(tmp_path: Path) -> None:
    first, second = LockFile(tmp_path / "relay.lock"), LockFile(tmp_path / "relay.lock")
    first.acquire()
    with pytest.raises(StorageError, match=r"another relay \(process \d+\) is already serving"):
        second.acquire()
    first.release()
    second.acquire()
    second.release()


def test_a_lock_is_private(tmp_path: Path) -> None:
    lock = LockFile(tmp_path / "relay.lock")
    lock.acquire()
    lock.release()
    assert (tmp_path / "relay.lock").stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root makes files for others")
def test_a_lock_that_root_makes_is_the_relays(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 12346)
    lock = LockFile(tmp_path / "relay.lock")
    lock.acquire()
    lock.release()
    made = (tmp_path / "relay.lock").stat()
    assert (made.st_uid, made.st_gid) == (12345, 12346)


async def test_a_copy_made_while_it_runs_opens(database: SqliteDatabase, tmp_path: Path) -> None:
    await database.write(add("kept"))
    for suffix in ("", "-wal"):
        shutil.copy(tmp_path / f"relay.db{suffix}", tmp_path / f"copy.db{suffix}")
    copy = SqliteDatabase(tmp_path / "copy.db")
    assert await copy.read(count) == 1
    await copy.close()


async def test_a_quick_read_sees_what_was_committed_and_waits_for_nothing(database: SqliteDatabase) -> None:
    writing = asyncio.ensure_future(database.write(add("one")))
    assert await database.read(count, quick=True) == 0
    await writing
    assert await database.read(count, quick=True) == 1


async def test_a_file_that_is_damaged_while_it_is_open_is_an_error_and_not_a_wait(tmp_path: Path) -> None:
    path = tmp_path / "relay.db"
    database = SqliteDatabase(path)
    await database.write(lambda connection: connection.execute("CREATE TABLE note (text TEXT)"))
    with contextlib.closing(sqlite3.connect(path)) as other:  # what a command writes makes the relay look again
        other.execute("PRAGMA user_version = 8")
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.write(b"no database any more")
    for _ in range(2):
        with pytest.raises(StorageError, match=r"relay\.db"):
            async with asyncio.timeout(PATIENCE):
                await database.write(add("lost"))
    await database.close()


async def test_a_long_reader_does_not_stop_the_mail_when_the_log_has_grown(
    database: SqliteDatabase, tmp_path: Path
) -> None:
    log = tmp_path / "relay.db-wal"
    large = "INSERT INTO note VALUES (zeroblob(70000000))"
    with contextlib.closing(sqlite3.connect(tmp_path / "relay.db", isolation_level=None)) as backup:
        backup.execute("BEGIN")
        assert count(backup) == 0
        await database.write(lambda connection: connection.execute(large))
        grown = log.stat().st_size
        began = time.monotonic()
        assert not await database.tidy()
        assert time.monotonic() - began < PATIENCE / 3  # SQLite itself would wait as long as for a writer: 30 seconds
        assert log.stat().st_size == grown
    assert not await database.tidy()
    assert log.stat().st_size < grown
