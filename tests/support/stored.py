"""A store of sign-ins on a real SQLite file, and databases that fail at a chosen moment."""

import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar

from relay.config import Store
from relay.database import Connection, Database, StorageError
from relay.database.sqlite import SqliteDatabase
from relay.oauth.store import ConsentStore, SignIn
from relay.seal import Sealer

T = TypeVar("T")
SIGN_IN = SignIn(
    account="office",
    refresh_token="refresh-1",
    client_id="the client",
    token_endpoint="https://login.example.com/token",
    scope="SMTP.Send offline_access",
    user="noreply@contoso.com",
)


class Wrapped(Database):
    """A database whose clock a test sets, and whose writes can fail before or after they are on the disk."""

    def __init__(self, inner: Database) -> None:
        self.inner = inner
        self.now = inner.now
        self.identity = inner.identity
        self.before = 0
        """How many of the next writes fail without having been made."""
        self.after: int | None = None
        """After so many writes the process is gone: the next one is on the disk, and nobody hears of it."""
        self.killed_before: int | None = None
        """The same, but the next one is not on the disk."""

    async def write(self, work: Callable[[Connection], T], *, patience: float = 0.0) -> T:
        if self.before:
            self.before -= 1
            raise StorageError("relay.db: disk I/O error: look at the system log")
        if self.killed_before is not None:
            self.killed_before -= 1
            if self.killed_before < 0:
                raise KilledError
        result = await self.inner.write(work, patience=patience)
        if self.after is not None:
            self.after -= 1
            if self.after < 0:
                raise KilledError
        return result

    async def read(self, work: Callable[[Connection], T], *, quick: bool = False) -> T:
        return await self.inner.read(work, quick=quick)

    async def tidy(self) -> bool:
        return await self.inner.tidy()

    async def prove_writable(self) -> None:
        await self.inner.prove_writable()

    async def prove_readable(self) -> None:
        await self.inner.prove_readable()

    async def close(self) -> None:
        await self.inner.close()


class KilledError(BaseException):
    """The process ends here."""


@contextlib.asynccontextmanager
async def database(folder: Path) -> AsyncIterator[Wrapped]:
    opened = SqliteDatabase(folder / "relay.db")
    try:
        yield Wrapped(opened)
    finally:
        await opened.close()


def store(database: Database, folder: Path) -> ConsentStore:
    return ConsentStore(database, Sealer(Store(), folder / "store.key"))


def forget_tokens(folder: Path) -> None:
    """Take away the access tokens that all sources have in common: the next one asks anew."""
    with contextlib.closing(sqlite3.connect(folder / "relay.db")) as connection:
        connection.execute("DELETE FROM access_token")
        connection.commit()
