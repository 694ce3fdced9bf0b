"""Which messages come next: by priority, then age, with a share for those that have waited longest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from relay.database import Connection
from relay.model import Priority
from relay.spool.queues import Queue

PRIORITIES: Final[Mapping[Priority, int]] = {"high": 0, "normal": 1, "low": 2}
"""How the database sorts them."""


@dataclass(frozen=True, slots=True)
class Room:
    """How many recipients the messages may have together, and the first of them if it goes alone.

    A message counts with no more than `largest`, which go at a time.
    """

    recipients: int
    first: int
    largest: int | None = None


def messages(
    connection: Connection,
    queues: Sequence[Queue],
    limit: int,
    now: float,
    *,
    by_age: int = 0,
    room: Room | None = None,
) -> list[int]:
    """The next `limit` due messages of `queues` in the order in which they are to go.

    The first one that has not enough room ends the list: were smaller ones to pass it, it might never go.
    """
    found = _oldest(connection, queues, by_age, now) if by_age else []
    if len(found) < limit:
        first = _first(connection, queues, limit, now)
        found += [seq for seq in first if seq not in found][: limit - len(found)]
    return found if room is None else _fitting(connection, found, room)


def _first(connection: Connection, queues: Sequence[Queue], limit: int, now: float) -> list[int]:
    """A look at the head of each queue: together they would have to be sorted."""
    found: list[tuple[int, float, int]] = []
    for queue in queues:
        found += connection.execute(
            """SELECT priority, next_at, seq FROM message WHERE state = 'queued' AND account = ? AND mailbox = ?
               AND next_at <= ? ORDER BY priority, next_at, seq LIMIT ?""",
            (*queue, now, limit),
        ).fetchall()
    return [seq for _, _, seq in sorted(found)[:limit]]


def _oldest(connection: Connection, queues: Sequence[Queue], limit: int, now: float) -> list[int]:
    """The same by age alone, from the heads of all priorities."""
    found: list[tuple[float, int]] = []
    for queue in queues:
        for priority in PRIORITIES.values():
            found += connection.execute(
                """SELECT next_at, seq FROM message WHERE state = 'queued' AND account = ? AND mailbox = ?
                   AND priority = ? AND next_at <= ? ORDER BY next_at, seq LIMIT ?""",
                (*queue, priority, now, limit),
            ).fetchall()
    return [seq for _, seq in sorted(found)[:limit]]


def _fitting(connection: Connection, found: Sequence[int], room: Room) -> list[int]:
    left = room.recipients
    chosen: list[int] = []
    for seq in found:
        (count,) = connection.execute(
            "SELECT count(*) FROM recipient WHERE message = ? AND state = 'pending'", (seq,)
        ).fetchone()
        count = min(count, room.largest or count)
        if count > (left if chosen else max(left, room.first)):
            break
        left -= count
        chosen.append(seq)
    return chosen
