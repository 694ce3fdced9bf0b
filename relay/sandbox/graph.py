"""Microsoft Graph's `POST /v1.0/users/{id}/sendMail` (docs/sources.md)."""

import contextlib
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from relay import log
from relay.model import Clock
from relay.sandbox import api_errors, mail
from relay.sandbox.faults import Fault, Faults
from relay.sandbox.graph_message import GraphError, Submission, from_json, from_mime
from relay.sandbox.http import general_fault, hang_up, json_bytes, read_body, retry_after, truncated
from relay.sandbox.mailbox import Mailbox, Mailboxes
from relay.sandbox.received import Received, ReceivedList
from relay.sandbox.settings import MIB, SandboxSettings, object_id
from relay.sandbox.tokens import GRAPH, TokenRefusedError, Tokens

LARGEST_REQUEST = 4 * MIB
_TOKEN_REFUSALS = {
    "malformed": "IDX14100: JWT is not well formed, there are no dots (.).",
    "signature": "Invalid token: signature validation failed.",
    "expired": "Lifetime validation failed, the token is expired.",
    "audience": "Access token validation failure. Invalid audience.",
}
_CHALLENGE = (
    'Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize",'
    ' client_id="00000003-0000-0000-c000-000000000000"'
)
_THROTTLED = {
    "ApplicationThrottled": "Application is over its MailboxConcurrency limit.",
    "TooManyRequests": "Please retry again later.",
}
_TOO_LARGE = (
    "<html><head><title>413 Request Entity Too Large</title></head><body>Request Entity Too Large</body></html>"
)


