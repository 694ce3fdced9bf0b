"""A state folder with as many messages as are asked for, waiting in the queue and caught by the sink.

One message of each is put in the way that mail comes; the others are copies of it, made by the database.
"""

from collections.abc import Mapping
from pathlib import Path

from relay.database import Connection
from relay.database.sqlite import SqliteDatabase
from relay.model import Envelope, MemoryBody, Message, Origin
from relay.sink import Limits, SinkStore
from relay.spool import Spool, Submission

_LATER = 3_000_000_000.0
"""Seconds since the epoch: nothing of it is due while the pages are measured."""
_HEADERS = (
    b"".join(
        b"Received: from host%d.example.com by relay.example.com; Sat, 21 Nov 2026 10:00:00 +0000\r\n" % n
        for n in range(6)
    )
    + b"From: App <app@example.com>\r\nTo: kim@example.org\r\nSubject: Invoice\r\nMessage-ID: <1@app>\r\n"
)
_BODY = b"Some words of a message, as many as an app writes.\r\n" * 40
_ORIGIN = Origin("app", "default", "127.0.0.1", "app.example.com")


async def fill(folder: Path, count: int, account: str = "office", text: bytes = _BODY) -> None:
    """Make `folder`/relay.db with `count` messages waiting for `account`, and as many caught by the account `sink`."""
    database = SqliteDatabase(folder / "relay.db")
    spool = Spool(database, folder)
    store = SinkStore(database, folder, Limits(count + 1, 1 << 40, None))
    try:
        await spool.open()
        await store.open()
        await _queue_one(spool, account, text)
        envelope = Envelope("app@example.com", ("kim@example.org",))
        body = MemoryBody.of(text)
        await store.keep(Message("caught", "sink", envelope, _HEADERS, body, _ORIGIN, received_at=1_700_000_000.0))
        await store.settled()
        await database.write(lambda connection: _multiply_queue(connection, count))
        await database.write(lambda connection: _multiply_sink(connection, count))
        await spool.close()
        await store.close()
    finally:
        await database.close()


async def _queue_one(spool: Spool, account: str, text: bytes) -> None:
    envelope = Envelope("app@example.com", ("kim@example.org",))
    body, upload = MemoryBody.of(text), spool.upload()
    await upload.write(body.data, body.dots)
    submission = Submission(
        account=account,
        envelope=envelope,
        headers=_HEADERS,
        origin=_ORIGIN,
        received_at=1_700_000_000.0,
        expires_at=_LATER,
        message_id="<1@app>",
        subject="Invoice",
        held_until=_LATER,
    )
    await spool.put(upload, submission)


def _multiply_queue(connection: Connection, count: int) -> None:
    """Half of them were tried before: they are retrying."""
    changed = {
        "seq": "message.seq + i",
        "id": "printf('queued%010d', i)",
        "received_at": "received_at + i",
        "subject": "subject || ' ' || i",
        "attempts": "i % 2",
        "reason": "CASE i % 2 WHEN 1 THEN '451 4.7.0 Temporary server error' ELSE '' END",
    }
    _copy(connection, "message", changed, count)
    connection.execute("UPDATE message SET next_at = ?, expires_at = ?", (_LATER, _LATER))
    _copy(connection, "recipient", {"message": "message + i"}, count)
    told = '{"kim@example.org": ["deferred", 451, "4.7.0", "Temporary server error"]}'
    connection.execute(
        "INSERT INTO attempt SELECT seq, 1, 1, received_at, received_at, ? FROM message WHERE attempts > 0", (told,)
    )


def _multiply_sink(connection: Connection, count: int) -> None:
    changed = {
        "seq": "seq + i",
        "id": "printf('caught%010d', i)",
        "received_at": "received_at + i",
        "is_read": "i % 2",
        "subject": "subject || ' ' || i",
    }
    _copy(connection, "caught", changed, count)
    for table in ("caught_source", "caught_text"):
        _copy(connection, table, {"seq": "seq + i"}, count)


def _copy(connection: Connection, table: str, changed: Mapping[str, str], count: int) -> None:
    """Copies of the one row that a table has; the names are the tables' own."""
    names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})").fetchall()]
    values = ", ".join(changed.get(name, name) for name in names)
    connection.execute(
        f"""INSERT INTO {table} ({", ".join(names)})
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count - 1})
            SELECT {values} FROM {table}, n"""  # noqa: S608
    )
