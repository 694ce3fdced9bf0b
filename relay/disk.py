"""Files that only this user may read, and that are there after a crash. All of it blocks, and raises OSError."""

import os
from pathlib import Path
from typing import BinaryIO


def private(path: Path, *, new: bool = False) -> BinaryIO:
    """The file, empty and open for writing, for this user's eyes only; with `new` it must not have been there."""
    flags = os.O_WRONLY | os.O_CREAT | (os.O_EXCL if new else os.O_TRUNC)
    return os.fdopen(os.open(path, flags, 0o600), "wb")


def sync(file: BinaryIO) -> None:
    """Make what was written durable. The file's name is so when `sync_folder` has returned, too."""
    file.flush()
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    if os.name != "posix":
        return  # elsewhere a folder cannot be opened, and its entries are written through
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
