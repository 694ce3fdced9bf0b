"""Whether there is room for new mail: below `max_size`, on the disk, and on a disk that takes anything at all.

New mail is refused before the disk is full, so that what is left is there for results, reports and administration. Once
a second is looked; in between, what is on its way and what was stored since is counted. It takes more room to begin
again than it took to stop: clients do not hear yes and no by turns.
"""

import asyncio
import contextlib
import math
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from relay import log, metrics
from relay.database import Connection, Database, StorageError
from relay.model import Clock

EVERY = 1.0
"""Seconds between two looks."""
_SHARE = 20
"""Looking takes no more than one part in so many of the time, however long a look takes."""
_MARGIN = 0.05
"""Of a limit: so much must be free below it before new mail is taken again."""
_PROBE = "probe"


@dataclass(frozen=True, slots=True)
class Limits:
    """What new mail has to leave free; None and 0: nothing. Free disk counts for files on this machine alone."""

    max_octets: int | None = None
    max_messages: int | None = None
    min_free_disk: int = 0


NONE = Limits()


@dataclass(frozen=True, slots=True)
class _Left:
    """What is below one limit at the last look, and how it is told when that is nothing."""

    amount: float = math.inf
    margin: float = 0.0
    tell: Callable[[float], str] = str
    """Given what has been taken of it since."""


class Capacity:
    """Knows how much room the queue has left. `free` tells the free octets of the disk that a folder is on."""

    def __init__(
        self,
        database: Database,
        folder: Path,
        limits: Limits = NONE,
        clock: Clock | None = None,
        free: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    ) -> None:
        self._database = database
        self._folder = folder
        self._limits = limits
        self._clock = clock or Clock()
        self._free = free
        self._octets = self._disk = self._messages = _Left()
        self._arriving = 0
        self._stored = 0
        self._count = 0
        self.full = ""
        """Why new mail is refused; "" while there is room."""
        self.trouble = ""
        """Why the last write failed; "" once one has gone well."""
        self.crowded = asyncio.Event()
        """Set when kept failed mail has to make room."""

    def use(self, limits: Limits) -> None:
        """Go by these limits from the next look on."""
        self._limits = limits

    @property
    def troubles(self) -> list[str]:
        """Why the relay takes no mail, for people; empty when it does."""
        told = [f"the queue cannot be written, new mail is refused: {self.trouble}"] if self.trouble else []
        return told + ([f"new mail is refused: {self.full}"] if self.full else [])

    # --- for new mail

    def refusal(self, octets: int = 0) -> str:
        """Why a message of so many octets cannot be taken now; "" if it can."""
        if self.trouble or self.full:
            return self.trouble or self.full
        for left in (self._octets, self._disk, self._messages):
            taken = self._count if left is self._messages else self._arriving + self._stored
            room = left.amount - taken
            if room <= (0 if left is self._messages else octets):
                reason = left.tell(taken)
                if room <= left.margin:  # else a smaller message has room yet
                    self._reach(reason)
                return reason
        return ""

    def arrival(self) -> "Arrival":
        """A message begins to come."""
        return Arrival(self)

    def arrive(self, octets: int) -> None:
        """So many more octets are on their way, or fewer: a negative number."""
        self._arriving += octets

    def store(self, octets: int) -> None:
        """A message of so many octets has been committed."""
        self._stored += octets
        self._count += 1

    # --- the figures

    async def run(self) -> None:
        """Look, again and again, until cancelled."""
        while True:
            began = self._clock.monotonic()
            await self.look()
            await self._clock.sleep(max(EVERY, _SHARE * (self._clock.monotonic() - began)))

    async def look(self) -> None:
        """Find out how much room there is, and whether a disk that refused takes something again."""
        stored, count = self._stored, self._count
        with contextlib.suppress(StorageError, OSError):  # what is wrong shows when something is written
            octets, messages, failed, failures = await self._database.read(_figures)
            free = await asyncio.to_thread(self._free, self._folder)
            self._note(octets, messages, failed, failures, free)
        self._stored -= stored
        self._count -= count
        if self.trouble and not await self._obstacle():
            self.trouble = ""
            metrics.STORAGE_TROUBLE.set(0)
            log.spool.storage_restored()
        self._decide()

    def _note(self, octets: int, messages: int, failed: int, failures: int, free: int) -> None:
        """Work out what is left. Failed mail that is only kept is in nobody's way: it goes first."""
        limits, inf = self._limits, math.inf
        metrics.QUEUE_OCTETS.set(octets)
        metrics.DISK_FREE.set(free)
        most, many = limits.max_octets or inf, limits.max_messages or inf
        if (octets > most or messages > many) and failures:
            self.crowded.set()
        held, waiting, least = octets - failed, messages - failures, limits.min_free_disk
        self._octets = self._messages = self._disk = _Left()
        if limits.max_octets:
            told = f"octets in the queue, queue.max_size is {log.octets(most)}"
            self._octets = _Left(most - held, _MARGIN * most, lambda taken: f"{held + taken:,.0f} {told}")
        if limits.max_messages:
            counted = f"messages in the queue, queue.max_size is {many:,} messages"
            self._messages = _Left(many - waiting, _MARGIN * many, lambda taken: f"{waiting + taken:,.0f} {counted}")
        if least:
            place = f"free on the disk of {self._folder}, queue.min_free_disk is {log.octets(least)}"
            self._disk = _Left(free - least, _MARGIN * least, lambda taken: f"{log.octets(free - taken)} {place}")

    def _decide(self) -> None:
        """Whether new mail is taken until the next look."""
        for left in (self._octets, self._disk, self._messages):
            taken = 0 if left is self._messages else self._arriving
            if left.amount - taken <= (left.margin if self.full else 0):
                self._reach(left.tell(taken))
                return
        if self.full:
            self.full = ""
            metrics.QUEUE_FULL.set(0)
            log.spool.room_again()

    def _reach(self, reason: str) -> None:
        if not self.full:
            metrics.QUEUE_FULL.set(1)
            log.spool.no_room(reason)
        self.full = reason

    # --- a disk that refuses

    def fail(self, error: BaseException) -> None:
        """Something could not be written: told once, until it can be again."""
        if not self.trouble:
            metrics.STORAGE_TROUBLE.set(1)
            log.spool.storage_trouble(str(error))
        self.trouble = str(error)

    async def _obstacle(self) -> bool:
        """Whether a file and a row still cannot be written."""
        try:
            await asyncio.to_thread(_write_and_remove, self._folder / "bodies" / _PROBE)
            await self._database.prove_writable()
        except (StorageError, OSError) as error:
            self.trouble = str(error)
            return True
        return False