@dataclass(frozen=True, slots=True)
class Graph:
    """Takes mail for the tenant's mailboxes."""

    settings: SandboxSettings
    mailboxes: Mailboxes
    tokens: Tokens
    received: ReceivedList
    faults: Faults
    clock: Clock

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/v1.0/users/{user}/sendMail", self.send_mail, methods=["POST"]),
            Route("/v1.0/me/sendMail", self.send_mail, methods=["POST"]),
        ]

    async def send_mail(self, request: Request) -> Response:
        """Answer one request; a fault ordered at `graph` strikes before anything is taken."""
        user = request.path_params.get("user") or self._signed_in(request)
        if not user:
            text = "/me request is only valid with delegated authentication flow."
            return self.error(request, GraphError(HTTPStatus.BAD_REQUEST, "BadRequest", text))
        fault = await self.faults.at("graph", mailbox=user)
        if fault is not None:
            return await self.faulty(request, fault)
        try:
            mailbox = self.authorised(request, user)
            async with self.place(mailbox):
                answer = await self._submit(request, mailbox)
        except GraphError as error:
            log.sandbox.refused("graph", user, (), f"{error.status} {error.code}: {error.text}")
            answer = self.error(request, error)
        return answer

    async def faulty(self, request: Request, fault: Fault) -> Response:
        """The answer that a fault gives in place of the real one."""
        if (answer := await general_fault(request, fault)) is not None:
            return answer
        if fault.kind == "truncated_json":
            return truncated(self.error(request, GraphError(HTTPStatus.SERVICE_UNAVAILABLE, "UnknownError", "")))
        code = fault.code or "TooManyRequests"
        throttled = (int(HTTPStatus.TOO_MANY_REQUESTS), _THROTTLED.get(code, "Please retry again later."))
        status, text = api_errors.GRAPH[code] if fault.kind == "refused" else throttled
        answer = self.error(request, GraphError(status, code, text))
        answer.headers.update(retry_after(fault))
        return answer

    def authorised(self, request: Request, user: str, permission: str = "Mail.Send") -> Mailbox:
        """The mailbox, if the request's token has `permission` on it. Raises GraphError."""
        claims = self._claims(request)
        own = claims.get("upn", "").lower() == user.lower() and permission in claims.get("scp", "").split()
        if not own and permission not in claims.get("roles", ()):
            text = "Access is denied. Check credentials and try again."
            raise GraphError(HTTPStatus.FORBIDDEN, "ErrorAccessDenied", text)
        mailbox = self._mailbox(user)
        if mailbox is None:
            raise GraphError(HTTPStatus.NOT_FOUND, "ErrorInvalidUser", f"The requested user '{user}' is invalid.")
        return mailbox

    def _claims(self, request: Request) -> Mapping[str, Any]:
        """Those of the request's token. Raises GraphError."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise GraphError(HTTPStatus.UNAUTHORIZED, "InvalidAuthenticationToken", "Access token is empty.")
        try:
            return self.tokens.check(token.strip(), GRAPH)
        except TokenRefusedError as error:
            text = _TOKEN_REFUSALS[error.reason]
            raise GraphError(HTTPStatus.UNAUTHORIZED, "InvalidAuthenticationToken", text) from None

    def _signed_in(self, request: Request) -> str:
        """Who "me" is: the user of a delegated token; "" for an application, which has no "me"."""
        try:
            return str(self._claims(request).get("upn", ""))
        except GraphError:
            return ""

    def _mailbox(self, user: str) -> Mailbox | None:
        by_id = (mailbox for mailbox in self.mailboxes if object_id(mailbox.address) == user.lower())
        return self.mailboxes.find(user) or next(by_id, None)

    @contextlib.asynccontextmanager
    async def place(self, mailbox: Mailbox) -> AsyncIterator[None]:
        """One of the requests that a mailbox has at a time. Raises GraphError when there are too many."""
        limit = self.settings.graph_concurrency
        if limit is not None and mailbox.graph_requests >= limit:
            text = _THROTTLED["ApplicationThrottled"]
            raise GraphError(HTTPStatus.TOO_MANY_REQUESTS, "ApplicationThrottled", text, wait="10")
        mailbox.graph_requests += 1
        mailbox.most_graph_requests = max(mailbox.most_graph_requests, mailbox.graph_requests)
        try:
            yield
        finally:
            mailbox.graph_requests -= 1

    async def _submit(self, request: Request, mailbox: Mailbox) -> Response:
        body = await read_body(request, LARGEST_REQUEST)
        if body is None:
            log.sandbox.refused("graph", mailbox.address, (), "413 Request Entity Too Large")
            return Response(_TOO_LARGE, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, self.ids(request), "text/html")
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        submission = from_mime(body) if content_type == "text/plain" else from_json(body, mailbox.address)
        self.check(submission, mailbox)
        self.take(submission, mailbox)
        return await self.taken(request, mailbox)

    async def taken(self, request: Request, mailbox: Mailbox) -> Response:
        """The answer to what has been taken, unless a fault was ordered for it."""
        fault = await self.faults.at("graph_taken", mailbox=mailbox.address)
        if fault is not None and fault.kind == "disconnect":
            return await hang_up(request)
        if fault is not None and (answer := await general_fault(request, fault)) is not None:
            return answer
        return Response(status_code=HTTPStatus.ACCEPTED, headers=self.ids(request))

    def check(self, submission: Submission, mailbox: Mailbox) -> None:
        """Size, recipients, sender. Raises GraphError."""
        largest = self.settings.max_message_size
        if largest is not None and len(submission.raw) > largest:
            text = "The message exceeds the maximum supported size."
            raise GraphError(HTTPStatus.BAD_REQUEST, "ErrorMessageSizeExceeded", text)
        limit = self.settings.recipients
        if limit is not None and len(submission.recipients) > limit:
            text = "The message has more recipients than this mailbox may address."
            raise GraphError(HTTPStatus.BAD_REQUEST, "ErrorExceededMaxRecipientLimit", text)
        if submission.sender and not mailbox.may_send_as(submission.sender):
            raise GraphError(HTTPStatus.FORBIDDEN, "ErrorSendAsDenied", api_errors.GRAPH["ErrorSendAsDenied"][1])

    def take(self, submission: Submission, mailbox: Mailbox) -> None:
        """Keep the message as sent."""
        fields = mail.fields(submission.raw)
        message_id = mail.message_id(fields)
        self.received.add(
            Received(
                number=self.received.next_number,
                way="graph",
                at=self.clock.time(),
                mailbox=mailbox.address,
                sender=submission.sender or mailbox.address,
                recipients=submission.recipients,
                raw=submission.raw,
                subject=mail.subject(fields),
                message_id=message_id,
                new_message_id=message_id or f"<{uuid.uuid4().hex.upper()}@AM0PR06MB5188.eurprd06.prod.outlook.com>",
                reply="202 Accepted",
                dropped_fields=self._dropped(fields),
                saved=submission.saved,
            )
        )

    def _dropped(self, fields: list[mail.Field]) -> frozenset[str]:
        """Bcc is the envelope here and never delivered; the rest was seen to vanish (docs/sources.md)."""
        lost = (
            {}
            if self.settings.graph_keeps_headers
            else {field.name for field in fields if field.name == "auto-submitted" or field.name.startswith("x-")}
        )
        return frozenset({"bcc", *lost})

    def error(self, request: Request, error: GraphError) -> Response:
        """The answer in Graph's form."""
        ids = self.ids(request)
        when = datetime.fromtimestamp(self.clock.time(), UTC).strftime("%Y-%m-%dT%H:%M:%S")
        inner: dict[str, Any] = {"date": when, **ids}
        body = {"error": {"code": error.code, "message": error.text, "innerError": inner}}
        if error.status == HTTPStatus.TOO_MANY_REQUESTS:
            inner |= {"code": "429", "message": "Please retry after", "status": "429"}
        headers: Mapping[str, str] = ids | {"content-type": "application/json"}
        answer = Response(json_bytes(body), error.status, headers)
        if error.wait:
            answer.headers["retry-after"] = error.wait
        if error.status == HTTPStatus.UNAUTHORIZED:
            answer.headers["www-authenticate"] = _CHALLENGE
        return answer

    def ids(self, request: Request) -> dict[str, str]:
        """What identifies the request to Microsoft's support."""
        number = str(uuid.uuid4())
        return {"request-id": number, "client-request-id": request.headers.get("client-request-id", number)}
