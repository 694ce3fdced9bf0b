"""A connection to the file, and the schema in it: made, brought up to date, or refused."""

import secrets
import sqlite3
from importlib import resources
from pathlib import Path

from relay.database import StorageError, migrations

BUSY_SECONDS = 30
"""How long another process may hold the file."""
_CHECKPOINT_PAGES = 2000
"""Some hundred messages. While the log is growing each commit costs half as much again, for the file system's sake."""
LARGEST_LOG = 64 * 1024 * 1024
"""Octets of the write-ahead log that stay on the disk between two bursts."""


def connect(path: Path) -> sqlite3.Connection:
    """A connection for any thread, whose commits reach the disk."""
    connection = sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")  # 250 means safe: every commit reaches the disk
    except BaseException:
        connection.close()
        raise
    return connection


def prepare(connection: sqlite3.Connection, path: Path, *, migrate: bool) -> None:
    """Bring the schema up to date; without `migrate` raise StorageError where it is not."""
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # only heeded before the first table exists
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA journal_size_limit = {LARGEST_LOG}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    steps = _migrations()
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(steps):
        raise StorageError(
            f"{path} was written by a newer relay (schema {version}, this program knows {len(steps)}): "
            "install that version again, or restore the backup made before it"
        )
    if version < len(steps) and not migrate:
        raise StorageError(
            f"{path} has schema {version} of {len(steps)}: start `relay serve` once to bring it up to date"
        )
    for number, sql in enumerate(steps[version:], version + 1):
        connection.executescript(f"BEGIN IMMEDIATE;\n{sql}\nPRAGMA user_version = {number};\nCOMMIT;")
    if migrate and not connection.execute("PRAGMA application_id").fetchone()[0]:
        connection.execute(f"PRAGMA application_id = {1 + secrets.randbelow(2**31 - 1)}")


def _migrations() -> list[str]:
    files = [file for file in resources.files(migrations).iterdir() if file.name.endswith(".sql")]
    return [file.read_text(encoding="utf-8") for file in sorted(files, key=lambda file: file.name)]
