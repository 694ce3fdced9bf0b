"""The Gmail API's `users.messages.send` in its four forms: JSON, media, multipart and resumable (docs/sources.md).

Everybody in To, Cc and Bcc gets the message, and what they get still holds the Bcc: whether the real one takes it out
is not documented, so a client had better not count on it.
"""

import base64
import binascii
import json
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from relay import log
from relay.model import Clock
from relay.sandbox import api_errors, mail
from relay.sandbox.faults import Fault, Faults
from relay.sandbox.google import Google
from relay.sandbox.http import general_fault, hang_up, json_bytes, read_body, retry_after
from relay.sandbox.mailbox import Mailbox, Mailboxes
from relay.sandbox.received import Received, ReceivedList
from relay.sandbox.settings import SandboxSettings

LARGEST = 36_700_160
MOST_RECIPIENTS = 100
_PATH = "gmail/v1/users/{user}/messages/send"
_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+)")
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*={0,2}")
_DAY = 24 * 3600.0
_MOST_COMPLETE = 100
_LIMIT = "User-rate limit exceeded.  Retry after {} (Mail sending)"
_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
}
_USAGE = {"rateLimitExceeded", "userRateLimitExceeded", "dailyLimitExceeded"}
"""Reasons of the domain `usageLimits`."""


@dataclass
class GmailError(Exception):
    """A refusal: HTTP status, reason and message."""

    status: int
    reason: str
    text: str


@dataclass
class _Upload:
    mailbox: Mailbox
    size: int
    data: bytearray = field(default_factory=bytearray)
    answer: bytes = b""
    """What was answered when it was complete: said again to who asks."""


_Handler = Callable[[Request, Mailbox], Awaitable[Response]]


