"""Caught mail as files that mail programs read: Maildir, mbox, or an .eml file each.

Names of files are made of the queue's ids, never of anything that is in the mail.
"""

import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO, Literal

from relay.sink.query import Query
from relay.sink.store import SinkStore
from relay.sink.summary import Summary

Format = Literal["maildir", "mbox", "eml"]

_FROM_LINE = re.compile(rb"^(>*From )", re.MULTILINE)
_NOT_IN_A_SENDER = re.compile(r"[^!-~]")


class ExportError(Exception):
    """The files cannot be written so: the message says what is in the way."""


async def export(store: SinkStore, target: Path, form: Format, query: Query | None = None) -> int:
    """Write all messages, or those that match, oldest first; how many. Raises ExportError or OSError.

    `target` is a folder, for mbox a file that does not exist yet.
    """
    if form == "mbox":
        return await _mbox(store, target, query)
    _make(target, form)
    count = 0
    async for summary, octets in _messages(store, query):
        if form == "eml":
            (target / f"{summary.id}.eml").write_bytes(octets)
        else:
            _deliver(target, summary, octets)
        count += 1
    return count


def _make(target: Path, form: Format) -> None:
    if target.exists() and not target.is_dir():
        raise ExportError(f"{target} exists and is no folder: name another one")
    for name in ("cur", "new", "tmp") if form == "maildir" else (".",):
        (target / name).mkdir(mode=0o700, parents=True, exist_ok=True)


async def _mbox(store: SinkStore, target: Path, query: Query | None) -> int:
    try:
        file = target.open("xb")
    except FileExistsError:
        raise ExportError(f"{target} exists: name another file, or remove it") from None
    count = 0
    with file:
        async for summary, octets in _messages(store, query):
            _append(file, summary, octets)
            count += 1
    return count


def _deliver(folder: Path, summary: Summary, octets: bytes) -> None:
    """A message into a Maildir: in `new`, or in `cur` with the flag S once it was read."""
    name = f"{int(summary.received_at)}.{summary.id}.relay"
    unfinished = folder / "tmp" / name
    unfinished.write_bytes(octets.replace(b"\r\n", b"\n"))
    unfinished.rename(folder / "cur" / f"{name}:2,S" if summary.read else folder / "new" / name)


def _append(file: BinaryIO, summary: Summary, octets: bytes) -> None:
    """A message into an mbox file in the reversible form (mboxrd), with LF line ends (RFC 4155)."""
    sender = _NOT_IN_A_SENDER.sub("", summary.sender.address) or "MAILER-DAEMON"
    when = time.asctime(time.gmtime(summary.received_at))
    file.write(f"From {sender} {when}\n".encode())
    text = _FROM_LINE.sub(rb">\1", octets.replace(b"\r\n", b"\n"))
    file.write(text if text.endswith(b"\n") else text + b"\n")
    file.write(b"\n")


async def _messages(store: SinkStore, query: Query | None) -> AsyncIterator[tuple[Summary, bytes]]:
    """The messages with their sources, oldest first; one that is deleted meanwhile is left out."""
    page = await (store.page(0, 0) if query is None else store.search(query, 0, 1_000_000))
    for summary in reversed(page.messages):
        source = await store.source(summary.id)
        if source is not None:
            yield summary, await store.octets(source)
