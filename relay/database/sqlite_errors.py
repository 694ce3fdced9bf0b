"""SQLite's errors in our words: which file, what is wrong, and what to do about it."""

import contextlib
import os
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

from relay.database import StorageError, StorageFullError

_FORBIDDEN = ("SQLITE_CANTOPEN", "SQLITE_READONLY")


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
        owner = owner_of(path) if name.startswith(_FORBIDDEN) else ""
        raise StorageError(f"{path}: {error}: {_next_step(name)}{owner}") from error


def owner_of(path: Path) -> str:
    """The end of a sentence about a file that may not be used: whose it is, where that is another user; else ""."""
    if sys.platform == "win32":
        return ""
    import pwd  # noqa: PLC0415 (not on Windows)

    for place in (path, *path.parents):
        try:
            owner = place.stat().st_uid
        except OSError:
            continue  # in a folder that may not be looked into
        if owner == os.geteuid():
            return ""
        try:
            return f"; it belongs to {pwd.getpwuid(owner).pw_name}: run the command as that user"
        except KeyError:
            return f"; it belongs to the user {owner}: run the command as that user"
    return ""


def _next_step(name: str) -> str:
    steps = {
        "SQLITE_CANTOPEN": "check that the folder exists and that this user may read and write there",
        "SQLITE_READONLY": "this user may not write the file or its folder (or the disk is mounted read-only)",
        "SQLITE_NOTADB": "this is no database of the relay: move it away or set queue.database",
        "SQLITE_CORRUPT": "the file is damaged: stop the relay and restore a backup, or `sqlite3 FILE .recover`",
        "SQLITE_IOERR": "the disk reports an error: look at the system log",
        "SQLITE_BUSY": "another program holds the file: close it",
    }
    return next((step for prefix, step in steps.items() if name.startswith(prefix)), "see the relay's log")