@dataclass
class Gmail:
    """Takes mail from the users that the stand-in Google has issued tokens for."""

    settings: SandboxSettings
    mailboxes: Mailboxes
    google: Google
    received: ReceivedList
    faults: Faults
    clock: Clock
    uploads: dict[str, _Upload] = field(default_factory=dict)

    def routes(self) -> list[BaseRoute]:
        """The forms, each at the address that the discovery document gives it."""
        return [
            Route(f"/{_PATH}", self.send_json, methods=["POST"]),
            Route(f"/upload/{_PATH}", self.send_upload, methods=["POST"]),
            Route(f"/resumable/upload/{_PATH}", self.begin, methods=["POST"]),
            Route(f"/resumable/upload/{_PATH}", self.put, methods=["PUT"]),
        ]

    async def send_json(self, request: Request) -> Response:
        """`{"raw": base64url}`."""
        return await self._answer(request, "gmail", self._from_json)

    async def send_upload(self, request: Request) -> Response:
        """The raw octets, alone or behind a description."""
        return await self._answer(request, "gmail", self._from_upload)

    async def begin(self, request: Request) -> Response:
        """Open a resumable upload."""
        return await self._answer(request, "gmail", self._opened)

    async def put(self, request: Request) -> Response:
        """A piece of a resumable upload, or the question how far it is."""
        return await self._answer(request, "gmail_upload", self._piece)

    async def _answer(self, request: Request, point: str, handler: _Handler) -> Response:
        fault = await self.faults.at(point, mailbox=self._user(request))
        if fault is not None:
            return await self._faulty(request, fault)
        try:
            return await handler(request, self._authorised(request))
        except GmailError as error:
            log.sandbox.refused("gmail", self._user(request), (), f"{error.status} {error.reason}: {error.text}")
            return _error(error)

    async def _faulty(self, request: Request, fault: Fault) -> Response:
        if (answer := await general_fault(request, fault)) is not None:
            return answer
        if fault.kind == "session_expired":
            self.uploads.clear()
            return Response("Not Found", HTTPStatus.NOT_FOUND)
        reason = fault.code or "rateLimitExceeded"
        texts = {"userRateLimitExceeded": _LIMIT.format(fault.body)}
        status = HTTPStatus.FORBIDDEN if reason == "dailyLimitExceeded" else HTTPStatus.TOO_MANY_REQUESTS
        throttled = (int(status), texts.get(reason, "Rate Limit Exceeded"))
        code, text = api_errors.GMAIL[reason] if fault.kind == "refused" else throttled
        answer = _error(GmailError(code, reason, text))
        answer.headers.update(retry_after(fault))
        return answer

    def _user(self, request: Request) -> str:
        token = request.headers.get("authorization", "").partition(" ")[2]
        return self.google.issued.get(token.strip(), "")

    def _authorised(self, request: Request) -> Mailbox:
        user = self._user(request)
        mailbox = self.mailboxes.find(user) if user else None
        if mailbox is None:
            text = "Request had invalid authentication credentials. Expected OAuth 2 access token."
            raise GmailError(HTTPStatus.UNAUTHORIZED, "authError", text)
        if request.path_params["user"].lower() not in ("me", user.lower()):
            raise GmailError(HTTPStatus.FORBIDDEN, "insufficientPermissions", f"Delegation denied for {user}")
        return mailbox

    async def _from_json(self, request: Request, mailbox: Mailbox) -> Response:
        body = await self._body(request)
        try:
            raw = _from_base64url(json.loads(body)["raw"])
        except (ValueError, KeyError, TypeError, binascii.Error, RecursionError):
            text = "'raw' RFC822 payload message string or uploading message via /upload/* URL required"
            raise GmailError(HTTPStatus.BAD_REQUEST, "invalidArgument", text) from None
        return await self._take(request, mailbox, raw)

    async def _from_upload(self, request: Request, mailbox: Mailbox) -> Response:
        body = await self._body(request)
        if request.query_params.get("uploadType") == "multipart":
            body = _second_part(body, request.headers.get("content-type", ""))
        return await self._take(request, mailbox, body)

    async def _opened(self, request: Request, mailbox: Mailbox) -> Response:
        await self._body(request)
        told = request.headers.get("x-upload-content-length", "")
        if not told.isdecimal():
            raise GmailError(HTTPStatus.BAD_REQUEST, "badRequest", "Failed to parse X-Upload-Content-Length header.")
        if (size := int(told)) > LARGEST:
            raise _too_large()
        identifier = secrets.token_urlsafe(40)
        self.uploads[identifier] = _Upload(mailbox, size)
        place = f"{request.url.scheme}://{request.url.netloc}{request.url.path}?uploadType=resumable"
        return Response(status_code=200, headers={"location": f"{place}&upload_id={identifier}"})

    async def _piece(self, request: Request, _mailbox: Mailbox) -> Response:
        upload = self.uploads.get(request.query_params.get("upload_id", ""))
        match = _RANGE.fullmatch(request.headers.get("content-range", ""))
        if upload is None:
            return Response("Not Found", HTTPStatus.NOT_FOUND)
        body = await self._body(request)
        if match is None or int(match[3]) != upload.size:
            raise GmailError(HTTPStatus.BAD_REQUEST, "badRequest", "Failed to parse Content-Range header.")
        if upload.answer != b"":
            return Response(upload.answer, media_type="application/json")
        if match[1] is not None and int(match[1]) == len(upload.data):
            upload.data += body
        if len(upload.data) >= upload.size:
            return await self._take(request, upload.mailbox, bytes(upload.data), upload)
        fault = await self.faults.at("gmail_uploaded", mailbox=upload.mailbox.address)
        if fault is not None and fault.kind == "disconnect":
            return await hang_up(request)
        reached = {"range": f"bytes=0-{len(upload.data) - 1}"} if upload.data else {}
        return Response(status_code=308, headers=reached)

    async def _take(self, request: Request, mailbox: Mailbox, raw: bytes, upload: _Upload | None = None) -> Response:
        recipients = self._checked(raw)
        answer = self._keep(mailbox, raw, recipients)
        if upload is not None:
            upload.answer = bytes(answer.body)
            upload.data.clear()
            self._forget_old_uploads()
        fault = await self.faults.at("gmail_taken", mailbox=mailbox.address)
        if fault is not None and fault.kind == "disconnect":
            return await hang_up(request)
        return (fault is not None and await general_fault(request, fault)) or answer

    def _checked(self, raw: bytes) -> list[str]:
        """Everybody whom the message names. Raises GmailError."""
        if len(raw) > LARGEST:
            raise _too_large()
        recipients = mail.addresses(mail.fields(raw), "to", "cc", "bcc")
        if not recipients:
            raise GmailError(HTTPStatus.BAD_REQUEST, "invalidArgument", "Recipient address required")
        if len(recipients) > MOST_RECIPIENTS:
            raise GmailError(HTTPStatus.BAD_REQUEST, "invalidArgument", "Too many recipients")
        limit = self.settings.gmail_messages_per_day
        if limit is not None and sum(one.way == "gmail" for one in self.received) >= limit:
            until = datetime.fromtimestamp(self.clock.time() + _DAY, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
            raise GmailError(HTTPStatus.TOO_MANY_REQUESTS, "userRateLimitExceeded", _LIMIT.format(until))
        return recipients

    def _keep(self, mailbox: Mailbox, raw: bytes, recipients: list[str]) -> Response:
        """Keep the message as sent; the answer that says so."""
        fields = mail.fields(raw)
        identifier = secrets.token_hex(8)
        message_id = mail.message_id(fields) or f"<CA{secrets.token_urlsafe(30)}@mail.gmail.com>"
        senders = mail.addresses(fields, "from")
        # Another From than the user's own is replaced, unless it is one of the user's aliases.
        sender = senders[0] if senders and mailbox.may_send_as(senders[0]) else mailbox.address
        self.received.add(
            Received(
                number=self.received.next_number,
                way="gmail",
                at=self.clock.time(),
                mailbox=mailbox.address,
                sender=sender,
                recipients=tuple(recipients),
                raw=raw,
                subject=mail.subject(fields),
                message_id=mail.message_id(fields),
                new_message_id=message_id,
                reply="200 OK",
            )
        )
        body = json_bytes({"id": identifier, "threadId": identifier, "labelIds": ["SENT"]})
        return Response(body, media_type="application/json")

    def _forget_old_uploads(self) -> None:
        """Of those that are complete only the newest are asked about again."""
        complete = [identifier for identifier, upload in self.uploads.items() if upload.answer]
        for identifier in complete[:-_MOST_COMPLETE]:
            del self.uploads[identifier]

    async def _body(self, request: Request) -> bytes:
        body = await read_body(request, LARGEST * 2)
        if body is None:
            raise _too_large()
        return body


def _from_base64url(text: str) -> bytes:
    """Of the URL-safe alphabet only (RFC 4648 5), with or without padding. Raises ValueError, TypeError."""
    if not _BASE64URL.fullmatch(text):
        raise ValueError("no base64url")
    bare = text.rstrip("=")
    return base64.urlsafe_b64decode(bare + "=" * (-len(bare) % 4))


def _second_part(body: bytes, content_type: str) -> bytes:
    """The message behind its description (RFC 2387). Raises GmailError."""
    boundary = re.search(r'boundary="?([^";]+)', content_type)
    parts = body.split(b"--" + boundary[1].encode()) if boundary else []
    if len(parts) != 4:
        raise GmailError(HTTPStatus.BAD_REQUEST, "badContent", "Missing end boundary in multipart body.")
    return parts[2].partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")


def _too_large() -> GmailError:
    return GmailError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "uploadTooLarge", "Request Entity Too Large")


def _error(error: GmailError) -> Response:
    status = "FAILED_PRECONDITION" if error.reason == "failedPrecondition" else _STATUSES.get(error.status, "UNKNOWN")
    domain = "usageLimits" if error.reason in _USAGE else "global"
    one: Mapping[str, str] = {"message": error.text, "domain": domain, "reason": error.reason}
    body = {"error": {"code": int(error.status), "message": error.text, "errors": [one], "status": status}}
    return Response(json_bytes(body), error.status, media_type="application/json")
