"""Changes to caught messages: read or unread, tags, deletion. In portions, so that mail can come in between."""

from collections.abc import Sequence
from typing import Any

from relay.database import Connection
from relay.sink import rows
from relay.sink.query import Query
from relay.sink.store import SinkStore
from relay.sink.summary import tags

_PORTION = 500


async def chosen(store: SinkStore, identifiers: Sequence[str] | None, query: Query | None) -> list[int]:
    """The `seq` of messages by id, by query, or (both None) of all that there are now."""
    await store.settled()
    if identifiers is not None:
        unique = list(dict.fromkeys(identifiers))
        return await store.read(lambda connection: rows.seq_of(connection, unique))
    if query is not None:
        return [seq for _, seq, _ in await store.matching(query)]
    return await store.read(lambda connection: rows.newest(connection, 0, -1, None))


async def mark(store: SinkStore, seqs: Sequence[int], *, read: bool) -> None:
    """Mark messages as read or unread."""
    for start in range(0, len(seqs), _PORTION):
        part = seqs[start : start + _PORTION]
        changed = await store.work(lambda connection, p=part: rows.set_read(connection, p, read=read))  # type: ignore[misc]
        for identifier in changed:
            store.feed.tell("update", {"ID": identifier, "Read": read})


async def delete(store: SinkStore, seqs: Sequence[int], *, everything: bool = False) -> None:
    """Delete messages and what belongs to them. `everything`: these are all, and watchers hear it once."""
    for start in range(0, len(seqs), _PORTION):
        part = seqs[start : start + _PORTION]

        def work(connection: Connection, part: Sequence[int] = part) -> tuple[list[str], list[str]]:
            told = [] if everything else [summary.id for summary in rows.summaries(connection, part)]
            return told, rows.delete(connection, part)

        told, files = await store.work(work)
        await store.deleted(len(part), files)
        for identifier in told:
            store.feed.tell("delete", {"ID": identifier})
    if everything and seqs:
        store.feed.tell("truncate")


async def tag(store: SinkStore, seqs: Sequence[int], names: Sequence[str]) -> None:
    """Replace the tags of messages."""
    for start in range(0, len(seqs), _PORTION):
        part = seqs[start : start + _PORTION]

        def work(connection: Connection, part: Sequence[int] = part) -> list[str]:
            rows.set_tags(connection, part, names)
            return [summary.id for summary in rows.summaries(connection, part)]

        for identifier in await store.work(work):
            store.feed.tell("update", {"ID": identifier, "Tags": list(names)})


def names(given: Sequence[str]) -> list[str]:
    """Tags in the form in which they are kept; what a tag cannot hold becomes a space."""
    return tags(each.replace(",", " ") for each in given)


class TagError(ValueError):
    """A tag that cannot be changed so: the message says why."""


async def rename_tag(store: SinkStore, old: str, new: str) -> None:
    """Give a tag another name. Raises TagError."""
    known = {name.casefold() for name in await store.tags()}
    if old.casefold() not in known:
        raise TagError(f"tag not found: {old}")
    if new.casefold() in known and new.casefold() != old.casefold():
        raise TagError(f"tag already exists: {new}")
    await store.work(lambda connection: rows.rename_tag(connection, old, new))
    store.feed.tell("update", None)


async def delete_tag(store: SinkStore, name: str) -> None:
    """Take a tag from all messages. Raises TagError."""
    if not await store.work(lambda connection: rows.delete_tag(connection, name)):
        raise TagError(f"tag not found: {name}")
    store.feed.tell("update", None)


async def note_release(store: SinkStore, identifier: str, told: dict[str, Any]) -> None:
    """Write down that a message was sent on."""
    await store.work(lambda connection: rows.add_release(connection, identifier, told))
