"""Where exported messages go: the output, a folder of files, a mailbox file, a Maildir.

Files are made for their owner only and are synced before a command says that they are there.
"""

import json
import os
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol, Self

from relay.cli.queue.show import all_facts
from relay.model import Message
from relay.spool.details import Details
from relay.spool.export import eml, mbox


class Copies(Protocol):
    """Takes messages one after the other."""

    async def add(self, message: Message, details: Details | None) -> None:
        """Write one message, whole or not at all. Raises OSError."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class _Copies:
    """What needs no opening and closing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is open."""


class _Output(_Copies):
    """One message, to a stream that is open."""

    def __init__(self, output: BinaryIO, parts: Callable[[Message], AsyncIterator[bytes]]) -> None:
        self._output = output
        self._parts = parts

    async def add(self, message: Message, _details: Details | None) -> None:
        async for part in self._parts(message):
            self._output.write(part)
        self._output.flush()


class _Folder(_Copies):
    """`ID.eml` with the message, `ID.json` with its envelope and history, which the message itself does not tell."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def add(self, message: Message, details: Details | None) -> None:
        await _write(self._folder / f"{message.id}.eml", eml(message))
        told = json.dumps(all_facts(details) if details else {}, indent=2)
        await _write(self._folder / f"{message.id}.json", _once(told.encode()))


class _Mailbox:
    """A mailbox file (mboxrd): what is in it already stays in front."""

    def __init__(self, file: Path) -> None:
        self._path = file

    def __enter__(self) -> Self:
        self._file = os.fdopen(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb")
        return self

    async def add(self, message: Message, _details: Details | None) -> None:
        before = self._file.seek(0, os.SEEK_END)
        try:
            async for part in mbox(message):
                self._file.write(part)
        except BaseException:
            self._file.truncate(before)
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._file:
            self._file.flush()
            os.fsync(self._file.fileno())


class _Maildir(_Copies):
    """A Maildir: each message is whole in `new` or not there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in ("cur", "new", "tmp"):
            (folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        # The rules of maildir(5) for a name that is unique: time, a part of the writer's own, host.
        self._host = socket.gethostname().replace("/", "\\057").replace(":", "\\072")

    async def add(self, message: Message, _details: Details | None) -> None:
        name = f"{int(message.received_at)}.{message.id}.{self._host}"
        await _write(self._folder / "tmp" / name, eml(message))
        (self._folder / "tmp" / name).replace(self._folder / "new" / name)


FORMS: dict[str, Callable[[Path], Copies]] = {"eml": _Folder, "mbox": _Mailbox, "maildir": _Maildir}


def to_output(output: BinaryIO, form: str) -> Copies:
    """One message to an open stream, as a part of a mailbox file or as it is."""
    return _Output(output, mbox if form == "mbox" else eml)


async def _write(path: Path, parts: AsyncIterator[bytes]) -> None:
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            async for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        _forget(path)
        raise


def _forget(path: Path) -> None:
    """Leave no half of a message behind."""
    path.unlink(missing_ok=True)


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
