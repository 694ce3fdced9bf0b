"""A message by API into the queue, under a named client: the same rules and the same trace as by SMTP."""

from dataclasses import dataclass, replace
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from relay import log, mime
from relay.config import Client
from relay.database import StorageError
from relay.mime import Header
from relay.model import Envelope, MemoryBody, Origin
from relay.policy import ClientPolicy, Decision, Refusal
from relay.sink import Person
from relay.sink.compose import ComposeError, Draft, compose
from relay.spool import Submission
from relay.web.admin.operation import Operation
from relay.web.gate import visitor
from relay.web.sink import asking
from relay.web.sink.asking import Refused
from relay.web.view import View

_LISTENER = "api"
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
        upload = self._view.spool.upload()
        made = await self._made(given, upload.id)
        size = sum(len(one.raw) for one in made.headers) + 2 + len(made.body)
        if size > min(limit, _largest(settings.clients[name], limit)):
            raise Refused(413, f"{size:,} octets are more than the client may send")
        decision = self._decided(client, made)
        submission = self._submission(request, client, made, decision, upload.id)
        body = MemoryBody.of(made.body)
        try:
            await upload.write(body.data, body.dots)
            await self._view.spool.put(upload, submission)
        except (StorageError, OSError) as error:
            await upload.discard()
            log.delivery.storage_trouble(str(error))
            raise Refused(503, "the message cannot be queued now") from error
        who = visitor(request)
        self._view.audit.note(who.name, who.peer, "send", upload.id, f"queued under the client {name}")
        return JSONResponse({"id": upload.id, "account": submission.account}, 202)

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
            block, _, body = octets.partition(b"\r\n\r\n")
            headers = mime.split_headers(block + b"\r\n" if block else b"")
            return _Made(_envelope(sender, recipients, octets), headers, body)
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

    def _decided(self, client: ClientPolicy, made: _Made) -> Decision:
        policy = self._view.policy()
        verdicts = [policy.check_sender(client, made.envelope.sender)]
        verdicts += [policy.check_recipient(client, address) for address in made.envelope.recipients]
        refusal = next((each for each in verdicts if each is not None), None)
        decision = refusal or policy.check_message(client, made.envelope, made.headers)
        if isinstance(decision, Refusal):
            raise Refused(403, str(decision))
        return decision

    def _submission(
        self, request: Request, client: ClientPolicy, made: _Made, decision: Decision, message_id: str
    ) -> Submission:
        now = self._view.clock.time()
        headers = mime.edit_sender(made.headers, decision.edit) if decision.edit else made.headers
        international = made.envelope.smtputf8 or mime.needs_smtputf8(headers)
        envelope = replace(made.envelope, sender=decision.sender, smtputf8=international)
        origin = Origin(client.name, _LISTENER, visitor(request).peer)
        hop = mime.Hop(origin, envelope, self._view.settings().hostname, message_id, now)
        return Submission(
            account=decision.account,
            envelope=envelope,
            headers=mime.prepare(headers, hop),
            origin=origin,
            received_at=now,
            expires_at=now + client.max_age,
            message_id=mime.message_id(headers),
            subject=mime.subject(headers),
        )


def _envelope(sender: str, recipients: tuple[str, ...], octets: bytes) -> Envelope:
    international = not all(address.isascii() for address in (sender, *recipients))
    return Envelope(sender, recipients, eight_bit=not octets.isascii(), smtputf8=international)


def _largest(client: Client, default: int) -> int:
    return client.max_message_size if client.max_message_size is not None else default
