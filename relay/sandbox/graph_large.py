"""The routes by which large mail goes: drafts, attachments, upload sessions, `send` (docs/sources.md)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from relay import log
from relay.sandbox import graph_drafts
from relay.sandbox.graph import LARGEST_REQUEST, Graph
from relay.sandbox.graph_drafts import Draft
from relay.sandbox.graph_message import GraphError
from relay.sandbox.graph_sessions import Session, Sessions
from relay.sandbox.http import general_fault, hang_up, json_bytes, read_body
from relay.sandbox.mailbox import Mailbox

_PERMISSION = "Mail.ReadWrite"
_MOST_SENT = 1000
Handler = Callable[[Request, Mailbox], Awaitable[Response]]


@dataclass
class GraphLarge:
    """Drafts of the tenant's mailboxes; the newest that were sent are in Sent Items, under the same id."""

    graph: Graph
    drafts: dict[str, Draft] = field(default_factory=dict)
    sent: dict[str, Mailbox] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sessions = Sessions(self.graph.clock, self.graph.settings.session_lifetime)

    def routes(self) -> list[BaseRoute]:
        """All of them; where a fault strikes is said beside each."""
        messages = "/v1.0/users/{user}/messages"
        in_sent = "/v1.0/users/{user}/mailFolders/sentitems/messages/{id}"
        table: list[tuple[str, str, str, Handler]] = [
            ("POST", messages, "graph_draft", self._create),
            ("PATCH", messages + "/{id}", "graph_draft", self._change),
            ("DELETE", messages + "/{id}", "graph_draft", self._delete),
            ("POST", messages + "/{id}/permanentDelete", "graph_draft", self._delete),
            ("POST", messages + "/{id}/attachments", "graph_attach", self._attach),
            ("POST", messages + "/{id}/attachments/createUploadSession", "graph_attach", self._open),
            ("POST", messages + "/{id}/send", "graph_send", self._send),
            ("GET", in_sent, "graph_draft", self._show_sent),
        ]
        routes: list[BaseRoute] = [
            Route(path, self._guarded(point, handler), methods=[method]) for method, path, point, handler in table
        ]
        return [*routes, Route("/upload/{rest:path}", self.upload, methods=["PUT", "GET", "DELETE"])]

    def _guarded(self, point: str, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        """Faults, token and permission, in the order in which the real one would notice them."""

        async def answer(request: Request) -> Response:
            user = request.path_params["user"]
            fault = await self.graph.faults.at(point, mailbox=user)
            if fault is not None:
                return await self.graph.faulty(request, fault)
            try:
                mailbox = self.graph.authorised(request, user, "Mail.Send" if point == "graph_send" else _PERMISSION)
                async with self.graph.place(mailbox):
                    return await handler(request, mailbox)
            except GraphError as error:
                log.sandbox.refused("graph", user, (), f"{error.status} {error.code}: {error.text}")
                return self.graph.error(request, error)

        return answer

    async def _create(self, request: Request, mailbox: Mailbox) -> Response:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        keeps = self.graph.settings.graph_keeps_bcc
        draft = graph_drafts.draft(await _body(request), kind, mailbox.address, keeps_bcc=keeps)
        self.drafts[draft.id] = draft
        return self._json(request, HTTPStatus.CREATED, draft.as_json())

    async def _change(self, request: Request, mailbox: Mailbox) -> Response:
        draft = self._draft(request, mailbox)
        graph_drafts.readdress(draft, await _body(request))
        return self._json(request, HTTPStatus.OK, draft.as_json())

    async def _delete(self, request: Request, mailbox: Mailbox) -> Response:
        identifier = request.path_params["id"]
        if self.sent.get(identifier) is mailbox:
            del self.sent[identifier]
        else:
            del self.drafts[self._draft(request, mailbox).id]
        return Response(status_code=HTTPStatus.NO_CONTENT, headers=self.graph.ids(request))

    async def _attach(self, request: Request, mailbox: Mailbox) -> Response:
        draft = self._draft(request, mailbox)
        draft.attachments.append(graph_drafts.attachment(await _body(request)))
        return self._json(request, HTTPStatus.CREATED, {"id": f"AAMkAttachment{len(draft.attachments)}"})

    async def _open(self, request: Request, mailbox: Mailbox) -> Response:
        draft = self._draft(request, mailbox)
        session = self.sessions.open(draft, graph_drafts.item_of(await _body(request)))
        root = f"{request.url.scheme}://{request.url.netloc}"
        return self._json(request, HTTPStatus.CREATED, session.opened(root))

    async def _send(self, request: Request, mailbox: Mailbox) -> Response:
        draft = self._draft(request, mailbox)
        submission = draft.finished()
        self.graph.check(submission, mailbox)
        self.graph.take(submission, mailbox)
        del self.drafts[draft.id]
        self.sent[draft.id] = mailbox
        while len(self.sent) > _MOST_SENT:
            del self.sent[next(iter(self.sent))]
        return await self.graph.taken(request, mailbox)

    async def _show_sent(self, request: Request, mailbox: Mailbox) -> Response:
        if self.sent.get(request.path_params["id"]) is not mailbox:
            raise _not_found()
        return self._json(request, HTTPStatus.OK, {"id": request.path_params["id"]})

    async def upload(self, request: Request) -> Response:
        """One request to an upload session's address, which carries its own authorisation."""
        token = request.query_params.get("authtoken", "")
        fault = await self.graph.faults.at("graph_upload") if request.method == "PUT" else None
        if fault is not None and fault.kind == "session_expired":
            self.sessions.expire(token)
        elif fault is not None:
            return await self.graph.faulty(request, fault)
        session = self.sessions.find(token)
        if "authorization" in request.headers:
            text = "The upload URL is authorised by itself: no Authorization header belongs here."
            return self.graph.error(request, GraphError(HTTPStatus.UNAUTHORIZED, "InvalidAuthenticationToken", text))
        if session is None:
            return self.graph.error(request, _not_found())
        if request.method == "DELETE":
            self.sessions.cancel(token)
            return Response(status_code=HTTPStatus.NO_CONTENT)
        if request.method == "GET":
            if not self.graph.settings.graph_tells_ranges:
                return self.graph.error(request, _not_allowed())
            return self._json(request, HTTPStatus.OK, session.so_far())
        return await self._take(request, session)

    async def _take(self, request: Request, session: Session) -> Response:
        became = self.sessions.take(session, request.headers.get("content-range", ""), await _body(request))
        fault = await self.graph.faults.at("graph_uploaded", mailbox=session.draft.mailbox)
        if fault is not None and fault.kind == "disconnect":
            return await hang_up(request)
        if fault is not None and (answer := await general_fault(request, fault)) is not None:
            return answer
        if became == "bad":
            text = "The Content-Range does not begin where the session stands."
            status = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
            return self.graph.error(request, GraphError(status, "InvalidRange", text))
        if became == "done":
            place = f"https://outlook.office.com/api/v2.0/Users('x')/Messages('{session.draft.id}')/Attachments('z')"
            return Response(status_code=HTTPStatus.CREATED, headers={"location": place})
        return self._json(request, HTTPStatus.OK, session.so_far())

    def _draft(self, request: Request, mailbox: Mailbox) -> Draft:
        draft = self.drafts.get(request.path_params["id"])
        if draft is None or draft.mailbox != mailbox.address:
            raise _not_found()
        return draft

    def _json(self, request: Request, status: int, value: dict[str, Any]) -> Response:
        return Response(json_bytes(value), status, {**self.graph.ids(request), "content-type": "application/json"})


async def _body(request: Request) -> bytes:
    body = await read_body(request, LARGEST_REQUEST)
    if body is None:
        text = "The maximum request length supported is 4MB."
        raise GraphError(HTTPStatus.BAD_REQUEST, "BadRequest", text)
    return body


def _not_found() -> GraphError:
    text = "The specified object was not found in the store."
    return GraphError(HTTPStatus.NOT_FOUND, "ErrorItemNotFound", text)


def _not_allowed() -> GraphError:
    text = "The OData request is not supported."
    return GraphError(HTTPStatus.METHOD_NOT_ALLOWED, "ErrorInvalidRequest", text)
