"""A sink's store on a real SQLite file, and mail to put into it."""

import contextlib
import itertools
from collections.abc import AsyncIterator
from pathlib import Path

from relay.database.sqlite import SqliteDatabase
from relay.model import Body, Clock, Envelope, MemoryBody, Message, Origin
from relay.sink import Limits, SinkStore

_number = itertools.count(1)
ROOMY = Limits(count=10_000, octets=1 << 30, age=None)


@contextlib.asynccontextmanager
async def sink(folder: Path, limits: Limits = ROOMY, clock: Clock | None = None) -> AsyncIterator[SinkStore]:
    """The store in `folder`, as a serving process opens it."""
    database = SqliteDatabase(folder / "relay.db")
    store = SinkStore(database, folder, limits, clock)
    try:
        await store.open()
        yield store
        await store.close()
    finally:
        await database.close()


def caught(
    headers: str = "",
    body: bytes | Body = b"Hello\r\n",
    *recipients: str,
    sender: str = "app@example.com",
    at: float = 1_800_000_000.0,
    login: str = "",
    identifier: str = "",
) -> Message:
    """A message as delivery hands it to a sink; `headers` has lines that end in LF, From and To are the default."""
    block = headers or "From: App <app@example.com>\nTo: b@x.org\nSubject: Test\nMessage-ID: <1@app>\n"
    return Message(
        id=identifier or f"m{next(_number):015}",
        account="sink",
        envelope=Envelope(sender, recipients or ("b@x.org",)),
        headers=block.replace("\n", "\r\n").encode(),
        body=MemoryBody.of(body) if isinstance(body, bytes) else body,
        origin=Origin("local", "default", "127.0.0.1", "printer", login),
        received_at=at,
    )
