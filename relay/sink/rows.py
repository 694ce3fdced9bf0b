"""The statements of the sink's tables. Each function is one piece of a transaction: a connection and values in."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from relay import log
from relay.database import Connection, marks
from relay.model import Envelope, Origin
from relay.sink.query import Query
from relay.sink.summary import Digest, Summary, from_row

BATCH = 500
_SUMMARY = "seq, id, account, received_at, size, origin, is_read, parsed, facts, attachments, inlines"


@dataclass(frozen=True, slots=True)
class Source:
    """A stored message: `body` is None when it is in a file. `front` is shown before the header block."""

    seq: int
    id: str
    account: str
    envelope: Envelope
    origin: Origin
    received_at: float
    warnings: tuple[str, ...]
    released: tuple[dict[str, Any], ...]
    front: bytes
    headers: bytes
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is kept; the oldest goes first. Age in seconds, None for any."""

    count: int
    octets: int
    age: float | None


def insert(connection: Connection, new: Source, size: int) -> bool:
    """Write a message. False when it is there already: a crash came between keeping it and telling the queue."""
    cursor = connection.execute(
        """INSERT INTO caught (id, account, received_at, size, sender, recipients, eight_bit, smtputf8, origin)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING""",
        (
            new.id,
            new.account,
            new.received_at,
            size,
            new.envelope.sender,
            json.dumps(new.envelope.recipients),
            int(new.envelope.eight_bit),
            int(new.envelope.smtputf8),
            json.dumps({name: getattr(new.origin, name) for name in Origin.__slots__ if name != "conversation"}),
        ),
    )
    if cursor.rowcount != 1:
        return False
    connection.execute(
        "INSERT INTO caught_source (seq, headers, session, body) VALUES (?, ?, ?, ?)",
        (cursor.lastrowid, new.headers, _lines(new.origin.conversation), new.body),
    )
    return True


def _lines(text: str) -> str:
    """What peers said, ready to be kept and shown: nothing but its own line ends."""
    return "\n".join(log.clean(line) for line in text.split("\n"))


def source(connection: Connection, identifier: str) -> Source | None:
    """A message with all that is stored of it."""
    row = connection.execute(
        """SELECT c.seq, c.id, c.account, c.sender, c.recipients, c.eight_bit, c.smtputf8, c.origin, c.received_at,
               c.warnings, c.released, s.session, s.front, s.headers, s.body
           FROM caught AS c JOIN caught_source AS s ON s.seq = c.seq WHERE c.id = ?""",
        (identifier,),
    ).fetchone()
    if row is None:
        return None
    seq, identifier, account, sender, recipients, eight_bit, smtputf8, origin, received_at = row[:9]
    envelope = Envelope(sender, tuple(json.loads(recipients)), eight_bit=bool(eight_bit), smtputf8=bool(smtputf8))
    warnings, released = tuple(json.loads(row[9])), tuple(json.loads(row[10]))
    told = Origin(**json.loads(origin), conversation=row[11])
    return Source(seq, identifier, account, envelope, told, received_at, warnings, released, *row[12:])


def unparsed(connection: Connection, limit: int) -> list[str]:
    """The ids of messages that nobody has looked into, the oldest first."""
    rows = connection.execute("SELECT id FROM caught WHERE parsed = 0 ORDER BY seq LIMIT ?", (limit,)).fetchall()
    return [identifier for (identifier,) in rows]


def save_digest(connection: Connection, seq: int, found: Digest) -> None:
    """Write what looking into a message has shown; nothing if it was deleted meanwhile."""
    columns = [*found.texts]
    texts = ", ".join(f"{column} = ?" for column in columns)
    cursor = connection.execute(
        f"""UPDATE caught SET parsed = 1, size = ?, facts = ?, warnings = ?, attachments = ?, inlines = ?, {texts}
            WHERE seq = ?""",  # noqa: S608 (names of columns)
        (
            found.size,
            json.dumps(found.facts),
            json.dumps(found.warnings),
            found.attachments,
            found.inlines,
            *found.texts.values(),
            seq,
        ),
    )
    if cursor.rowcount == 1:
        connection.execute("UPDATE caught_source SET front = ? WHERE seq = ?", (found.front, seq))
        connection.execute("INSERT OR REPLACE INTO caught_text (seq, text) VALUES (?, ?)", (seq, found.text))
        add_tags(connection, seq, found.tags)


