"""Caught mail on its way after all: into the queue of a real account, as a new message, to whom `release_to` allows."""

from collections.abc import Sequence
from dataclasses import dataclass

from relay import log, mime
from relay.database import StorageError
from relay.mime import SenderEdit
from relay.model import Envelope, MemoryBody, Origin
from relay.sink import Source, changes
from relay.sink import summary as reading
from relay.sink.words import plain
from relay.spool import Submission
from relay.web.sink.asking import Refused
from relay.web.sink.plane import Plane

_MOST_RECIPIENTS = 100
_NOT_RELEASED = frozenset(
    (b"date", b"message-id", b"bcc", b"resent-bcc", b"return-path", b"sender", b"x-tags", b"received")
)
"""A released message is a new one; its old trace would tell to whom it went the first time."""


@dataclass(frozen=True, slots=True)
class Asked:
    """To whom, through which account ("" where there is only one), and who asks."""

    to: Sequence[str]
    account: str
    by: str


async def release(plane: Plane, identifier: str, asked: Asked) -> str:
    """Queue a caught message; its id in the queue. It goes out from the account's own address, if that has one.

    Raises Refused.
    """
    source = await plane.store.source(identifier)
    if source is None:
        raise Refused(404, "404 page not found")
    to, account = _recipients(plane, asked.to), _account(plane, asked.account)
    queue_id = await _queue(plane, source, to, account)
    note = {"Time": plane.clock.time(), "Account": account, "To": list(to), "QueueID": queue_id}
    await changes.note_release(plane.store, source.id, note)
    log.web.released(source.id, queue_id, account, to, asked.by)
    return queue_id


def _recipients(plane: Plane, given: Sequence[str]) -> tuple[str, ...]:
    for address in given:
        if mime.canonical(address) is None:
            raise Refused(400, f"Invalid email address: {plain(address)[:254]}")
    if not given or len(given) > _MOST_RECIPIENTS:
        raise Refused(400, f"at most {_MOST_RECIPIENTS} addresses" if given else "No valid addresses found")
    for address in given:
        if address not in plane.release_to:
            text = f"Failed: Address do not match the allowlist: {plain(address)} (add it to sink.release_to)"
            raise Refused(400, text)
    return tuple(dict.fromkeys(given))


def _account(plane: Plane, wanted: str) -> str:
    ways = plane.ways
    if not ways:
        raise Refused(400, "there is no account that mail could leave through: add an [accounts.NAME]")
    if not wanted and len(ways) == 1:
        return next(iter(ways))
    if wanted not in ways:
        raise Refused(400, f"name the account that it leaves through, as Account: one of {', '.join(ways)}")
    return wanted


async def _queue(plane: Plane, source: Source, to: tuple[str, ...], account: str) -> str:
    """Into the spool, as a new message of its own; its id there."""
    octets, now = await plane.store.octets(source), plane.clock.time()
    headers = mime.split_headers(source.headers)
    who = [person.address for name in (b"sender", b"from") for person in reading.values(headers, name)]
    own = plane.ways[account]
    sender = own or next(iter(who), source.envelope.sender)
    kept = mime.without(headers, _NOT_RELEASED)
    if own and [person.address.casefold() for person in reading.values(headers, b"from")] != [own.casefold()]:
        kept = mime.edit_sender(kept, SenderEdit(own))
    international = mime.needs_smtputf8(kept) or not all(each.isascii() for each in (sender, *to))
    envelope = Envelope(sender, to, eight_bit=source.envelope.eight_bit, smtputf8=international)
    body = MemoryBody.of(octets[len(source.front) + len(source.headers) + 2 :])
    upload = plane.spool.upload()
    origin = Origin("release", "web", source.origin.peer)
    submission = Submission(
        account=account,
        envelope=envelope,
        headers=mime.prepare(kept, mime.Hop(origin, envelope, plane.hostname, upload.id, now)),
        origin=origin,
        received_at=now,
        expires_at=now + plane.max_age,
        subject=mime.subject(headers),
    )
    try:
        await upload.write(body.data, body.dots)
        await plane.spool.put(upload, submission)
    except (StorageError, OSError) as error:
        await upload.discard()
        log.delivery.storage_trouble(str(error))
        raise Refused(503, "the message cannot be queued now") from error
    return upload.id
