"""SQLite's errors in our words: which file, what is wrong, and what to do about it."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from relay.database import StorageError, StorageFullError


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """Raise StorageError for what SQLite raises about the file `path`."""
    try:
        yield
    except sqlite3.IntegrityError:
        raise  # our own mistake, not the disk's
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", "")
        if name.startswith("SQLITE_FULL"):
            raise StorageFullError(f"no room left for {path}: free some space on its disk") from error
        raise StorageError(f"{path}: {error}: {_next_step(name)}") from error


def _next_step(name: str) -> str:
    steps = {
        "SQLITE_CANTOPEN": "check that the folder exists and that this user may write there",
        "SQLITE_READONLY": "this user may not write the file or its folder (or the disk is mounted read-only)",
        "SQLITE_NOTADB": "this is no database of the relay: move it away or set queue.database",
        "SQLITE_CORRUPT": "the file is damaged: stop the relay and restore a backup, or `sqlite3 FILE .recover`",
        "SQLITE_IOERR": "the disk reports an error: look at the system log",
        "SQLITE_BUSY": "another program holds the file: close it",
    }
    return next((step for prefix, step in steps.items() if name.startswith(prefix)), "see the relay's log")
