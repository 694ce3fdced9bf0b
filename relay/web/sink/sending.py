"""Mail into the sink by HTTP, and caught mail out of it through a real account."""

import base64
import binascii
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from relay import log
from relay.database import StorageError
from relay.model import MemoryBody, Origin
from relay.sink import Person, Source
from relay.sink.compose import ComposeError, Draft, File, compose
from relay.sink.words import plain
from relay.web.sink import answers, asking
from relay.web.sink.answers import told
from relay.web.sink.asking import Refused
from relay.web.sink.plane import Plane
from relay.web.sink.release import Asked, release


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
        peer = peer_of(request)
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
        given = await asking.fields(request)
        asked = Asked(asking.texts(given, "To"), asking.of(given, "Account", str, ""), peer_of(request))
        queue_id = await release(self._plane, request.path_params["id"], asked)
        answer = answers.done()
        answer.headers["x-queue-id"] = queue_id
        return answer


def peer_of(request: Request) -> str:
    """The address that the request came from."""
    return request.client.host if request.client else ""


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
