"""The queue by API: lists, one message, changes."""

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from relay.model import LaneStatus
from relay.spool.details import Details, PastAttempt, RecipientState
from relay.spool.export import eml
from relay.spool.history import Summary
from relay.spool.rows import DamagedRow
from relay.spool.selection import Selection
from relay.web.admin.operation import Operation, moment
from relay.web.gate import visitor
from relay.web.pages.queue import ACTIONS, VIEWS, selection
from relay.web.sink import asking
from relay.web.sink.asking import Refused
from relay.web.stuck import trouble_of
from relay.web.view import View

_MOST = 1000
_WHICH = {
    "view": f"One of {', '.join(VIEWS)}.",
    "q": "Words: from:ADDRESS, to:ADDRESS, client:NAME, account:NAME, id:ID, a Message-ID in brackets, or a recipient.",
    "account": "Only that account's mail.",
    "client": "Only that client's mail.",
}


class QueueOperations:
    """`/queue`."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._queue = view.queue

    def operations(self) -> list[Operation]:
        """Lists, one message, changes."""
        page = {"limit": f"At most so many (50; {_MOST} at most).", "start": "Leave out so many."}
        one = "/queue/{id}"
        change = {
            "ids": {"type": "array", "items": {"type": "string"}, "description": "Ids or Message-IDs."},
            "everything": {"type": "boolean", "description": "All that view, q, account and client mean."},
            **{name: {"type": "string", "description": text} for name, text in _WHICH.items()},
        }
        summaries = {
            "retry": "Make messages due now; failed ones have their whole time before them.",
            "hold": "Keep waiting messages from being sent.",
            "release": "Let held messages go.",
            "drop": "Delete messages; nobody is told.",
        }
        return [
            Operation("GET", "/queue", self.listing, "List messages, the newest first.", query={**_WHICH, **page}),
            Operation("GET", one, self.one, "One message with its recipients and attempts."),
            Operation("GET", f"{one}/source", self.source, "The message octet for octet."),
            *(
                Operation("POST", f"/queue/actions/{action}", self._changing(action), text, body=change)
                for action, text in summaries.items()
            ),
        ]

    async def listing(self, request: Request) -> Response:
        """A part of the messages that are meant."""
        query = request.query_params
        wanted = _wanted({name: query.get(name, "") for name in _WHICH})
        limit = min(asking.number(request, "limit", 50), _MOST)
        messages, total = await self._queue.listing(wanted, limit, asking.number(request, "start", 0))
        lanes = self._troubled()
        return JSONResponse({"total": total, "messages": [_told(each, lanes) for each in messages]})

    async def one(self, request: Request) -> Response:
        """One message by id."""
        details = await self._queue.details(await self._seq(request.path_params["id"]))
        if details is None:
            raise Refused(404, "there is no such message")
        return JSONResponse({**_told(details.summary, self._troubled()), **_details(details)})

    def _troubled(self) -> list[LaneStatus]:
        return [lane for lane in self._view.lanes() if lane.trouble]

    async def source(self, request: Request) -> Response:
        """Its octets."""
        try:
            message = await self._queue.content(await self._seq(request.path_params["id"]))
        except DamagedRow as damage:
            raise Refused(410, f"there is no source: {damage}") from None
        headers = {"content-security-policy": "sandbox; default-src 'none'"}
        return StreamingResponse(eml(message), media_type="message/rfc822", headers=headers)

    async def _seq(self, name: str) -> int:
        found = await self._queue.find(Selection(name=name))
        if not found:
            raise Refused(404, "there is no such message")
        return found[-1][0]

    def _changing(self, action: str) -> Any:
        async def change(request: Request) -> Response:
            given = await asking.fields(request)
            seqs = await self._meant(given)
            result = await self._queue.change(ACTIONS[action][0], seqs)
            self._view.wake()
            who = visitor(request)
            target = result.done[0] if len(result.done) == 1 else f"{len(result.done)} messages"
            done = f"{ACTIONS[action][1]}, {len(result.left)} left alone"
            self._view.audit.note(who.name, who.peer, f"queue {action}", target, done)
            return JSONResponse({"done": list(result.done), "left": dict(result.left)})

        return change

    async def _meant(self, given: dict[str, Any]) -> list[int]:
        if asking.of(given, "everything", bool, False):
            wanted = _wanted({name: asking.of(given, name, str, "") for name in _WHICH})
            return [seq for seq, _ in await self._queue.find(wanted)]
        names = asking.texts(given, "ids")
        if not names:
            raise Refused(400, 'name the messages in "ids", or say "everything": true')
        if len(names) > _MOST:
            raise Refused(400, f"at most {_MOST} ids at a time")
        return [await self._seq(name) for name in names]


def _wanted(given: dict[str, str]) -> Selection:
    view = given["view"] or "all"
    if view not in VIEWS:
        raise Refused(400, f"there is no view {view!r}; there are {', '.join(VIEWS)}")
    return selection(view, given["q"][:500], given["account"], given["client"])


def _told(one: Summary, lanes: Sequence[LaneStatus]) -> dict[str, Any]:
    lane = trouble_of(lanes, one)
    return {**summary(one), "mailbox_trouble": lane.trouble if lane is not None else None}


def summary(one: Summary) -> dict[str, Any]:
    """A message as the list has it."""
    return {
        "id": one.id,
        "kind": one.kind,
        "state": one.state,
        "reason": one.reason,
        "account": one.account,
        "client": one.client,
        "sender": one.sender,
        "recipients": list(one.recipients),
        "message_id": one.message_id,
        "subject": one.subject,
        "size": one.size,
        "attempts": one.attempts,
        "received_at": moment(one.received_at),
        "next_at": moment(one.next_at) if one.state == "queued" else None,
        "reply": one.reply,
    }


def _details(found: Details) -> dict[str, Any]:
    return {
        "listener": found.listener,
        "peer": found.peer,
        "helo": found.helo,
        "login": found.login,
        "tls": found.tls,
        "expires_at": moment(found.expires_at),
        "done_at": moment(found.done_at),
        "recipients": [_recipient(each) for each in found.recipients],
        "attempts": [_attempt(each) for each in found.attempts],
    }


def _recipient(one: RecipientState) -> dict[str, Any]:
    return {name: getattr(one, name) for name in ("address", "state", "code", "status", "text", "hint")}


def _attempt(one: PastAttempt) -> dict[str, Any]:
    return {
        "number": one.number,
        "started_at": moment(one.started_at),
        "ended_at": moment(one.ended_at),
        "counted": one.counted,
        "results": [_recipient(each) for each in one.results],
    }
