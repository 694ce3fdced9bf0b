"""A body while it arrives: in memory while it is small, in a file beside the database once it is not."""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from relay import disk, log

SMALL = 64 * 1024
"""Up to here a body is a column of its message's row; above, a file is eleven times cheaper."""

_WRITE = 256 * 1024
_READ = 256 * 1024
_random = random.Random()  # noqa: S311 (a name must be new, not secret; the system's source costs a call into it)
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's: no letter that reads like another
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]


class _Names:
    """Names for messages. Those of one millisecond count on from a random number: no two of them are the same."""

    __slots__ = ("_moment", "_number")

    def __init__(self) -> None:
        self._moment = self._number = -1

    def new(self, now: float) -> str:
        """A name for a message: 16 letters and digits that sort by time (milliseconds, then 32 bits)."""
        moment = int(now * 1000) & 0xFFFFFFFFFFFF
        self._number = self._number + 1 if moment == self._moment else _random.getrandbits(32)
        self._moment = moment
        number = moment << 32 | self._number & 0xFFFFFFFF
        return "".join([_PAIRS[number >> shift & 1023] for shift in range(70, -10, -10)])


new_id = _Names().new


@dataclass(frozen=True, slots=True)
class FileBody:
    """A stored body in a file of its own."""

    path: Path
    size: int
    dots: int

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the octets in order; the file is opened anew for each reading."""
        loop = asyncio.get_running_loop()
        file = await loop.run_in_executor(None, self.path.open, "rb")
        try:
            while data := await loop.run_in_executor(None, file.read, _READ):
                yield data
        finally:
            file.close()


class Upload:
    """Collects one body, given in stored form (CRLF line ends, not dot-stuffed).

    `id` is the name that the message will have. An upload that no message adopts is discarded by its owner, or swept
    when the relay starts. Raises OSError from `write` and `seal` when the disk refuses.
    """

    __slots__ = ("_buffer", "_file", "_folder", "_pending", "_pool", "dots", "id", "size")

    def __init__(self, message_id: str, folder: Path, pool: ThreadPoolExecutor) -> None:
        self.id = message_id
        self._folder = folder
        self.size = 0
        self.dots = 0
        self._pool = pool
        self._buffer: list[bytes] = []
        self._pending = 0
        self._file: BinaryIO | None = None

    @property
    def path(self) -> Path:
        """The file, when there is one."""
        return self._folder / self.id

    @property
    def in_file(self) -> bool:
        return self._file is not None

    @property
    def data(self) -> bytes:
        """The body, when it is small; empty when it is in a file."""
        return b"" if self.in_file else b"".join(self._buffer)

    @property
    def in_memory(self) -> int:
        """Octets that are not on the disk."""
        return self._pending

    @property
    def full(self) -> bool:
        """More is in memory than should be: `spill` it before more is added."""
        return self._pending >= _WRITE or (self._file is None and self._pending > SMALL)

    def add(self, data: bytes, dots: int) -> None:
        """Add octets, of which `dots` begin a line with a dot, without waiting for the disk."""
        self._buffer.append(data)
        self._pending += len(data)
        self.size += len(data)
        self.dots += dots

    async def write(self, data: bytes, dots: int) -> None:
        """Add octets, and write them to the disk when they are many."""
        self.add(data, dots)
        if self.full:
            await self.spill()

    async def seal(self) -> None:
        """Make a body in a file durable: the file, then the folder that names it (RFC 5321 6.1)."""
        if self._file is not None:
            await self.spill()
            await asyncio.get_running_loop().run_in_executor(self._pool, _sync, self._file, self._folder)

    async def discard(self) -> None:
        """Forget what came: the message was refused, or its client has gone."""
        gone = self.drop()
        if gone is not None:
            await asyncio.shield(asyncio.wrap_future(gone))

    def drop(self) -> Future[None] | None:
        """As `discard`, without waiting; the future, if there was a file, tells when that has gone."""
        self._buffer.clear()
        self._pending = 0
        if self._file is None:
            return None
        self._file.close()
        return self._pool.submit(self.path.unlink, missing_ok=True)

    async def spill(self) -> None:
        """Write to the file what is in memory."""
        parts, self._buffer, self._pending = self._buffer, [], 0
        loop = asyncio.get_running_loop()
        written = loop.run_in_executor(self._pool, _append, self._file, self.path, parts)
        try:
            self._file = await asyncio.shield(written)
        except asyncio.CancelledError:
            # The thread goes on: without its file, `discard` would leave that behind.
            await asyncio.wait({written})
            if written.exception() is None:
                self._file = written.result()
            raise


def _append(file: BinaryIO | None, path: Path, parts: list[bytes]) -> BinaryIO:
    if file is not None:
        return _written(file, parts)
    file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", buffering=0)
    try:
        return _written(file, parts)
    except BaseException:
        # Nobody else knows of it: each message that a full disk refuses would make it fuller.
        file.close()
        path.unlink(missing_ok=True)
        raise


def _written(file: BinaryIO, parts: list[bytes]) -> BinaryIO:
    for part in parts:
        view = memoryview(part)
        while view:
            view = view[file.write(view) :]
    return file


def _sync(file: BinaryIO, folder: Path) -> None:
    os.fsync(file.fileno())
    file.close()
    disk.sync_folder(folder)


def remove(paths: Sequence[Path]) -> None:
    """Delete body files that no message needs any more: one that stays costs room and harms no mail. Blocks."""
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            log.spool.file_left(error)
