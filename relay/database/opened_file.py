"""A database's file while it is open: whether it is still the one that the next start would find, and can be read.

Connections that are open read what they have in memory, and a file that was removed is written on until it is closed:
neither shows that all of it is lost with the end of the process.
"""

import contextlib
import sqlite3
from pathlib import Path

from relay.database import StorageError
from relay.database.sqlite_errors import told


class OpenedFile:
    """The file at `path`, just after it was opened. Raises OSError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._which = self._seen()

    def prove(self) -> None:
        """Raises StorageError, or OSError where the file cannot be looked at."""
        try:
            same = self._seen() == self._which
        except FileNotFoundError:
            same = False
        if not same or not self._tables():
            raise StorageError(
                f"{self._path} was removed, replaced or emptied while the relay has it open, and what is in it now is "
                "lost when the relay ends: put nothing in its place, and restart the relay once the page shows no "
                "waiting mail"
            )

    def _tables(self) -> int:
        """How many there are. Raises StorageError."""
        # A connection of its own: those that are open have the first pages in memory. Not the file itself: closing it
        # would end the locks that SQLite has on it in this process.
        with told(self._path), contextlib.closing(self._connected()) as connection:
            count: int = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        return count

    def _seen(self) -> tuple[int, int]:
        found = self._path.stat()
        return found.st_dev, found.st_ino

    def _connected(self) -> sqlite3.Connection:
        return sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro", uri=True)
