"""The durable queue: where listener and delivery meet, and the only place where they do.

The listener puts messages in; delivery claims those that are due, tries them, and writes what became of each recipient.
What `put` has returned from survives `kill -9`; what was claimed by a process that died is due again later.
"""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from relay import log, metrics
from relay.database import Connection, Database
from relay.model import Clock, MemoryBody, Results
from relay.spool import belonging, capacity, debts, diversion, dsn, due, endings, history, parts, queues, rows
from relay.spool.capacity import Limits
from relay.spool.courier import Courier, Nobody
from relay.spool.diversion import Moved, Revise
from relay.spool.due import Room
from relay.spool.history import Overview, Summary
from relay.spool.housekeeping import Housekeeping
from relay.spool.queues import Queue
from relay.spool.rows import Claim, DamagedRow, Settled, Submission
from relay.spool.upload import FileBody, Upload, new_id
from relay.spool.waiting import Waiting

T = TypeVar("T")

__all__ = [
    "Claim",
    "Courier",
    "Limits",
    "Moved",
    "Nobody",
    "Overview",
    "Queue",
    "Revise",
    "Room",
    "Settled",
    "Spool",
    "Submission",
    "Summary",
    "Upload",
]

LEASE = 120.0
"""Seconds that a claim is good for unless it is renewed."""

_RESULTS_WAIT = 0.01
"""Seconds: a crash within them sends again what had just been sent, as one a moment earlier would have."""