def add_tags(connection: Connection, seq: int, names: Sequence[str]) -> None:
    connection.executemany("INSERT OR IGNORE INTO caught_tag (seq, tag) VALUES (?, ?)", [(seq, tag) for tag in names])


def with_files(connection: Connection, names: Sequence[str]) -> set[str]:
    """Those of `names` that are ids of messages whose body is a file."""
    found: set[str] = set()
    for start in range(0, len(names), BATCH):
        part = names[start : start + BATCH]
        known = connection.execute(
            f"""SELECT c.id FROM caught AS c JOIN caught_source AS s ON s.seq = c.seq
                WHERE c.id IN ({marks(part)}) AND s.body IS NULL""",  # noqa: S608 (only marks)
            part,
        ).fetchall()
        found.update(identifier for (identifier,) in known)
    return found


# --- lists


def newest(connection: Connection, start: int, limit: int, before: float | None) -> list[int]:
    """The `seq` of a page of messages, newest first. It walks a narrow index, whatever the page's number."""
    earlier = "" if before is None else "WHERE received_at < ?"
    rows = connection.execute(
        f"SELECT seq FROM caught {earlier} ORDER BY received_at DESC, seq DESC LIMIT ? OFFSET ?",  # noqa: S608
        (*(() if before is None else (before,)), limit, start),
    ).fetchall()
    return [seq for (seq,) in rows]


def counts(connection: Connection) -> tuple[int, int]:
    """How many messages there are, and how many are unread."""
    total: int = connection.execute("SELECT count(*) FROM caught").fetchone()[0]
    unread: int = connection.execute("SELECT count(*) FROM caught WHERE is_read = 0").fetchone()[0]
    return total, unread


def counts_before(connection: Connection, before: float) -> tuple[int, int]:
    """How many messages came before a moment, and how many of those are unread."""
    total, unread = connection.execute(
        "SELECT count(*), coalesce(sum(is_read = 0), 0) FROM caught WHERE received_at < ?", (before,)
    ).fetchone()
    return total, unread


def octets(connection: Connection) -> int:
    """The size of all messages together."""
    found: int = connection.execute("SELECT coalesce(sum(size), 0) FROM caught").fetchone()[0]
    return found


def summaries(connection: Connection, seqs: Sequence[int]) -> list[Summary]:
    """The messages of these `seq`, in their order; those that are gone are left out."""
    found: dict[int, Summary] = {}
    for start in range(0, len(seqs), BATCH):
        part = seqs[start : start + BATCH]
        tags: dict[int, list[str]] = {}
        for seq, tag in connection.execute(
            f"SELECT seq, tag FROM caught_tag WHERE seq IN ({marks(part)}) ORDER BY tag",  # noqa: S608 (only marks)
            part,
        ).fetchall():
            tags.setdefault(seq, []).append(tag)
        for row in connection.execute(f"SELECT {_SUMMARY} FROM caught WHERE seq IN ({marks(part)})", part).fetchall():  # noqa: S608
            found[row[0]] = _summary(row, tuple(tags.get(row[0], ())))
    return [found[seq] for seq in seqs if seq in found]


def _summary(row: Sequence[Any], tags: tuple[str, ...]) -> Summary:
    _, identifier, account, received_at, size, origin, is_read, parsed, facts, attachments, inlines = row
    return from_row(
        facts,
        id=identifier,
        account=account,
        received_at=received_at,
        size=size,
        username=json.loads(origin).get("login", ""),
        read=bool(is_read),
        parsed=bool(parsed),
        attachments=attachments,
        inlines=inlines,
        tags=tags,
    )


def seq_of(connection: Connection, identifiers: Sequence[str]) -> list[int]:
    """The `seq` of those messages that exist."""
    found: list[int] = []
    for start in range(0, len(identifiers), BATCH):
        part = identifiers[start : start + BATCH]
        rows = connection.execute(f"SELECT seq FROM caught WHERE id IN ({marks(part)})", part).fetchall()  # noqa: S608
        found += [seq for (seq,) in rows]
    return found


