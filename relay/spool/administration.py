"""The queue for the people who look after it: what the `relay queue` commands and the page's administration call.

Everything here works beside the process that serves: on the same database, in transactions that are short, and without
ever changing the schema.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from pathlib import Path

from relay.database import Connection, Database, StorageError
from relay.database.lock import LockFile
from relay.database.sqlite import SqliteDatabase
from relay.model import Clock, Message
from relay.spool import rows
from relay.spool.ages import Ages, ages
from relay.spool.changes import Change, Changed
from relay.spool.details import Details, details
from relay.spool.history import Overview, Summary, overview, summaries
from relay.spool.selection import Selection, condition, find
from relay.spool.stuck import Stuck, stuck
from relay.spool.trouble import LastTrouble, last_trouble
from relay.spool.upload import remove

_AGES_LAST = 20.0
"""Times what it took to count them: every waiting message is looked at."""
_BATCH = 500
"""Messages that are changed in one transaction: more would keep the mail waiting."""


class Administration:
    """The queue in `database`, whose large bodies are in `folder`/bodies."""

    def __init__(self, database: Database, folder: Path, clock: Clock | None = None) -> None:
        self._database = database
        self._bodies = folder / "bodies"
        self._clock = clock or Clock()
        self._aged: tuple[float, list[Ages]] = (float("-inf"), [])

    async def listing(self, selection: Selection, limit: int, start: int = 0) -> tuple[list[Summary], int]:
        """The newest `limit` messages behind the first `start`, the newest first, and how many there are in all."""

        def work(connection: Connection) -> tuple[list[Summary], int]:
            where, values = condition(selection)
            return summaries(connection, where, values, limit, start) if limit else [], _count(connection, selection)

        return await self._database.read(work)

    async def newest(self, selection: Selection, limit: int, start: int = 0) -> list[Summary]:
        """The newest `limit` messages behind the first `start`, the newest first."""
        where, values = condition(selection)
        return await self._database.read(lambda connection: summaries(connection, where, values, limit, start))

    async def overview(self) -> Overview:
        """How many messages each account has in each state."""
        return await self._database.read(overview)

    async def last_trouble(self, account: str) -> LastTrouble | None:
        """What the newest attempt of an account that went wrong came to; None when none is kept."""
        return await self._database.read(lambda connection: last_trouble(connection, account))

    async def stuck(self) -> list[Stuck]:
        """The mailboxes whose mail waits because they are in trouble."""
        return await self._database.read(stuck)

    async def ages(self) -> list[Ages]:
        """How old the waiting mail of each account is, or of each mailbox in it.

        What took long to count is told again for a while.
        """
        began = self._clock.monotonic()
        if began >= self._aged[0]:
            now = self._clock.time()
            found = await self._database.read(lambda connection: ages(connection, now))
            ended = self._clock.monotonic()
            self._aged = ended + (ended - began) * _AGES_LAST, found
        return self._aged[1]

    async def take_back(self, lock: LockFile) -> None:
        """Where no relay runs, make waiting again what one was sending when it was killed, or when this copy was made.

        A start does the same; `lock` keeps the two apart. Raises StorageError or OSError.
        """
        if not await self._database.read(_any_active):
            return
        try:
            lock.acquire()
        except StorageError:
            return  # a relay is at work: it is sending them
        try:
            await self._database.write(rows.recover)
        finally:
            lock.release()

    async def find(self, selection: Selection) -> list[tuple[int, str]]:
        """The messages that are meant, the oldest first: [(seq, id)]."""
        return await self._database.read(lambda connection: find(connection, selection))

    async def details(self, seq: int) -> Details | None:
        """Everything about one message; None when it is gone."""
        return await self._database.read(lambda connection: details(connection, seq))

    async def content(self, seq: int) -> Message:
        """A message with its content. Raises DamagedRow when that is damaged, or no longer kept."""
        return await self._database.read(lambda connection: rows.content(connection, seq, self._bodies))

    async def change(
        self, change: Change, seqs: Sequence[int], progress: Callable[[int], None] | None = None
    ) -> Changed:
        """Do `change` to the messages, some hundred at a time; `progress` hears how many each time.

        Raises StorageError. What was done before it stays done.
        """
        done: list[str] = []
        left: dict[str, str] = {}
        for start in range(0, len(seqs), _BATCH):
            part = seqs[start : start + _BATCH]
            now = self._clock.time()
            changed = await self._database.write(partial(change, seqs=part, now=now))
            await asyncio.to_thread(remove, [self._bodies / name for name in changed.files])
            done += changed.done
            left |= changed.left
            if progress is not None:
                progress(len(part))
        return Changed(tuple(done), left)


def _any_active(connection: Connection) -> bool:
    return connection.execute("SELECT 1 FROM message WHERE state = 'active' LIMIT 1").fetchone() is not None


def _count(connection: Connection, selection: Selection) -> int:
    if selection.everything:
        count: int = connection.execute("SELECT count(*) FROM message").fetchone()[0]
        return count
    if selection.by_state:
        return overview(connection).total(*selection.states, account=selection.account, tried=selection.tried)
    where, values = condition(selection)
    found: int = connection.execute(f"SELECT count(*) FROM message WHERE {where}", values).fetchone()[0]  # noqa: S608
    return found


@contextlib.asynccontextmanager
async def opened(file: Path) -> AsyncIterator[Administration]:
    """The queue in the SQLite database `file`, beside the process that serves it.

    Raises StorageError when there is none, when it is damaged or when it has another version's schema.
    """
    database = SqliteDatabase(file, migrate=False)
    try:
        yield Administration(database, file.parent)
    finally:
        await database.close()
