"""Keeps the database's files as small as they may be, in steps that hold up no mail."""

import sqlite3
from pathlib import Path

from relay.database import Connection
from relay.database.opening import BUSY_SECONDS, LARGEST_LOG
from relay.database.sqlite_errors import told

_BUSY = 0.1
"""Seconds that shortening the log may hold up the mail."""
_TIDY_PAGES = 500
"""2 MiB at a time: more would hold up the mail."""
SPARE_PAGES = 2000
"""Free pages that are kept for the mail to come: giving them back and asking for them again costs more."""


def vacuum(connection: Connection) -> int:
    """Give some free pages back, unless there are few; how many are left."""
    free: int = connection.execute("PRAGMA freelist_count").fetchone()[0]
    if free <= SPARE_PAGES:
        return free
    pages = min(_TIDY_PAGES, free - SPARE_PAGES)
    # The pragma takes a step for each page, and Python's module makes one step of a statement without columns.
    for _ in range(pages):
        connection.execute("PRAGMA incremental_vacuum(1)")
    return free - pages


def shorten_log(connection: sqlite3.Connection, path: Path) -> None:
    """Write what is in the log into the file `path`, and shorten the log if it has grown beyond its measure.

    That needs a moment without a writer, and without a reader of old pages: a backup that takes minutes, for which a
    log grows most of all. Nobody can write while it is waited for, so the next time has to do then.
    """
    log = path.with_name(f"{path.name}-wal")
    with told(path):
        if not log.exists() or log.stat().st_size <= LARGEST_LOG:
            return
        connection.execute(f"PRAGMA busy_timeout = {_BUSY * 1000:.0f}")
        try:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")


def rewrite_version(connection: Connection) -> None:
    """A page that is written although it stays what it was: an empty transaction would not touch the disk."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.execute(f"PRAGMA user_version = {version}")
