"""Large bodies of caught mail, as files. A body that the queue has on disk is not copied: it gets a second name."""

import os
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Protocol, runtime_checkable

from relay import disk, log
from relay.model import Body
from relay.sink.rows import Source

SMALL = 64 * 1024
"""Octets up to which a body is a column."""


@runtime_checkable
class OnDisk(Protocol):
    """A body that is a file already."""

    @property
    def path(self) -> Path: ...

    def chunks(self) -> AsyncIterator[bytes]: ...


async def whole(body: Body) -> bytes:
    """All octets of a body."""
    return b"".join([chunk async for chunk in body.chunks()])


def of(source: Source, folder: Path) -> bytes:
    """The body of a message that was kept, from where it is."""
    if source.body is not None:
        return source.body
    try:
        return (folder / source.id).read_bytes()
    except FileNotFoundError:
        return b""  # deleted meanwhile


def adopt(found: Path, target: Path) -> None:
    """Give the file `found` the name `target` as well, durably. Raises OSError."""
    try:
        os.link(found, target)
    except FileExistsError:
        pass  # kept before a crash, and not told
    except OSError:
        # A file system without links, or one more than it allows.
        with found.open("rb") as origin:
            _write(target, iter(lambda: origin.read(1024 * 1024), b""))
    disk.sync_folder(target.parent)


def write(target: Path, data: bytes) -> None:
    """Write a body, durably. Raises OSError."""
    _write(target, [data])
    disk.sync_folder(target.parent)


def _write(target: Path, pieces: Iterable[bytes]) -> None:
    with disk.private(target) as file:
        for piece in pieces:
            file.write(piece)
        disk.sync(file)


def make_folder(folder: Path) -> list[str]:
    """The folder, and the names of what is in it. Raises OSError."""
    folder.mkdir(mode=0o700, exist_ok=True)
    return [path.name for path in folder.iterdir() if path.is_file()]


def remove(folder: Path, names: Iterable[str]) -> None:
    """Delete those files of the folder that are there: one that stays costs room and harms no mail."""
    for name in names:
        try:
            (folder / name).unlink(missing_ok=True)
        except OSError as error:
            log.spool.file_left(error)
