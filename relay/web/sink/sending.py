"""Mail into the sink by HTTP, and caught mail out of it through a real account."""

import base64
import binascii
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from relay import log, mime
from relay.database import StorageError
from relay.mime import SenderEdit
from relay.model import Envelope, MemoryBody, Origin
from relay.sink import Person, Source, changes
from relay.sink import summary as reading
from relay.sink.compose import ComposeError, Draft, File, compose
from relay.sink.words import plain
from relay.spool import Submission
from relay.web.sink import answers, asking
from relay.web.sink.answers import told
from relay.web.sink.asking import Refused
from relay.web.sink.plane import Plane

_MOST_RELEASED = 100
_NOT_RELEASED = frozenset(
    (b"date", b"message-id", b"bcc", b"resent-bcc", b"return-path", b"sender", b"x-tags", b"received")
)
"""A released message is a new one; its old trace would tell to whom it went the first time."""


class Sending:
    """`/api/v1/send` and `/api/v1/message/{id}/release`."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane

    def routes(self) -> list[Route]:
        """In Mailpit's places."""
        return [
            Route("/api/v1/send", self.send, methods=["POST"]),
            Route("/api/v1/message/{id}/release", told(self.release), methods=["POST"]),
        ]

    async def send(self, request: Request) -> Response:
        """Make a message of JSON and keep it, as if it had come by SMTP. Refusals are JSON here, and only here."""
        try:
            return await self._send(request)
        except Refused as refused:
            return JSONResponse({"Error": str(refused)}, refused.status)
        except ComposeError as error:
            return JSONResponse({"Error": str(error)}, 400)

    async def _send(self, request: Request) -> Response:
        plane = self._plane
        limit = plane.max_message_size * 4 // 3 + asking.LARGEST_BODY
        draft = _draft(await asking.fields(request, limit))
        upload = plane.spool.upload()  # never written to: only its new name is wanted
        now = plane.clock.time()
        made = await run_in_threadpool(compose, draft, upload.id, plane.hostname, now)
        if len(made.headers) + 2 + len(made.body) > plane.max_message_size:
            raise Refused(413, f"the message is larger than {plane.max_message_size:,} octets")
        peer = request.client.host if request.client else ""
        origin = Origin("sink API", "web", peer, login=user_of(request))
        new = Source(0, upload.id, plane.account, made.envelope, origin, now, (), (), b"", made.headers, None)
        try:
            await plane.store.add(new, MemoryBody.of(made.body))
        except (StorageError, OSError) as error:
            log.delivery.storage_trouble(str(error))
            raise Refused(503, "the message cannot be stored now") from error
        sender, recipients = made.envelope.sender, made.envelope.recipients
        size = len(made.headers) + 2 + len(made.body)
        log.upstream.sink_took(upload.id, plane.account, sender, recipients, draft.subject, size, "sink API")
        return answers.as_json({"ID": upload.id})

    async def release(self, request: Request) -> Response:
        """Put a caught message into the queue of a real account, for the recipients that are asked for."""
        source = await self._plane.store.source(request.path_params["id"])
        if source is None:
            raise Refused(404, "404 page not found")
        given = await asking.fields(request)
        to = self._recipients(asking.texts(given, "To"))
        account = self._account(asking.of(given, "Account", str, ""))
        queue_id = await self._queue(source, await self._plane.store.octets(source), to, account)
        now = self._plane.clock.time()
        note = {"Time": now, "Account": account, "To": list(to), "QueueID": queue_id}
        await changes.note_release(self._plane.store, source.id, note)
        log.web.released(source.id, queue_id, account, to, request.client.host if request.client else "")
        answer = answers.done()
        answer.headers["x-queue-id"] = queue_id
        return answer

    def _recipients(self, given: list[str]) -> tuple[str, ...]:
        for address in given:
            if mime.canonical(address) is None:
                raise Refused(400, f"Invalid email address: {plain(address)[:254]}")
        if not given or len(given) > _MOST_RELEASED:
            raise Refused(400, "No valid addresses found" if not given else f"at most {_MOST_RELEASED} addresses")
        for address in given:
            if address not in self._plane.release_to:
                text = f"Failed: Address do not match the allowlist: {plain(address)} (add it to sink.release_to)"
                raise Refused(400, text)
        return tuple(dict.fromkeys(given))

    def _account(self, wanted: str) -> str:
        ways = self._plane.ways
        if not ways:
            raise Refused(400, "there is no account that mail could leave through: add an [accounts.NAME]")
        if not wanted and len(ways) == 1:
            return next(iter(ways))
        if wanted not in ways:
            raise Refused(400, f"name the account that it leaves through, as Account: one of {', '.join(ways)}")
        return wanted

    async def _queue(self, source: Source, octets: bytes, to: tuple[str, ...], account: str) -> str:
        """Into the spool, as a new message of its own; its id there."""
        plane, now = self._plane, self._plane.clock.time()
        headers = mime.split_headers(source.headers)
        who = [p.address for name in (b"sender", b"from") for p in reading.values(headers, name)]
        own = plane.ways[account]
        sender = own or next(iter(who), source.envelope.sender)
        kept = mime.without(headers, _NOT_RELEASED)
        if own and [p.address.casefold() for p in reading.values(headers, b"from")] != [own.casefold()]:
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


def user_of(request: Request) -> str:
    """The user name of a Basic login, "" without one; whether the password is right was checked before."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return plain(base64.b64decode(token, validate=True).decode("utf-8", "replace").partition(":")[0])[:200]
    except (binascii.Error, ValueError):
        return ""


def _draft(given: dict[str, Any]) -> Draft:
    sender = _people([asking.of(given, "From", dict, {})], "From")
    headers = asking.of(given, "Headers", dict, {})
    if not all(isinstance(value, str) for value in headers.values()):
        raise Refused(400, "Headers must be an object of texts")
    return Draft(
        sender=sender[0],
        to=_people(asking.of(given, "To", list, []), "To"),
        cc=_people(asking.of(given, "Cc", list, []), "Cc"),
        bcc=asking.texts(given, "Bcc"),
        reply_to=_people(asking.of(given, "ReplyTo", list, []), "ReplyTo"),
        subject=asking.of(given, "Subject", str, ""),
        text=asking.of(given, "Text", str, ""),
        html=asking.of(given, "HTML", str, ""),
        headers=headers,
        tags=asking.texts(given, "Tags"),
        files=[_file(asking.lowered(each)) for each in asking.of(given, "Attachments", list, [])],
    )


def _people(given: list[Any], name: str) -> list[Person]:
    found = [asking.lowered(each) for each in given]
    return [
        Person(asking.of(each, "Name", str, ""), asking.of(each, "Email", str, "") or _no_address(name))
        for each in found
    ]


def _no_address(name: str) -> str:
    raise Refused(400, f"invalid {name} address: ")


def _file(given: dict[str, Any]) -> File:
    return File(
        content=asking.of(given, "Content", str, ""),
        name=asking.of(given, "Filename", str, ""),
        content_type=asking.of(given, "ContentType", str, ""),
        content_id=asking.of(given, "ContentID", str, ""),
    )
