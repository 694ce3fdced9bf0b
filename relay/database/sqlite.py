"""SQLite: one file, commits in groups, the fsync off the event loop.

What is asked for together runs as one transaction, on the loop: statements take microseconds, and handing each to a
thread costs more than it does. The commit, which waits for the disk, has a thread where the disk takes its time; what
arrives meanwhile forms the next batch and shares the next fsync. Where it takes less than the way to a thread and back,
the commit stays on the loop, too. A batch begins when the event loop has nothing else to do, or after some
milliseconds: the clients that it is busy with are about to ask for a commit too. So a busy relay makes a fifth of the
commits, and nobody waits for an idle one. Reads have connections of their own and, in WAL mode, never wait for a write;
those that may take longer have a thread, too.

Here is the way of the work; `opening` makes the connections and the schema, `tidying` keeps the files small.
"""

import asyncio
import contextlib
import math
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from relay.database import Activity, Connection, Database, StorageError
from relay.database.opened_file import OpenedFile
from relay.database.opening import BUSY_SECONDS, connect, prepare
from relay.database.sqlite_errors import told
from relay.database.tidying import SPARE_PAGES, rewrite_version, shorten_log, vacuum

T = TypeVar("T")

_LARGEST_BATCH = 500
_BUSY_STEP = 0.25
"""Seconds between two looks whether to wait any longer for another process that holds the file."""
QUICK = 0.0005
"""Seconds: a commit after one that took less is not worth a thread."""


