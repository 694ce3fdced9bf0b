"""SQLite: one file, one writer thread, commits in groups.

All writes go through one thread. While it commits (one fsync), what arrives forms the next batch and shares the next
fsync; nothing waits on purpose. Reads have a thread and a connection of their own and, in WAL mode, never wait for a
write.
"""

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from relay.database import Connection, Database, StorageError, StorageFullError, migrations

T = TypeVar("T")

_LARGEST_BATCH = 500
_BUSY_SECONDS = 30
_CHECKPOINT_PAGES = 8000


class _Job:
    """A piece of work and who waits for it."""

    __slots__ = ("error", "future", "loop", "result", "work")

    def __init__(self, work: Callable[[Connection], Any]) -> None:
        self.work = work
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()
        self.result: Any = None
        self.error: BaseException | None = None

    def settle(self) -> None:
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class SqliteDatabase(Database):
    """A database in the file `path`.

    `migrate` brings the schema up to date; without it (the commands, beside a running relay) a schema of another
    version is an error. Raises StorageError when the file cannot be opened or is no database.
    """

    def __init__(self, path: Path, *, migrate: bool = True) -> None:
        self._path = path
        with _told(path):
            writer = _connect(path)
            try:
                _prepare(writer, path, migrate=migrate)
                reader = _connect(path)
            except BaseException:
                writer.close()
                raise
        self._reader = reader
        self._reads = ThreadPoolExecutor(1, thread_name_prefix="database-read")
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, args=(writer,), name="database-write", daemon=True)
        self._thread.start()

    async def write(self, work: Callable[[Connection], T]) -> T:
        job = _Job(work)
        self._jobs.put(job)
        result: T = await job.future
        return result

    async def read(self, work: Callable[[Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._reads, self._read, work)

    async def close(self) -> None:
        """Finish the writes that were asked for, then close both connections."""
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)
        self._reads.shutdown()
        self._reader.close()

    def _read(self, work: Callable[[Connection], T]) -> T:
        with _told(self._path):
            self._reader.execute("BEGIN")
            try:
                return work(self._reader)
            finally:
                self._reader.execute("COMMIT")

    def _run(self, connection: sqlite3.Connection) -> None:
        while True:
            batch, last = self._next_batch()
            if batch:
                self._commit(connection, batch)
                _settle(batch)
            if last:
                connection.close()
                return

    def _next_batch(self) -> tuple[list[_Job], bool]:
        """Wait for a job, then take what else is there: (jobs, whether this is the end)."""
        batch: list[_Job] = []
        job = self._jobs.get()
        while job is not None:
            batch.append(job)
            if len(batch) == _LARGEST_BATCH:
                return batch, False
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True

    def _commit(self, connection: sqlite3.Connection, batch: Sequence[_Job]) -> None:
        """Commit the batch together; when one job fails, each in a transaction of its own."""
        try:
            with _told(self._path), _transaction(connection):
                for job in batch:
                    job.result = job.work(connection)
        except BaseException as error:  # noqa: BLE001 (it goes to whoever waits for the job)
            if len(batch) == 1:
                batch[0].error = error
                return
            for job in batch:
                self._commit(connection, [job])


def _settle(batch: Sequence[_Job]) -> None:
    """Wake who waits, with one call into each event loop."""
    for loop in {job.loop for job in batch}:
        jobs = [job for job in batch if job.loop is loop]
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits any more
            loop.call_soon_threadsafe(lambda jobs=jobs: [job.settle() for job in jobs])  # type: ignore[misc]


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # A full disk may have rolled back already: then there is no transaction to end.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


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
    connection.execute("PRAGMA journal_size_limit = 67108864")
    # A page that many messages change goes from the log into the file once, not every thousand pages.
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
