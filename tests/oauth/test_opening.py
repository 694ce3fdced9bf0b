"""The store of sign-ins, opened by a command: the schema is the serving relay's business."""

import contextlib
import os
import sqlite3
from importlib import resources
from pathlib import Path

import pytest

from relay import config
from relay.config import Settings
from relay.database import StorageError, migrations
from relay.database.lock import LockFile
from relay.oauth.opening import opened
from relay.oauth.store import SignIn

SOMEBODY = 12345


def settings_of(folder: Path) -> Settings:
    file = folder / "relay.toml"
    file.write_text(f'state_folder = "{folder}/state"\n', encoding="utf-8")
    return config.load(file, {})


def of_the_first_version(settings: Settings) -> None:
    """A database that an earlier release has left."""
    settings.state_folder.mkdir()
    first = resources.files(migrations).joinpath("0001_initial.sql").read_text()
    with contextlib.closing(sqlite3.connect(settings.database_file)) as connection:
        connection.executescript(f"{first}\nPRAGMA user_version = 1;")


def version(settings: Settings) -> int:
    with contextlib.closing(sqlite3.connect(settings.database_file)) as connection:
        found: int = connection.execute("PRAGMA user_version").fetchone()[0]
        return found


async def test_while_a_relay_serves_its_schema_is_left_alone(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    of_the_first_version(settings)
    serving = LockFile(settings.lock_file)
    serving.acquire()
    try:
        with pytest.raises(StorageError):
            async with opened(settings) as store:
                await store.find("office")
    finally:
        serving.release()
    assert version(settings) == 1


async def test_while_none_serves_the_schema_is_brought_up_to_date(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    of_the_first_version(settings)
    async with opened(settings) as store:
        assert await store.find("office") is None
    assert version(settings) > 1
    free = LockFile(settings.lock_file)
    free.acquire()
    free.release()


async def test_what_root_makes_belongs_to_the_user_of_the_state_folder(tmp_path: Path) -> None:
    """`sudo relay authorize` beside a service, which has to read the key and the database."""
    settings = settings_of(tmp_path)
    folder = settings.state_folder
    folder.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(folder, SOMEBODY, SOMEBODY)
    async with opened(settings) as store:
        await store.keep(SignIn("office", "a refresh token", "id", "https://login.example.com", "scope"))
    made = {path.name: path.stat().st_uid for path in folder.iterdir()}
    assert {"relay.db", "store.key"} <= made.keys()
    assert set(made.values()) == {folder.stat().st_uid}


async def test_a_state_folder_that_cannot_be_used(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    settings.state_folder.write_text("a file")
    with pytest.raises(StorageError, match="is a file: set state_folder to a folder"):
        async with opened(settings):
            pass
    settings.state_folder.unlink()
    settings.lock_file.mkdir(parents=True)
    with pytest.raises(StorageError, match="cannot be used: Is a directory"):
        async with opened(settings):
            pass