class Arrival:
    """One message on its way in: its octets count until it is stored, or refused."""

    __slots__ = ("_capacity", "_counted")

    def __init__(self, capacity: Capacity) -> None:
        self._capacity = capacity
        self._counted = 0

    def grow(self, octets: int) -> str:
        """The message will have so many octets, or has them already; why there is no room for that, "" if there is."""
        more = octets - self._counted
        if more <= 0:
            return ""
        refusal = self._capacity.refusal(more)
        self._counted = octets
        self._capacity.arrive(more)
        return refusal

    def end(self) -> None:
        """The message is stored, or forgotten."""
        self._capacity.arrive(-self._counted)
        self._counted = 0


def _figures(connection: Connection) -> tuple[int, int, int, int]:
    """(octets and number of all messages with content, the same of those failed ones that may go)."""
    kept = connection.execute(
        "SELECT coalesce(sum(size), 0), count(*) FROM message WHERE headers IS NOT NULL"
    ).fetchone()
    failed = connection.execute(
        "SELECT coalesce(sum(size), 0), count(*) FROM message WHERE state = 'failed' AND owed <> 1"
    ).fetchone()
    return (*kept, *failed)


def _write_and_remove(path: Path) -> None:
    """Write as much as the smallest body that has a file of its own, durably. Blocks; raises OSError."""
    try:
        with path.open("wb") as file:
            file.write(b"\0" * 64 * 1024)
            file.flush()
            os.fsync(file.fileno())
    finally:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
