"""A spool on a real SQLite file, and messages to put into it."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from relay.database.sqlite import SqliteDatabase
from relay.model import Clock, DsnWishes, Envelope, Origin, Priority
from relay.spool import Claim, Limits, Queue, Spool, Submission
from relay.spool.capacity import NONE

HEADERS = b"From: app@example.com\r\nTo: a@example.org\r\nSubject: Test\r\n"
ORIGIN = Origin(client="app", listener="default", peer="127.0.0.1", helo="printer")


@contextlib.asynccontextmanager
async def opened(folder: Path, clock: Clock | None = None, limits: Limits = NONE) -> AsyncIterator[Spool]:
    """The spool in `folder`, as a serving process opens it."""
    database = SqliteDatabase(folder / "relay.db")
    spool = Spool(database, folder, clock=clock, limits=limits)
    try:
        await spool.open()
        yield spool
        await spool.close()
    finally:
        await database.close()


def submission(
    *recipients: str,
    account: str = "office",
    now: float = 0.0,
    max_age: float = 432_000.0,
    sender: str = "app@example.com",
    dsn: DsnWishes | None = None,
    priority: Priority = "normal",
) -> Submission:
    return Submission(
        account=account,
        envelope=Envelope(sender, recipients or ("a@example.org",), dsn=dsn),
        headers=HEADERS,
        origin=ORIGIN,
        received_at=now,
        expires_at=now + max_age,
        message_id="<1@app>",
        subject="Test",
        priority=priority,
    )


async def put(spool: Spool, given: Submission, body: bytes = b"Hello\r\n") -> str:
    """Put a message with `body`, in one piece; its id."""
    upload = spool.upload()
    await upload.write(body, body.count(b"\n.") + body.startswith(b"."))
    await spool.put(upload, given)
    return upload.id


async def content(claim: Claim) -> bytes:
    return b"".join([chunk async for chunk in claim.message.body.chunks()])


async def claim_one(spool: Spool) -> Claim:
    (claimed,) = await spool.claim([Queue("office")], 1)
    return claimed
