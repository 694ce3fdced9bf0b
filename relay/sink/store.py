"""The sink's store: what sink accounts caught, kept within limits, listed and searched, told to who watches.

A message is on the disk before its sender hears 250, and nobody has looked into it then; a thread (`digester`) does
that later, with limits, and a list waits for it for a moment. So no mail, however it is made, can keep itself from
being kept.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from relay.database import Connection, Database
from relay.model import Body, Clock, Message
from relay.sink import bodies, rows
from relay.sink.digester import Digester
from relay.sink.feed import Event, Feed
from relay.sink.query import Query
from relay.sink.rows import Limits, Source
from relay.sink.summary import Summary

T = TypeVar("T")

_WINDOW = 5000
_TEXT_WINDOW = 500
"""Messages that one look of a search takes in, and of one that reads their text; between two looks others may read."""
_SEARCH_TIME = 10.0


class SearchTooLongError(Exception):
    """A search was given up: there is too much to look through."""


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list. `total` and `unread` count all messages, `matching` and `matching_unread` those asked for."""

    total: int
    unread: int
    matching: int
    matching_unread: int
    start: int
    tags: tuple[str, ...]
    messages: tuple[Summary, ...]


@dataclass(slots=True)
class Counters:
    """What happened since the start, for the statistics."""

    accepted: int = 0
    accepted_octets: int = 0
    deleted: int = 0


