"""The paces of identities and the counts of clients, written down so that a restart does not forget what was sent."""

import asyncio
import contextlib
from collections.abc import Iterable

from relay.database import Connection, Database, StorageError
from relay.limits.pace import Pace, Pieces
from relay.limits.tally import Tally
from relay.limits.window import Piece
from relay.model import Clock, Identity, Rate

_OVER = 1.01
"""Windows after which a piece of one is over, the time that it spans included."""
_PRUNE_EVERY = 3600.0
_PATIENCE = 2.0
"""Seconds of counting clients that a crash may forget."""
_LONGEST_HELD = 7 * 86400.0
"""Seconds: mail waits no longer for its client's rates, which `max_age` bounds."""
_CLIENT = "client "
"""What the names of clients begin with, in one table with the identities: no provider is called so."""
_SELECT = "SELECT identity, unit, seconds, began_at, ended_at, amount FROM pace"
_Row = tuple[str, str, float, float, float, int]


class Ledger:
    """Makes the paces, keeps them in `database`.

    Writing follows sending by one commit: a crash forgets what was sent in its last milliseconds. Processes that share
    a database do not see each other's sending yet; there is one.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._unsaved: set[Pace | Tally] = set()
        self._clients: dict[str, list[_Row]] = {}
        """What clients had sent when this process began, by name."""
        self._soon: asyncio.TimerHandle | None = None
        self._wake = asyncio.Event()
        self._closing = False

    async def pace(self, identity: Identity, rates: Iterable[Rate]) -> Pace:
        """The pace of an identity, with what it has sent lately. Raises StorageError.

        The ledger itself keeps none: who lets one go when all is written gets it back as it was.
        """
        pace = Pace(rates, self._clock, self._note, str(identity))
        for row in await self._database.read(lambda connection: _load(connection, pace.name), quick=True):
            if (piece := self._piece(row, latest=0.0)) is not None:
                pace.recall(*row[1:3], piece)
        return pace

    async def open(self) -> None:
        """Read what clients have sent lately. Raises StorageError."""
        self._clients.clear()
        for row in await self._database.read(_load_clients):
            self._clients.setdefault(row[0].split()[1], []).append(row)

    def tally(self, client: str, rates: Iterable[Rate], recipient_rates: Iterable[Rate]) -> Tally:
        """The count of a client, with what it had sent when this process began."""
        name = f"{_CLIENT}{client}"
        tally = Tally(rates, recipient_rates, self._note_soon, name)
        now = self._clock.monotonic()
        for row in self._clients.pop(client, ()):
            # What is held for a later moment counts at that moment.
            if (piece := self._piece(row, latest=_LONGEST_HELD)) is not None:
                tally.recall(now, row[0], *row[1:3], piece)
        return tally

    def _piece(self, row: _Row, latest: float) -> Piece | None:
        """What a row tells, by the clock that never jumps; None when it is over.

        It is no later than `latest` seconds from now: a clock that was set back since then must not stop the mail for
        longer than the window.
        """
        _, _, seconds, began_at, ended_at, amount = row
        ago = max(-latest, self._clock.time() - ended_at)
        if ago >= seconds:
            return None
        last = self._clock.monotonic() - ago
        return Piece(last - (ended_at - began_at), last, amount, began_at)

    async def run(self) -> None:
        """Write down what changes, until `close()`; now and then forget what counts no more."""
        prune_at = 0.0
        while True:
            if self._clock.monotonic() >= prune_at:
                prune_at = self._clock.monotonic() + _PRUNE_EVERY
                await self._prune()
            if self._closing:
                break
            await self._clock.wait(self._wake, _PRUNE_EVERY)
            self._wake.clear()
            if self._unsaved:
                await self._try_to_save()
        if self._unsaved:
            await self._try_to_save()

    async def _prune(self) -> None:
        now = self._clock.time()
        with contextlib.suppress(StorageError):  # the next hour tries again
            await self._database.write(lambda connection: _prune(connection, now))

    async def _try_to_save(self) -> None:
        with contextlib.suppress(StorageError):  # delivery tells of it; the next change tries again
            await self.save()

    async def close(self) -> None:
        """Write down the last changes."""
        self._closing = True
        if self._soon is not None:
            self._soon.cancel()
        self._wake.set()

    async def save(self) -> None:
        """Write down what has changed. Raises StorageError; then nothing is forgotten."""
        self._wake.clear()
        taken = {each: each.give_unsaved() for each in self._unsaved}
        self._unsaved.clear()
        rows = [row for pieces in taken.values() for row in self._rows(pieces)]
        now = self._clock.time()
        try:
            await self._database.write(lambda connection: _save(connection, rows, now))
        except BaseException:
            for each, pieces in taken.items():
                each.unsaved = pieces | each.unsaved
                self._unsaved.add(each)
            raise

    def _rows(self, pieces: Pieces) -> list[_Row]:
        shift = self._clock.time() - self._clock.monotonic()
        rows: list[_Row] = []
        for (name, rate, first), piece in pieces.items():
            if piece.began_at is None:
                piece.began_at = first + shift
            at = (piece.began_at, piece.last + shift)
            rows.append((name, rate.unit, rate.seconds, *at, piece.amount))
        return rows

    def _note(self, pace: Pace) -> None:
        self._unsaved.add(pace)
        self._wake.set()

    def _note_soon(self, tally: Tally) -> None:
        """A client's count is written with what comes within the next seconds: no write for each message."""
        self._unsaved.add(tally)
        if self._soon is None and not self._closing:
            self._soon = asyncio.get_running_loop().call_later(_PATIENCE, self._write_now)

    def _write_now(self) -> None:
        self._soon = None
        self._wake.set()


def _load(connection: Connection, name: str) -> list[_Row]:
    return connection.execute(f"{_SELECT} WHERE identity = ? ORDER BY ended_at", (name,)).fetchall()


def _load_clients(connection: Connection) -> list[_Row]:
    return connection.execute(f"{_SELECT} WHERE identity LIKE '{_CLIENT}%' ORDER BY ended_at").fetchall()


def _prune(connection: Connection, now: float) -> None:
    connection.execute("DELETE FROM pace WHERE ended_at + seconds < ?", (now,))


def _save(connection: Connection, rows: list[_Row], now: float) -> None:
    connection.executemany(
        """INSERT INTO pace (identity, unit, seconds, began_at, ended_at, amount) VALUES (?, ?, ?, ?, ?, ?)
           ON CONFLICT DO UPDATE SET ended_at = excluded.ended_at, amount = excluded.amount""",
        rows,
    )
    windows = {row[:3] for row in rows}
    connection.executemany(
        "DELETE FROM pace WHERE identity = ? AND unit = ? AND seconds = ? AND began_at < ?",
        [(*window, now - _OVER * window[2]) for window in windows],
    )
