"""One `serve` for each database: a lock file beside it, held as long as the process lives."""

import os
import sys
import time
from pathlib import Path
from typing import IO, Any

from relay.database import StorageError
from relay.database.sqlite_errors import owner_of

_LOOKS, _LOOK = 5, 0.02
"""How often, and how many seconds apart: who only looks has the lock for some microseconds."""


class LockFile:
    """An advisory lock that the operating system lets go of when the process ends, however it ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Take the lock, or raise StorageError naming the process that has it. Raises OSError."""
        try:
            file = _opened(self._path)
        except PermissionError as error:
            text = f"{self._path}: this user may not write it{owner_of(self._path)}"
            raise StorageError(text) from error
        try:
            _lock_soon(file)
        except OSError as error:
            file.seek(0)
            owner = file.read(20).strip()
            file.close()
            raise StorageError(
                f"another relay (process {owner or 'unknown'}) is already serving {self._path.parent}: "
                "stop it first, or give this one another state_folder"
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file

    def is_held(self) -> bool:
        """Whether a relay is at work. Raises OSError where this user may not see it."""
        try:
            file = self._path.open("rb")
        except FileNotFoundError:
            return False
        with file:
            try:
                _lock(file, shared=True)
            except OSError:
                return True
        return False

    def release(self) -> None:
        """Let go of the lock. The file stays: removing it would let two processes lock different files."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _lock_soon(file: IO[Any]) -> None:
    """Lock, also where a command just looks whether a relay is at work."""
    for _ in range(_LOOKS):
        try:
            _lock(file)
        except OSError:
            time.sleep(_LOOK)
        else:
            return
    _lock(file)


def _opened(path: Path) -> IO[str]:
    """The file, made where there is none. Raises OSError.

    One that root makes, by a command in the state folder of the relay's user, is that user's: it has to open it too.
    """
    new = not path.exists()
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600), "a+", encoding="ascii")
    if new and sys.platform != "win32" and os.geteuid() == 0:
        folder = path.parent.stat()
        os.chown(path, folder.st_uid, folder.st_gid)
    return file


if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[Any], *, shared: bool = False) -> None:  # noqa: ARG001 (there is but one kind)
        file.seek(0x7FFF0000)  # far behind the process id, which stays readable for the error
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(file: IO[Any], *, shared: bool = False) -> None:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