class _Job:
    """A piece of work and who waits for it."""

    __slots__ = ("error", "future", "result", "work")

    def __init__(self, work: Callable[[Connection], Any], future: asyncio.Future[Any]) -> None:
        self.work = work
        self.future = future
        self.result: Any = None
        self.error: BaseException | None = None

    def settle(self) -> None:
        if self.future.done():
            return  # nobody waits any more
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class SqliteDatabase(Database):
    """A database in the file `path`, for one event loop.

    `migrate` brings the schema up to date; without it (the commands, beside a running relay) a schema of another
    version is an error. Raises StorageError when the file cannot be opened or is no database. `activity` tells whether
    anybody is talking who may soon write, too; `quick` is how many seconds a commit may hold up the event loop.
    """

    now = "((julianday('now') - 2440587.5) * 86400.0)"

    def __init__(
        self, path: Path, activity: Activity | None = None, *, migrate: bool = True, quick: float = QUICK
    ) -> None:
        self._path = path
        self._activity = activity or Activity()
        self._quick = quick
        self._disk_is_quick = False
        self._heard = 0
        self._gathering_since = 0.0
        if not migrate and not path.exists():
            raise StorageError(
                f"there is no database {path}: start `relay serve` once, or name the configuration that it runs with "
                "(--config, or state_folder and queue.database in it)"
            )
        with told(path), contextlib.ExitStack() as opened:
            self._writer = opened.enter_context(contextlib.closing(connect(path)))
            prepare(self._writer, path, migrate=migrate)
            self._reader = opened.enter_context(contextlib.closing(connect(path)))
            self._glancer = opened.enter_context(contextlib.closing(connect(path)))
            self._file = OpenedFile(path)
            self.identity = str(self._writer.execute("PRAGMA application_id").fetchone()[0] or "")
            opened.pop_all()
        # Another process that holds the file must not stop the event loop: then the thread waits for it.
        self._writer.execute("PRAGMA busy_timeout = 0")
        self._reads = ThreadPoolExecutor(1, thread_name_prefix="database-read")
        self._waiting: list[_Job] = []
        self._busy = False
        self._urgent = False
        """Somebody who waits has no patience: the end of a batch is the beginning of the next."""
        self._patience: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._orders: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._give_up_at = math.inf
        """By the monotonic clock: from then on nobody waits for another process."""
        self._thread = threading.Thread(target=self._obey, name="database-commit", daemon=True)
        self._thread.start()

    def write(self, work: Callable[[Connection], T], *, patience: float = 0.0) -> asyncio.Future[T]:
        self._loop = asyncio.get_running_loop()
        job = _Job(work, self._loop.create_future())
        self._waiting.append(job)
        if patience <= 0:
            self._wake()
        elif self._patience is None:
            self._patience = self._loop.call_later(patience, self._lose_patience)
        return job.future

    def _wake(self) -> None:
        """See that what waits is begun, after the batch that is under way."""
        self._urgent = bool(self._waiting)
        if self._urgent and not self._busy and self._loop is not None:
            self._busy = True
            self._gather()

    def _lose_patience(self) -> None:
        self._patience = None
        self._wake()

    async def read(self, work: Callable[[Connection], T], *, quick: bool = False) -> T:
        if quick:
            return self._read(self._glancer, work)
        return await asyncio.get_running_loop().run_in_executor(self._reads, self._read, self._reader, work)

    def hurry(self, seconds: float = 0.0) -> None:
        """Wait for another process that holds the file for `seconds` more, however much is to be written: an end is to
        be made.
        """
        self._give_up_at = min(self._give_up_at, time.monotonic() + seconds)

    async def prove_writable(self) -> None:
        await self.write(rewrite_version)

    async def prove_readable(self) -> None:
        await asyncio.to_thread(self._file.prove)

    async def tidy(self) -> bool:
        left = await self.write(vacuum)
        if left <= SPARE_PAGES:
            await asyncio.get_running_loop().run_in_executor(self._reads, shorten_log, self._reader, self._path)
        return left > SPARE_PAGES

    async def close(self) -> None:
        """Finish the writes that were asked for, then close both connections."""
        while self._busy or self._waiting:
            with contextlib.suppress(StorageError):  # who waits for what was asked for has heard of it
                await self.write(lambda _connection: None)
        if self._patience is not None:
            self._patience.cancel()
        self._orders.put(None)
        await asyncio.to_thread(self._thread.join)
        self._writer.close()
        self._reads.shutdown()
        self._reader.close()
        self._glancer.close()

    def _read(self, connection: sqlite3.Connection, work: Callable[[Connection], T]) -> T:
        with told(self._path):
            connection.execute("BEGIN")
            try:
                return work(connection)
            finally:
                connection.execute("COMMIT")

    # --- a batch's way: gather, begin, run (loop), commit (thread), settle (loop)

    def _gather(self) -> None:
        """Let the loop look once what has come in before the batch begins."""
        self._gathering_since = time.monotonic()
        if self._loop is not None:
            self._loop.call_soon(self._look_around)

    def _look_around(self) -> None:
        self._heard = self._activity.heard
        if self._loop is not None:
            self._loop.call_soon(self._begin_if_quiet)

    def _begin_if_quiet(self) -> None:
        """Begin, unless somebody has been heard in the turn of the loop since the last look."""
        waited = time.monotonic() - self._gathering_since
        if self._activity.heard != self._heard and waited < self._activity.patience:
            self._look_around()
        else:
            self._begin()

    def _begin(self) -> None:
        try:
            self._writer.execute("BEGIN IMMEDIATE")
        except sqlite3.Error:  # mostly another process that is writing; a damaged file is told of there, too
            self._in_thread(self._wait_and_begin, self._run)
        else:
            self._run(None)

    def _wait_and_begin(self) -> None:
        until = time.monotonic() + BUSY_SECONDS
        with told(self._path):
            self._writer.execute(f"PRAGMA busy_timeout = {int(_BUSY_STEP * 1000)}")
            try:
                while not self._begun(last=time.monotonic() >= min(until, self._give_up_at)):
                    pass  # SQLite has waited
            finally:
                self._writer.execute("PRAGMA busy_timeout = 0")

    def _begun(self, *, last: bool) -> bool:
        """Begin a transaction; False while another process holds the file, unless this is the `last` try."""
        try:
            self._writer.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if last or error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            return False
        return True

    def _run(self, obstacle: BaseException | None) -> None:
        batch, self._waiting = self._waiting[:_LARGEST_BATCH], self._waiting[_LARGEST_BATCH:]
        self._urgent = bool(self._waiting)
        if obstacle is not None or not (self._all_worked(batch) or self._each_worked(batch)):
            self._settle(batch, obstacle)
            return
        if self._disk_is_quick:
            self._settle(batch, _attempted(self._commit))
        else:
            self._in_thread(self._commit, lambda error: self._settle(batch, error))

    def _all_worked(self, batch: list[_Job]) -> bool:
        """Run all jobs; when one fails, nothing is left of any."""
        try:
            for job in batch:
                job.result = job.work(self._writer)
        except BaseException:  # noqa: BLE001 (who failed is found out, and told, one by one)
            self._roll_back()
            return False
        return True

    def _each_worked(self, batch: list[_Job]) -> bool:
        """Run each job so that its failure is its own; False when the transaction itself has failed."""
        try:
            with told(self._path):
                self._writer.execute("BEGIN IMMEDIATE")
                for job in batch:
                    self._try(job)
        except StorageError as error:
            self._roll_back()
            for job in batch:
                job.error = job.error or error
            return False
        return True

    def _try(self, job: _Job) -> None:
        self._writer.execute("SAVEPOINT job")
        try:
            with told(self._path):
                job.result = job.work(self._writer)
        except BaseException as error:
            job.error = error
            if not self._writer.in_transaction and isinstance(error, StorageError):
                raise  # a full disk has rolled back everybody's work
            self._writer.execute("ROLLBACK TO job")
        self._writer.execute("RELEASE job")

    def _in_thread(self, work: Callable[[], None], then: Callable[[BaseException | None], None]) -> None:
        """Have the thread do `work`, then call `then` on the loop with what it raised."""
        loop = self._loop

        def order() -> None:
            error = _attempted(work)
            with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits any more
                if loop is not None:
                    loop.call_soon_threadsafe(then, error)

        self._orders.put(order)

    def _obey(self) -> None:
        while (order := self._orders.get()) is not None:
            order()

    def _commit(self) -> None:
        since = time.perf_counter()
        with told(self._path):
            try:
                self._writer.execute("COMMIT")
            except sqlite3.Error:
                self._roll_back()
                raise
        self._disk_is_quick = time.perf_counter() - since < self._quick

    def _roll_back(self) -> None:
        # A full disk may have rolled back already: then there is no transaction to end.
        if self._writer.in_transaction:
            self._writer.execute("ROLLBACK")

    def _settle(self, batch: list[_Job], error: BaseException | None) -> None:
        for job in batch:
            job.error = job.error or error
            job.settle()
        if self._urgent:
            self._gather()
        else:
            self._busy = False


def _attempted(work: Callable[[], None]) -> BaseException | None:
    """Do `work`; what it raised, for whoever waits for it."""
    try:
        work()
    except BaseException as error:  # noqa: BLE001 (nothing is swallowed: it is raised where the work was asked for)
        return error
    return None
