"""The durable queue: where listener and delivery meet, and the only place where they do.

The listener puts messages in; delivery claims those that are due, tries them, and writes what became of each recipient.
What `put` has returned from survives `kill -9`; what was claimed by a process that died is due again later.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from relay import log
from relay.database import Connection, Database
from relay.model import Clock, MemoryBody, Results
from relay.spool import history, rows
from relay.spool.history import Overview, Summary
from relay.spool.rows import Claim, DamagedRow, Settled, Submission
from relay.spool.upload import FileBody, Upload, new_id

__all__ = ["Claim", "Overview", "Settled", "Spool", "Submission", "Summary", "Upload"]

LEASE = 120.0
"""Seconds that a claim is good for unless it is renewed."""


class Spool:
    """The queue in `database`, with large bodies as files in `folder`.

    `crash_delay` is how long a message whose attempt was cut off by a crash waits until it is tried again: the first
    step of the retry schedule, so that a message that brings the program down cannot do so in a tight loop.
    """

    def __init__(
        self, database: Database, folder: Path, *, crash_delay: float = 60.0, clock: Clock | None = None
    ) -> None:
        self._database = database
        self._bodies = folder / "bodies"
        self._crash_delay = crash_delay
        self._clock = clock or Clock()
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="spool")
        self._waiters: dict[str, asyncio.Future[Results]] = {}
        self._commits: set[asyncio.Task[None]] = set()
        self.on_arrival: Callable[[str], None] = lambda _account: None
        """Called with the account's name when a message has been committed."""

    async def open(self) -> None:
        """Make the folder, take back what a crash left half done. Only the serving process calls it.

        Raises StorageError or OSError when the state folder cannot be used.
        """
        self._bodies.mkdir(mode=0o700, exist_ok=True)
        await self._database.write(rows.recover)
        names = await asyncio.to_thread(lambda: [path.name for path in self._bodies.iterdir()])
        adopted = await self._database.read(lambda connection: history.adopted(connection, names))
        await self._unlink([name for name in names if name not in adopted])

    async def close(self) -> None:
        """Wait for the commits that are under way. The database is its owner's to close."""
        if self._commits:
            await asyncio.wait(self._commits)
        self._pool.shutdown()

    # --- the listener's side

    def upload(self) -> Upload:
        """Begin to receive a body; its `id` is the message's."""
        return Upload(new_id(self._clock.time()), self._bodies, self._pool)

    async def put(self, upload: Upload, submission: Submission) -> None:
        """Commit a message. Once called, it goes through even when the caller is cancelled.

        Raises StorageError or OSError: then nothing was kept and the client must hear a 4xx.
        """
        task = asyncio.create_task(self._put(upload, submission), name=f"put {upload.id}")
        self._commits.add(task)
        task.add_done_callback(self._commits.discard)
        await asyncio.shield(task)

    async def _put(self, upload: Upload, submission: Submission) -> None:
        try:
            await upload.seal()
            body: MemoryBody | FileBody = (
                FileBody(upload.path, upload.size, upload.dots)
                if upload.in_file
                else MemoryBody(upload.data, upload.dots)
            )
            await self._database.write(lambda connection: rows.insert(connection, upload.id, submission, body))
        except BaseException:
            await upload.discard()
            raise
        log.message_queued(
            upload.id,
            sender=submission.envelope.sender,
            recipients=submission.envelope.recipients,
            size=len(submission.headers) + 2 + upload.size,
            client=submission.origin.client,
            peer=submission.origin.peer,
            account=submission.account,
        )
        self.on_arrival(submission.account)

    def watch(self, message_id: str) -> Awaitable[Results]:
        """A future for the results of the message's first attempt; ask before `put`, and `unwatch` in the end."""
        return self._waiters.setdefault(message_id, asyncio.get_running_loop().create_future())

    def unwatch(self, message_id: str) -> None:
        self._waiters.pop(message_id, None)

    async def mark_reported(self, message_id: str) -> None:
        """Note that the client itself is being told of the failure: nobody else needs to be."""
        await self._database.write(
            lambda connection: connection.execute("UPDATE message SET reported = 1 WHERE id = ?", (message_id,))
        )

    # --- delivery's side

    async def claim(self, accounts: Sequence[str], limit: int) -> list[Claim]:
        """Lease up to `limit` messages that are due. The attempt is on disk before it is made."""
        now = self._clock.time()

        def work(connection: Connection) -> list[tuple[Any, tuple[str, ...]]]:
            claimed = rows.claim(connection, accounts, limit, now, now + self._crash_delay, now + LEASE)
            return [(row, rows.pending(connection, row[0])) for row in claimed]

        good: list[Claim] = []
        for row, recipients in await self._database.write(work):
            try:
                good.append(rows.to_claim(row, recipients, self._bodies))
            except DamagedRow as damage:
                await self._set_aside(row[0], row[1], str(damage))
        return good

    async def _set_aside(self, seq: int, message_id: str, reason: str) -> None:
        log.message_damaged(message_id, reason)
        now = self._clock.time()
        await self._database.write(lambda connection: rows.set_aside(connection, seq, reason, now))

    async def finish(self, claim: Claim, settled: Settled) -> str | None:
        """Write what became of an attempt; return the message's state, None when another process had taken it over."""
        state = await self._database.write(lambda connection: rows.finish(connection, claim, settled))
        if state == "sent" and isinstance(claim.message.body, FileBody):
            await self._unlink([claim.message.id])
        waiter = self._waiters.get(claim.message.id)
        if waiter is not None and not waiter.done():
            waiter.set_result(settled.results)
        return state

    async def release(self, claims: Sequence[Claim]) -> None:
        """Give leases back: the attempts were cut off by a stop, and the messages are due at once."""
        now = self._clock.time()
        await self._database.write(
            lambda connection: connection.executemany(
                "UPDATE message SET state = 'queued', next_at = ? WHERE seq = ? AND fence = ? AND state = 'active'",
                [(now, claim.seq, claim.fence) for claim in claims],
            )
        )

    async def renew(self, claims: Sequence[Claim]) -> None:
        """Keep the leases of attempts that are still running."""
        until = self._clock.time() + LEASE
        await self._database.write(
            lambda connection: connection.executemany(
                "UPDATE message SET lease_until = ? WHERE seq = ? AND fence = ?",
                [(until, claim.seq, claim.fence) for claim in claims],
            )
        )

    async def next_due(self, accounts: Sequence[str]) -> float | None:
        """When the next message of `accounts` is due (seconds since the epoch), or None."""
        return await self._database.read(lambda connection: history.next_due(connection, accounts))

    async def expire(self) -> int:
        """Fail what has waited longer than its `max_age`; how many that were."""
        now = self._clock.time()
        expired = await self._database.write(lambda connection: rows.expire(connection, now))
        for message_id, account, reason in expired:
            log.message_expired(message_id, account, reason)
        return len(expired)

    async def hold_unknown(self, accounts: Sequence[str]) -> int:
        """Hold the mail of accounts that the configuration no longer has, and let go what has its account again."""
        return await self._database.write(lambda connection: history.hold_unknown(connection, accounts))

    async def prune(self, keep_sent: float, keep_failed: float) -> None:
        """Forget the history of messages that were done longer ago than these seconds."""
        now = self._clock.time()
        gone = await self._database.write(
            lambda connection: history.prune(connection, now - keep_sent, now - keep_failed)
        )
        await self._unlink(gone)

    # --- for people

    async def overview(self) -> Overview:
        """How many messages are in which state, by account."""
        return await self._database.read(history.overview)

    async def recent(self, limit: int = 20) -> list[Summary]:
        """The newest messages, the newest first."""
        return await self._database.read(lambda connection: history.recent(connection, limit))

    async def _unlink(self, names: Sequence[str]) -> None:
        if names:
            paths = [self._bodies / name for name in names]
            await asyncio.get_running_loop().run_in_executor(self._pool, _remove, paths)


def _remove(paths: Sequence[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
