"""SQLite: one file, commits in groups, the fsync off the event loop.

What is asked for together runs as one transaction, on the loop: statements take microseconds, and handing each to a
thread costs more than it does. The commit, which waits for the disk, has a thread where the disk takes its time; what
arrives meanwhile forms the next batch and shares the next fsync. Where it takes less than the way to a thread and back,
the commit stays on the loop, too. A batch begins when the event loop has nothing else to do, or after some
milliseconds: the clients that it is busy with are about to ask for a commit too. So a busy relay makes a fifth of the
commits, and nobody waits for an idle one. Reads have connections of their own and, in WAL mode, never wait for a write;
those that may take longer have a thread, too.
"""

import asyncio
import contextlib
import queue
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from relay.database import Activity, Connection, Database, StorageError, StorageFullError, migrations

T = TypeVar("T")

_LARGEST_BATCH = 500
_BUSY_SECONDS = 30
QUICK = 0.0005
"""Seconds: a commit after one that took less is not worth a thread."""
_CHECKPOINT_PAGES = 2000
"""Some hundred messages. While the log is growing each commit costs half as much again, for the file system's sake."""
_LARGEST_LOG = 64 * 1024 * 1024
"""Octets of the write-ahead log that stay on the disk between two bursts."""
_CHECKPOINT_BUSY = 0.1
"""Seconds that shortening the log may hold up the mail."""
_TIDY_PAGES = 500
"""2 MiB at a time: more would hold up the mail."""
_SPARE_PAGES = 2000
"""Free pages that are kept for the mail to come: giving them back and asking for them again costs more."""


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
        with _told(path):
            self._writer = _connect(path)
            try:
                _prepare(self._writer, path, migrate=migrate)
                self._reader = _connect(path)
                self._glancer = _connect(path)
            except BaseException:
                self._writer.close()
                raise
        self.identity = str(self._writer.execute("PRAGMA application_id").fetchone()[0] or "")
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

    async def prove_writable(self) -> None:
        await self.write(_rewrite_version)

    async def tidy(self) -> bool:
        left = await self.write(_vacuum)
        if left <= _SPARE_PAGES:
            await asyncio.get_running_loop().run_in_executor(self._reads, self._truncate_log)
        return left > _SPARE_PAGES

    def _truncate_log(self) -> None:
        """Write what is in the log into the file, and shorten the log if it has grown beyond its measure.

        That needs a moment without a writer, and without a reader of old pages: a backup that takes minutes, for
        which a log grows most of all. Nobody can write while it is waited for, so the next time has to do then.
        """
        log = self._path.with_name(f"{self._path.name}-wal")
        with _told(self._path):
            if not log.exists() or log.stat().st_size <= _LARGEST_LOG:
                return
            self._reader.execute(f"PRAGMA busy_timeout = {_CHECKPOINT_BUSY * 1000:.0f}")
            try:
                self._reader.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            finally:
                self._reader.execute(f"PRAGMA busy_timeout = {_BUSY_SECONDS * 1000}")

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
        with _told(self._path):
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
        with _told(self._path):
            self._writer.execute(f"PRAGMA busy_timeout = {_BUSY_SECONDS * 1000}")
            try:
                self._writer.execute("BEGIN IMMEDIATE")
            finally:
                self._writer.execute("PRAGMA busy_timeout = 0")

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
            with _told(self._path):
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
            with _told(self._path):
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
        with _told(self._path):
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


def _rewrite_version(connection: Connection) -> None:
    """A page that is written although it stays what it was: an empty transaction would not touch the disk."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.execute(f"PRAGMA user_version = {version}")


def _vacuum(connection: Connection) -> int:
    """Give some free pages back, unless there are few; how many are left."""
    free: int = connection.execute("PRAGMA freelist_count").fetchone()[0]
    if free <= _SPARE_PAGES:
        return free
    pages = min(_TIDY_PAGES, free - _SPARE_PAGES)
    # The pragma takes a step for each page, and Python's module makes one step of a statement without columns.
    for _ in range(pages):
        connection.execute("PRAGMA incremental_vacuum(1)")
    return free - pages


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")  # 250 means safe: every commit reaches the disk
    return connection


def _prepare(connection: sqlite3.Connection, path: Path, *, migrate: bool) -> None:
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # only heeded before the first table exists
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA journal_size_limit = {_LARGEST_LOG}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    steps = _migrations()
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(steps):
        raise StorageError(
            f"{path} was written by a newer relay (schema {version}, this program knows {len(steps)}): "
            "install that version again, or restore the backup made before it"
        )
    if version < len(steps) and not migrate:
        raise StorageError(
            f"{path} has schema {version} of {len(steps)}: start `relay serve` once to bring it up to date"
        )
    for number, sql in enumerate(steps[version:], version + 1):
        connection.executescript(f"BEGIN IMMEDIATE;\n{sql}\nPRAGMA user_version = {number};\nCOMMIT;")
    if migrate and not connection.execute("PRAGMA application_id").fetchone()[0]:
        connection.execute(f"PRAGMA application_id = {1 + secrets.randbelow(2**31 - 1)}")


def _migrations() -> list[str]:
    files = [file for file in resources.files(migrations).iterdir() if file.name.endswith(".sql")]
    return [file.read_text(encoding="utf-8") for file in sorted(files, key=lambda file: file.name)]


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours: which file, what is wrong, what to do."""
    try:
        yield
    except sqlite3.IntegrityError:
        raise  # our own mistake, not the disk's
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", "")
        if name.startswith("SQLITE_FULL"):
            raise StorageFullError(f"no room left for {path}: free some space on its disk") from error
        raise StorageError(f"{path}: {error}: {_next_step(name)}") from error


def _next_step(name: str) -> str:
    steps = {
        "SQLITE_CANTOPEN": "check that the folder exists and that this user may write there",
        "SQLITE_READONLY": "this user may not write the file or its folder (or the disk is mounted read-only)",
        "SQLITE_NOTADB": "this is no database of the relay: move it away or set queue.database",
        "SQLITE_CORRUPT": "the file is damaged: stop the relay and restore a backup, or `sqlite3 FILE .recover`",
        "SQLITE_IOERR": "the disk reports an error: look at the system log",
        "SQLITE_BUSY": "another program holds the file: close it",
    }
    return next((step for prefix, step in steps.items() if name.startswith(prefix)), "see the relay's log")