def window(connection: Connection, query: Query, above: int, limit: int) -> tuple[list[tuple[float, int, int]], int]:
    """Search the next messages in order of `seq`: ([(received_at, seq, is_read)], the last `seq`; 0 at the end)."""
    last: int | None = connection.execute(
        "SELECT max(seq) FROM (SELECT seq FROM caught WHERE seq > ? ORDER BY seq LIMIT ?)", (above, limit)
    ).fetchone()[0]
    if last is None:
        return [], 0
    text = "LEFT JOIN caught_text AS t ON t.seq = c.seq" if query.reads_text else ""
    rows = connection.execute(
        f"""SELECT c.received_at, c.seq, c.is_read FROM caught AS c {text}
            WHERE c.seq > ? AND c.seq <= ? AND {query.condition}""",  # noqa: S608 (made of constants and marks)
        (above, last, *query.parameters),
    ).fetchall()
    return rows, last


# --- changes


def delete(connection: Connection, seqs: Sequence[int]) -> list[str]:
    """Delete messages; the ids of those whose body is a file."""
    files: list[str] = []
    for start in range(0, len(seqs), BATCH):
        part = seqs[start : start + BATCH]
        rows = connection.execute(
            f"""SELECT c.id FROM caught AS c JOIN caught_source AS s ON s.seq = c.seq
                WHERE c.seq IN ({marks(part)}) AND s.body IS NULL""",  # noqa: S608 (only marks)
            part,
        ).fetchall()
        files += [identifier for (identifier,) in rows]
        connection.execute(f"DELETE FROM caught WHERE seq IN ({marks(part)})", part)  # noqa: S608 (only marks)
    return files


def oldest_beyond(connection: Connection, surplus: int, excess: int, older_than: float) -> list[int]:
    """Some of the oldest messages: `surplus` of them, or `excess` octets, and what came before `older_than`."""
    rows = connection.execute(
        "SELECT seq, received_at, size FROM caught ORDER BY received_at, seq LIMIT ?", (BATCH,)
    ).fetchall()
    found: list[int] = []
    for seq, received_at, size in rows:
        if surplus <= 0 and excess <= 0 and received_at >= older_than:
            break
        found.append(seq)
        surplus -= 1
        excess -= size
    return found


def set_read(connection: Connection, seqs: Sequence[int], *, read: bool) -> list[str]:
    """Mark messages; the ids of those that were not so before."""
    changed: list[str] = []
    for start in range(0, len(seqs), BATCH):
        part = seqs[start : start + BATCH]
        rows = connection.execute(
            f"UPDATE caught SET is_read = ? WHERE is_read <> ? AND seq IN ({marks(part)}) RETURNING id",  # noqa: S608
            (int(read), int(read), *part),
        ).fetchall()
        changed += [identifier for (identifier,) in rows]
    return changed


def add_release(connection: Connection, identifier: str, told: dict[str, Any]) -> None:
    """Note that a message was sent on."""
    row = connection.execute("SELECT released FROM caught WHERE id = ?", (identifier,)).fetchone()
    if row is not None:
        kept = [*json.loads(row[0]), told][-100:]
        connection.execute("UPDATE caught SET released = ? WHERE id = ?", (json.dumps(kept), identifier))


# --- tags


def tags_in_use(connection: Connection) -> dict[str, int]:
    """Each tag and how many messages have it, sorted."""
    rows = connection.execute("SELECT tag, count(*) FROM caught_tag GROUP BY tag ORDER BY tag").fetchall()
    return dict(rows)


def set_tags(connection: Connection, seqs: Sequence[int], names: Sequence[str]) -> None:
    """Replace the tags of messages. A tag that is in use keeps the case that it has."""
    known = {tag.casefold(): tag for tag in tags_in_use(connection)}
    for seq in seqs:
        connection.execute("DELETE FROM caught_tag WHERE seq = ?", (seq,))
        add_tags(connection, seq, [known.get(name.casefold(), name) for name in names])


def rename_tag(connection: Connection, old: str, new: str) -> bool:
    """Whether there was one of that name."""
    found = connection.execute("UPDATE OR REPLACE caught_tag SET tag = ? WHERE tag = ?", (new, old)).rowcount
    return found > 0


def delete_tag(connection: Connection, name: str) -> bool:
    return connection.execute("DELETE FROM caught_tag WHERE tag = ?", (name,)).rowcount > 0
