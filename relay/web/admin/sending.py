"""A message by API into the queue, under a named client: the same rules and the same trace as by SMTP."""

from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from relay import log, mime
from relay.database import StorageError
from relay.mime import Header
from relay.model import Envelope
from relay.policy import Refusal
from relay.sink import Person
from relay.sink.compose import ComposeError, Draft, compose
from relay.web.admin.operation import Operation
from relay.web.gate import visitor
from relay.web.sink import asking
from relay.web.sink.asking import Refused
from relay.web.view import View

_MOST_RECIPIENTS = 1000


@dataclass(frozen=True, slots=True)
class _Made:
    """A message before the rules have looked at it."""

    envelope: Envelope
    headers: list[Header]
    body: bytes


class SendingOperations:
    """`/send`."""

    def __init__(self, view: View) -> None:
        self._view = view

    def operations(self) -> list[Operation]:
        """One, which queues."""
        text = {"type": "string"}
        people = {"type": "array", "items": text, "minItems": 1}
        body = {
            "client": {**text, "description": "Under whose rules: a [clients.NAME]."},
            "from": {**text, "description": "Envelope sender, and From unless `message` has its own."},
            "to": {**people, "description": "Recipients."},
            "message": {**text, "description": "The whole message (RFC 5322); else subject, text and html make one."},
            "subject": text,
            "text": text,
            "html": text,
        }
        summary = "Put a message into the queue, as that client would by SMTP."
        return [
            Operation("POST", "/send", self.send, summary, body=body, required=("client", "from", "to"), status=202)
        ]

    async def send(self, request: Request) -> Response:
        """Check, then queue."""
        settings, policy = self._view.settings(), self._view.policy()
        limit = max(each.max_message_size for each in settings.listeners.values())
        given = await asking.fields(request, limit * 2 + asking.LARGEST_BODY)
        name = asking.of(given, "client", str, "")
        client = policy.client_by_name(name)
        if client is None:
            raise Refused(400, f"there is no client {name!r}; there are {', '.join(settings.clients)}")
        upload, who = self._view.spool.upload(), visitor(request)
        made = await self._made(given, upload.id)
        try:
            queued = await self._view.hand_in(client, made.envelope, made.headers, made.body, upload, who.peer)
        except (StorageError, OSError) as error:
            log.delivery.storage_trouble(str(error))
            raise Refused(503, "the message cannot be queued now") from error
        if isinstance(queued, Refusal):
            return _refused(queued)
        self._view.audit.note(who.name, who.peer, "send", queued.id, f"queued under the client {name}")
        parts = [{"id": one.id, "account": one.account} for one in (queued, *queued.parts)]
        return JSONResponse({"id": queued.id, "account": queued.account, "parts": parts}, 202)

    async def _made(self, given: dict[str, Any], message_id: str) -> _Made:
        sender, to = asking.of(given, "from", str, ""), asking.texts(given, "to")
        for address in [*([sender] if sender else []), *to]:
            if mime.canonical(address) is None:
                raise Refused(400, f"{address[:254]!r} is no address")
        if not to or len(to) > _MOST_RECIPIENTS:
            raise Refused(400, f'name from 1 to {_MOST_RECIPIENTS} recipients in "to"')
        recipients = tuple(dict.fromkeys(to))
        whole = asking.of(given, "message", str, "")
        if whole:
            octets = whole.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n").encode("utf-8", "replace")
            if b"\0" in octets:
                raise Refused(400, "the message holds a NUL octet; send it base64-encoded (RFC 5321 2.4)")
            return _Made(_envelope(sender, recipients, octets), *_parts(octets))
        draft = Draft(
            Person("", sender),
            [Person("", one) for one in recipients],
            subject=asking.of(given, "subject", str, ""),
            text=asking.of(given, "text", str, ""),
            html=asking.of(given, "html", str, ""),
        )
        try:
            made = await run_in_threadpool(
                compose, draft, message_id, self._view.settings().hostname, self._view.clock.time()
            )
        except ComposeError as error:
            raise Refused(400, str(error)) from error
        envelope = _envelope(sender, recipients, made.headers + made.body)
        return _Made(envelope, mime.split_headers(made.headers), made.body)


def _refused(refusal: Refusal) -> Response:
    """A refusal of the rules, with the line that SMTP would have said."""
    told: dict[str, Any] = {"error": str(refusal)}
    if refusal.retry_after:
        wait = {"retry-after": str(refusal.retry_after)}
        return JSONResponse({**told, "retry_after": refusal.retry_after}, 429, wait)
    return JSONResponse(told, 413 if refusal.code == 552 else 403)


def _parts(octets: bytes) -> tuple[list[Header], bytes]:
    """Header block and body; what has no field at all is body, as by SMTP."""
    if octets.startswith(b"\r\n"):
        return [], octets[2:]
    block, _, body = octets.partition(b"\r\n\r\n")
    headers = mime.split_headers(block + b"\r\n")
    return (headers, body) if any(header.name for header in headers) else ([], octets)


def _envelope(sender: str, recipients: tuple[str, ...], octets: bytes) -> Envelope:
    international = not all(address.isascii() for address in (sender, *recipients))
    return Envelope(sender, recipients, eight_bit=not octets.isascii(), smtputf8=international)
