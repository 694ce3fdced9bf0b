"""Where the relay keeps what must survive: one interface, a file for each kind of database.

Work is handed in as a function of a `Connection`; what it does is one transaction, and when the awaited call returns, a
write is on the disk. Nothing above this package knows which database it is, or imports a driver.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class StorageError(Exception):
    """The database refused: the message says which file or server, why, and what to do next."""


class StorageFullError(StorageError):
    """No room left on the device: the work was rolled back and can be tried again when there is room."""


class Activity:
    """Counts what comes in that may lead to a write soon: a commit waits for those who are still talking.

    It does so for `patience` seconds at most.
    """

    __slots__ = ("heard", "patience")

    def __init__(self, patience: float = 0.004) -> None:
        self.heard = 0
        self.patience = patience


class Cursor(Protocol):
    """The part of a DB-API cursor (PEP 249) that we use."""

    @property
    def rowcount(self) -> int: ...
    @property
    def lastrowid(self) -> int | None: ...
    def fetchone(self) -> Any: ...
    def fetchall(self) -> list[Any]: ...


class Connection(Protocol):
    """What a piece of work may do inside its transaction; `?` marks a parameter."""

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> Cursor: ...
    def executemany(self, sql: str, parameters: Sequence[Sequence[Any]], /) -> Cursor: ...


def marks(values: Sequence[Any]) -> str:
    """The marks of that many parameters, for `IN (...)`."""
    return ", ".join("?" * len(values))


class Database(Protocol):
    """A database that is open."""

    now: str
    """The database's own clock in seconds since the epoch, as SQL: the one that all who share it go by."""
    identity: str
    """What tells it from every other database, also under another name and as a copy; "" while it has none."""

    def write(self, work: Callable[[Connection], T], *, patience: float = 0.0) -> Awaitable[T]:
        """Run `work` in a transaction; what is returned ends once it is durable, with the result of `work`.

        It raises StorageError, or what `work` raised. The work is done even when nobody waits for it any more. With
        `patience` (seconds) it may wait that long for others to share its commit with.

        Work must be safe to run twice: a batch in which one piece failed is rolled back and run again piece by piece.
        """
        ...

    async def read(self, work: Callable[[Connection], T], *, quick: bool = False) -> T:
        """Run `work` on a consistent snapshot, beside the writes.

        `quick` says that an index answers it in microseconds: then it is not worth a thread.
        """
        ...

    async def prove_writable(self) -> None:
        """Write something that changes nothing, durably. Raises StorageError while that is not possible."""
        ...

    async def prove_readable(self) -> None:
        """Raises StorageError when the next start would not find this database, or could not read it."""
        ...

    async def tidy(self) -> bool:
        """Give back to the disk some of what deleted rows have left; whether there is more. Other work goes between."""
        ...

    async def close(self) -> None: ...