class Spool(Housekeeping):
    """The queue in `database`, with large bodies as files in `folder`.

    `crash_delay` is how long a message whose attempt was cut off by a crash waits until it is tried again: the first
    step of the retry schedule, so that a message that brings the program down cannot do so in a tight loop.
    """

    def __init__(
        self,
        database: Database,
        folder: Path,
        *,
        crash_delay: float = 60.0,
        clock: Clock | None = None,
        limits: Limits = capacity.NONE,
    ) -> None:
        super().__init__(database, folder, clock or Clock(), limits)
        self.crash_delay = crash_delay
        self._waiting = Waiting()
        self._commits: set[asyncio.Future[Any]] = set()

    async def open(self) -> None:
        """Make the folder, take back what a crash left half done. Only the serving process calls it.

        Raises StorageError or OSError when the state folder cannot be used.
        """
        self._bodies.mkdir(mode=0o700, exist_ok=True)
        await self._write(rows.recover)
        await self.heal()
        if not await asyncio.to_thread(belonging.belong_to, self._bodies, self._database.identity):
            log.spool.bodies_of_another(str(self._bodies), str(belonging.mark_of(self._bodies)))
            return
        names = await asyncio.to_thread(lambda: [path.name for path in self._bodies.iterdir() if path.is_file()])
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
        return Upload(self.new_id(), self._bodies, self._pool)

    def new_id(self) -> str:
        """A name for a further part of a message."""
        return new_id(self._clock.time())

    def put(self, upload: Upload, submission: Submission) -> asyncio.Future[None]:
        """Begin to commit a message: it is safe when the future ends, and goes through even when that is cancelled.

        The future raises StorageError or OSError: then nothing was kept and the client must hear a 4xx.
        """
        submission = self.mailboxes.sorted_in(submission)
        if not upload.in_file and not submission.parts:
            return self._commit(upload, submission)
        work = self._put_parts if submission.parts else self._put_file
        task = asyncio.create_task(work(upload, submission), name=f"put {upload.id}")
        self._commits.add(task)
        task.add_done_callback(self._commits.discard)
        return asyncio.shield(task)

    async def _put_file(self, upload: Upload, submission: Submission) -> None:
        try:
            await upload.seal()
        except BaseException as error:
            self._failed(error)
            await upload.discard()
            raise
        await self._commit(upload, submission)

    async def _put_parts(self, upload: Upload, submission: Submission) -> None:
        """Commit all the messages that a split one stands for; each waits in the queue for its turn."""
        whole = parts.whole(upload, submission)
        names = [name for name, _ in whole]
        loop = asyncio.get_running_loop()
        try:
            await upload.seal()
            bodies = await loop.run_in_executor(self._pool, parts.bodies, upload, names)
            self._waiting.join([(name, part.queue) for name, part in whole])
            made = list(zip(whole, bodies, strict=True))
            seqs = await self._write(
                lambda connection: [rows.insert(connection, name, part, body) for (name, part), body in made]
            )
        except BaseException as error:
            self._failed(error)
            await upload.discard()
            await loop.run_in_executor(self._pool, parts.forget, upload, names[1:] if upload.in_file else [])
            raise
        for seq, ((name, part), body) in zip(seqs, made, strict=True):
            self._tell(Claim.first(seq, name, part, body))
            self.courier.notice(part.queue)

    def _commit(self, upload: Upload, submission: Submission) -> asyncio.Future[None]:
        """Write a message's row; when it goes out at once, its first attempt is in the same commit."""
        body: MemoryBody | FileBody = (
            FileBody(upload.path, upload.size, upload.dots) if upload.in_file else MemoryBody(upload.data, upload.dots)
        )
        self.follow_clock()  # before a pause is asked about, which has to move with it
        direct = submission.direct and self.courier.reserve(submission.queue)
        now = self._clock.time()
        lease = rows.Lease(now + self.crash_delay, now + LEASE) if direct else None
        written = asyncio.ensure_future(
            self._database.write(lambda connection: rows.insert(connection, upload.id, submission, body, lease))
        )
        safe = asyncio.get_running_loop().create_future()

        def ended(written: asyncio.Future[int]) -> None:
            self._commits.discard(written)
            error = written.exception()
            try:
                if error is not None:
                    self._not_committed(upload, submission.queue, error, direct=direct)
                else:
                    self._committed(Claim.first(written.result(), upload.id, submission, body), direct=direct)
            finally:
                if not safe.done():  # else who waited has gone
                    safe.set_result(None) if error is None else safe.set_exception(error)

        self._commits.add(written)
        written.add_done_callback(ended)
        return safe

    def _committed(self, claim: Claim, *, direct: bool) -> None:
        self._tell(claim)
        if direct:
            self.courier.deliver(claim)
        else:
            self.courier.notice(claim.queue)

    def _not_committed(self, upload: Upload, queue: Queue, error: BaseException, *, direct: bool) -> None:
        self._failed(error)
        if direct:
            self.courier.forgo(queue)
        upload.drop()

    def _tell(self, claim: Claim) -> None:
        message = claim.message
        self.capacity.store(message.size)
        metrics.accepted(message.origin.client, message.account, message.size)
        log.spool.message_queued(
            message.id,
            sender=message.envelope.sender,
            recipients=message.envelope.recipients,
            size=message.size,
            client=message.origin.client,
            peer=message.origin.peer,
            account=message.account,
        )

    def watch(self, message_id: str, queue: Queue) -> asyncio.Future[Results]:
        """A future for the results of the message's first attempt; ask before `put`, and `unwatch` in the end.

        It gets no results, but an empty dict, once none can be expected soon. Until the end no report is made.
        """
        return self._waiting.begin(message_id, queue)

    def unwatch(self, message_id: str) -> None:
        """The client has been told what there was to tell, or has gone: what is left is a report's business."""
        self._waiting.end(message_id)
        self.owed.set()

    def answer_soon(self, message_id: str) -> None:
        """Who waits for this message's results need not wait any longer."""
        self._waiting.give_up(message_id)

    def is_watched(self, message_id: str) -> bool:
        return message_id in self._waiting

    def nothing_soon(self, applies: Callable[[Queue], bool]) -> None:
        """The queues that this applies to go nowhere for a while: who waits for a result of theirs need not."""
        self._waiting.nothing_soon(applies)

    async def mark_reported(self, message_id: str, gone: Callable[[], bool]) -> bool:
        """Note that the client itself is being told of the failure, so that nobody else needs to be; whether it is.

        A client that is `gone` by then hears nothing: a report will tell it after all. Raises StorageError.
        """
        names = self._waiting.names(message_id)
        try:
            await self._write(lambda connection: debts.heard(connection, *names))
        except asyncio.CancelledError:
            self._not_heard(names)
            raise
        if gone():
            self._not_heard(names)
            return False
        return True

    def _not_heard(self, names: Sequence[str]) -> None:
        written = asyncio.ensure_future(self._database.write(lambda connection: debts.not_heard(connection, *names)))

        def ended(written: asyncio.Future[None]) -> None:
            self._commits.discard(written)
            if (error := written.exception()) is not None:
                self._failed(error)
            self.owed.set()

        self._commits.add(written)
        written.add_done_callback(ended)

    # --- delivery's side

    async def claim(
        self,
        wanted: Sequence[Queue],
        limit: int,
        *,
        by_age: int = 0,
        room: Room | None = None,
        memory: int | None = None,
    ) -> list[Claim]:
        """Lease up to `limit` messages that are due, by priority, then age. The attempt is on disk before it is made.

        The oldest `by_age` of all come first, whatever their priority. `room` bounds their recipients, `memory`
        their octets, but for the first.
        """
        now = self._clock.time()

        def work(connection: Connection) -> list[tuple[Any, tuple[str, ...]]]:
            chosen = due.messages(connection, wanted, limit, now, by_age=by_age, room=room)
            if memory is not None and chosen:
                chosen = rows.fitting(connection, chosen, memory)
            claimed = rows.claim(connection, chosen, now + self.crash_delay, now + LEASE) if chosen else []
            return [(row, rows.pending(connection, row[0])) for row in claimed]

        good: list[Claim] = []
        for row, recipients in await self._write(work):
            try:
                good.append(rows.to_claim(row, recipients, self._bodies))
            except DamagedRow as damage:
                await self._set_aside(row[0], row[1], str(damage))
        return good

    async def _set_aside(self, seq: int, message_id: str, reason: str) -> None:
        log.spool.message_damaged(message_id, reason)
        now = self._clock.time()
        await self._write(lambda connection: rows.set_aside(connection, seq, reason, now))

    async def divert(
        self, queue: Queue, to: str, revise: Revise, *, since: float, after: int
    ) -> tuple[list[Moved], int]:
        """Give the mail of `queue` that has become due since then (seconds since the epoch) to the account `to`.

        `revise` says how each message goes there, or that it may not. It is done in steps: what was given, and the
        `after` of the next step, 0 at the end.
        """
        now = self._clock.time()
        return await self._write(
            lambda connection: diversion.move(
                connection, queue, to, revise, self.mailboxes.of, since=since, now=now, after=after
            )
        )

    async def finish(self, claim: Claim, settled: Settled) -> str | None:
        """Write what became of an attempt; return the message's state, None when another process had taken it over."""
        waiter = self._waiting.of(claim.message.id)
        # Nobody waits for most results: they share the commit of the next message that comes.
        patience = 0.0 if waiter is not None else _RESULTS_WAIT
        try:
            state = await self._write(lambda connection: endings.finish(connection, claim, settled), patience=patience)
        except endings.LeaseLost:
            return None
        if state == "sent" and isinstance(claim.message.body, FileBody):
            await self._unlink([claim.message.id])
        if waiter is not None and not waiter.done():
            waiter.set_result(settled.results | settled.others)
        elif dsn.is_news(claim.message.envelope, settled.results):
            self.owed.set()
        return state

    async def release(self, claims: Sequence[Claim], *, tried: bool = True) -> None:
        """Give leases back, the messages are due at once: their attempts were cut off, or not `tried` and count not."""
        now = self._clock.time()
        counted = 0 if tried else 1
        await self._write(
            lambda connection: connection.executemany(
                """UPDATE message SET state = 'queued', next_at = ?, attempts = attempts - ?,
                       uncertain = max(uncertain, ?)
                   WHERE seq = ? AND fence = ? AND state = 'active'""",
                [(now, counted, int(tried), claim.seq, claim.fence) for claim in claims],
            )
        )

    async def renew(self, claims: Sequence[Claim]) -> None:
        """Keep the leases of attempts that are still running."""
        until = self._clock.time() + LEASE
        await self._write(
            lambda connection: connection.executemany(
                "UPDATE message SET lease_until = ? WHERE seq = ? AND fence = ?",
                [(until, claim.seq, claim.fence) for claim in claims],
            )
        )

    async def next_due(self, wanted: Sequence[Queue]) -> float | None:
        """When the next message of these queues is due (seconds since the epoch), or None."""
        return await self._database.read(lambda connection: history.next_due(connection, wanted), quick=True)

    async def heads(self, accounts: Sequence[str]) -> dict[Queue, float]:
        """The queues of `accounts` in which mail waits, and when the next message of each is due."""
        return await self._database.read(lambda connection: queues.heads(connection, accounts), quick=True)

    # --- for people

    async def overview(self) -> Overview:
        """How many messages are in which state, by account."""
        return await self._database.read(history.overview)

    async def recent(self, limit: int = 20) -> list[Summary]:
        """The newest messages, the newest first."""
        return await self._database.read(lambda connection: history.recent(connection, limit))
