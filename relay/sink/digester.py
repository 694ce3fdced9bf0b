"""Looks into caught mail once it is kept: a thread reads it, and what it shows is written beside it for the lists."""

import asyncio
import contextlib
import itertools
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path

from relay import log
from relay.database import Connection, Database, StorageError
from relay.model import Clock
from relay.sink import bodies, rows
from relay.sink.feed import Feed
from relay.sink.rows import Source
from relay.sink.summary import Digest, Summary, digest

_CATCH_UP = 2.0
"""Seconds that a list waits for messages that are still being looked into; less than a stop waits for answers."""
_RESULTS_WAIT = 0.005
_TOGETHER = 50
"""Messages that are looked into at a time; only the small bodies of them are in memory together."""
_UNREADABLE = "it could not be looked into; its source is as it came"


class Digester:
    """Reads the messages in `database`, with large bodies in `folder`, and tells `feed` of each."""

    def __init__(self, database: Database, folder: Path, threads: Executor, feed: Feed, clock: Clock) -> None:
        self._database = database
        self._folder = folder
        self._threads = threads
        self._feed = feed
        self._clock = clock
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._new = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="sink digester")

    async def stop(self) -> None:
        """What nobody has looked into yet is taken up at the next start."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def expect(self, identifier: str) -> None:
        """A message was kept that has to be looked into."""
        self._waiting.setdefault(identifier, asyncio.get_running_loop().create_future())
        self._new.set()

    async def settled(self) -> None:
        """Wait until what has come so far has been looked into, at most some seconds."""
        if self._waiting:
            await asyncio.wait(list(self._waiting.values()), timeout=_CATCH_UP)

    async def _run(self) -> None:
        while True:
            self._new.clear()
            while self._waiting:
                batch = list(itertools.islice(self._waiting, _TOGETHER))
                try:
                    await self._look_into(batch)
                except StorageError as error:
                    log.delivery.storage_trouble(str(error))
                    await self._clock.sleep(1.0)
                else:
                    for identifier in batch:
                        self._done(identifier)
            await self._new.wait()

    def _done(self, identifier: str) -> None:
        future = self._waiting.pop(identifier, None)
        if future is not None and not future.done():
            future.set_result(None)

    async def _look_into(self, batch: Sequence[str]) -> None:
        """Read, digest and write some messages, each step for all of them: a burst of mail is listed soon."""
        sources = await self._database.read(
            lambda connection: [found for each in batch if (found := rows.source(connection, each)) is not None]
        )
        digests = await asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: [self._digest(source) for source in sources]
        )

        def work(connection: Connection) -> list[Summary]:
            for source, found in zip(sources, digests, strict=True):
                rows.save_digest(connection, source.seq, found)
            return rows.summaries(connection, [source.seq for source in sources])

        for summary in await self._database.write(work, patience=_RESULTS_WAIT):
            self._feed.tell("new", summary)

    def _digest(self, source: Source) -> Digest:
        try:
            return digest(source.headers, bodies.of(source, self._folder), source.envelope, source.id)
        except Exception as error:  # noqa: BLE001 (mail that brings our reading down is listed all the same)
            log.internal_error(f"{source.id}: the message could not be looked into", error)
            found = digest(b"", b"", source.envelope, source.id)
            return replace(found, size=len(source.headers), warnings=[_UNREADABLE])