class SinkStore:
    """The messages of all sink accounts, in `database`, with large bodies as files in `folder`/sink."""

    def __init__(self, database: Database, folder: Path, limits: Limits, clock: Clock | None = None) -> None:
        self._database = database
        self._folder = folder / "sink"
        self._limits = limits
        self._clock = clock or Clock()
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="sink")
        self._count = 0
        self._octets = 0
        self.feed = Feed()
        self._digester = Digester(database, self._folder, self._threads, self.feed, self._clock)
        self.counters = Counters()

    async def open(self) -> None:
        """Make the folder, take up what a crash left. Raises StorageError or OSError."""
        names = await self._in_thread(bodies.make_folder, self._folder)
        known = await self._database.read(lambda connection: rows.with_files(connection, names))
        await self._in_thread(bodies.remove, self._folder, [name for name in names if name not in known])
        await self._recount()
        for identifier in await self._database.read(lambda connection: rows.unparsed(connection, 1_000_000)):
            self._digester.expect(identifier)
        self._digester.start()
        await self.prune()

    async def close(self) -> None:
        """Stop. What nobody has looked into yet is taken up at the next start."""
        self.feed.close()
        await self._digester.stop()
        self._threads.shutdown()

    def use(self, limits: Limits) -> None:
        """Keep as much as these say; what is too much now goes with the next message, or the next look."""
        self._limits = limits

    # --- keeping

    async def keep(self, message: Message) -> None:
        """Keep what a sink account got, durably. Raises StorageError or OSError: then it was not kept."""
        await self.add(
            Source(
                seq=0,
                id=message.id,
                account=message.account,
                envelope=message.envelope,
                origin=message.origin,
                received_at=message.received_at,
                warnings=(),
                released=(),
                front=b"",
                headers=message.headers,
                body=None,
            ),
            message.body,
        )

    async def add(self, new: Source, body: Body) -> None:
        """Keep a message whose `body` is small or a file already, or is written to one."""
        if body.size <= bodies.SMALL:
            new = replace(new, body=await bodies.whole(body))
        elif isinstance(body, bodies.OnDisk):
            await self._in_thread(bodies.adopt, body.path, self._folder / new.id)
        else:
            await self._in_thread(bodies.write, self._folder / new.id, await bodies.whole(body))
        size = len(new.headers) + 2 + body.size
        kept, gone, files = await self._database.write(lambda connection: self._insert(connection, new, size))
        if kept:
            self._count += 1 - gone[0]
            self._octets += size - gone[1]
            self.counters.accepted += 1
            self.counters.accepted_octets += size
            self._digester.expect(new.id)
        await self._forget_files(files)
        if gone[0]:
            self.feed.tell("prune")

    def _insert(self, connection: Connection, new: Source, size: int) -> tuple[bool, tuple[int, int], list[str]]:
        """Write a message, and let the oldest go for it; (whether it was new, how many and how much went, files)."""
        if not rows.insert(connection, new, size):
            return False, (0, 0), []
        surplus, excess = self._count + 1 - self._limits.count, self._octets + size - self._limits.octets
        if surplus <= 0 and excess <= 0:
            return True, (0, 0), []
        old = rows.oldest_beyond(connection, surplus, excess, 0.0)
        lost = sum(summary.size for summary in rows.summaries(connection, old))
        return True, (len(old), lost), rows.delete(connection, old)

    async def prune(self) -> None:
        """Delete what is too old, too many or too much."""
        oldest = self._clock.time() - self._limits.age if self._limits.age is not None else 0.0
        while True:
            await self._recount()
            surplus, excess = self._count - self._limits.count, self._octets - self._limits.octets
            files, count = await self._database.write(
                lambda connection, s=surplus, e=excess: _delete_oldest(connection, s, e, oldest)  # type: ignore[misc]
            )
            await self._forget_files(files)
            if not count:
                return
            self.feed.tell("prune")

    async def _recount(self) -> None:
        (self._count, _), self._octets = await self._database.read(
            lambda connection: (rows.counts(connection), rows.octets(connection))
        )

    async def _forget_files(self, names: Sequence[str]) -> None:
        if names:
            await self._in_thread(bodies.remove, self._folder, names)

    async def _in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    # --- reading

    async def settled(self) -> None:
        """Wait until what has come so far has been looked into, at most some seconds."""
        await self._digester.settled()

    async def page(self, start: int = 0, limit: int = 50, before: float | None = None) -> Page:
        """A part of all messages, newest first; `limit` 0 is all. `before`: only those that came earlier."""
        await self.settled()

        def work(connection: Connection) -> Page:
            total, unread = rows.counts(connection)
            matching = (total, unread) if before is None else rows.counts_before(connection, before)
            found = rows.summaries(connection, rows.newest(connection, start, limit or -1, before))
            return Page(total, unread, *matching, start, tuple(rows.tags_in_use(connection)), tuple(found))

        return await self._database.read(work)

    async def search(self, query: Query, start: int = 0, limit: int = 50) -> Page:
        """A part of the messages that match, newest first. Raises SearchTooLongError."""
        await self.settled()
        matching = await self.matching(query)

        def work(connection: Connection) -> Page:
            found = rows.summaries(connection, [seq for _, seq, _ in matching[start : start + limit]])
            return Page(
                *rows.counts(connection),
                len(matching),
                sum(not is_read for _, _, is_read in matching),
                start,
                tuple(rows.tags_in_use(connection)),
                tuple(found),
            )

        return await self._database.read(work)

    async def matching(self, query: Query) -> list[tuple[float, int, int]]:
        """All that match, newest first: (received_at, seq, is_read). Raises SearchTooLongError."""
        found: list[tuple[float, int, int]] = []
        above, size = 0, _TEXT_WINDOW if query.reads_text else _WINDOW
        deadline = self._clock.monotonic() + _SEARCH_TIME
        while True:
            part, above = await self._database.read(
                lambda connection, after=above: rows.window(connection, query, after, size)  # type: ignore[misc]
            )
            found += part
            if not above:
                return sorted(found, reverse=True)
            if self._clock.monotonic() > deadline:
                raise SearchTooLongError("the search took too long: name a field, such as subject: or to:")

    async def wait(self, query: Query, count: int, patience: float) -> None:
        """Return when at least `count` messages match, or after `patience` seconds."""
        with self.feed.watching() as watcher:
            deadline = self._clock.monotonic() + patience
            while True:
                await self.settled()
                if watcher.ended:
                    return  # it is being closed, and the database with it
                left = deadline - self._clock.monotonic()
                if len(await self.matching(query)) >= count or left <= 0:
                    return
                event = await watcher.next(left)
                while event is not None and not await self._matches(query, event):
                    event = await watcher.next(max(0.0, deadline - self._clock.monotonic()))

    async def _matches(self, query: Query, event: Event) -> bool:
        """Whether a new message has come that is wanted."""
        if event.kind != "new":
            return False

        def work(connection: Connection) -> bool:
            return any(
                rows.window(connection, query, seq - 1, 1)[0] for seq in rows.seq_of(connection, [event.data.id])
            )

        return await self._database.read(work)

    async def latest(self, query: Query | None = None) -> str | None:
        """The id of the newest message, of those that match if there is a query."""
        page = await self.page(0, 1) if query is None else await self.search(query, 0, 1)
        return page.messages[0].id if page.messages else None

    async def summary(self, identifier: str) -> Summary | None:
        """One message as a list shows it."""
        await self.settled()

        def work(connection: Connection) -> list[Summary]:
            return rows.summaries(connection, rows.seq_of(connection, [identifier]))

        return next(iter(await self._database.read(work)), None)

    async def source(self, identifier: str) -> Source | None:
        """A message with all that is stored of it, but a body that is in a file."""
        return await self._database.read(lambda connection: rows.source(connection, identifier))

    async def octets(self, source: Source) -> bytes:
        """The whole source as it is shown: what a mailbox would have in front, header block, body."""
        body = await self._in_thread(bodies.of, source, self._folder)
        return b"".join((source.front, source.headers, b"\r\n", body))

    async def tags(self) -> dict[str, int]:
        """Each tag and how many messages have it."""
        await self.settled()
        return await self._database.read(rows.tags_in_use)

    async def counts(self) -> tuple[int, int]:
        """How many messages there are, and how many are unread."""
        return await self._database.read(rows.counts)

    async def work(self, what: Callable[[Connection], T]) -> T:
        """Write something else (relay.sink.changes)."""
        return await self._database.write(what)

    async def read(self, what: Callable[[Connection], T]) -> T:
        """Read something else."""
        return await self._database.read(what)

    async def deleted(self, count: int, files: Sequence[str]) -> None:
        """Messages were deleted from the tables: count them, forget their files."""
        self.counters.deleted += count
        await self._forget_files(files)
        await self._recount()

    async def thread(self, work: Callable[..., T], *arguments: Any) -> T:
        """Do what takes long (reading mail) beside the event loop, not more of it than there are threads."""
        return await self._in_thread(work, *arguments)


def _delete_oldest(connection: Connection, surplus: int, excess: int, older_than: float) -> tuple[list[str], int]:
    old = rows.oldest_beyond(connection, surplus, excess, older_than)
    return rows.delete(connection, old), len(old)
