"""The queue: what waits, is tried again, failed or is held, and why; one message with its whole history; what to do."""

import math
from collections.abc import Sequence
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from relay.database import StorageError
from relay.spool import changes
from relay.spool.changes import Change
from relay.spool.export import eml
from relay.spool.rows import DamagedRow
from relay.spool.selection import Selection
from relay.web.frame import Frame
from relay.web.gate import local_path, visitor
from relay.web.pages import forms

PAGE = 50
VIEWS: dict[str, tuple[tuple[str, ...], bool | None]] = {
    "all": ((), None),
    "waiting": (("queued",), False),
    "retrying": (("queued",), True),
    "sending": (("active",), None),
    "held": (("held",), None),
    "failed": (("failed", "corrupt"), None),
    "sent": (("sent",), None),
}
ACTIONS: dict[str, tuple[Change, str]] = {
    "retry": (changes.retry, "due now"),
    "hold": (changes.hold, "held"),
    "release": (changes.release, "released"),
    "drop": (changes.drop, "dropped"),
}


def selection(view: str, text: str, account: str = "", client: str = "") -> Selection:
    """Words are `from:`, `to:`, `client:`, `account:`, an id, a Message-ID in brackets or a recipient."""
    states, tried = VIEWS.get(view, VIEWS["all"])
    found = {"account": account, "client": client}
    for word in text.split():
        name, colon, value = word.partition(":")
        key = {"from": "sender", "to": "recipient", "client": "client", "account": "account", "id": "name"}.get(name)
        if colon and key and value:
            found[key] = value
        elif "@" in word and not word.startswith("<"):
            found["recipient"] = word
        else:
            found["name"] = word
    return Selection(
        states=states,
        tried=tried,
        name=found.get("name", ""),
        account=found["account"],
        client=found["client"],
        sender=found.get("sender", ""),
        recipient=found.get("recipient", ""),
    )


class Queue:
    """`/queue`."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._view = frame.view
        self._queue = frame.view.queue

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/queue", self.listing, methods=["GET"]),
            Route("/queue", self.change, methods=["POST"]),
            Route("/queue/{id}", self.message, methods=["GET"]),
            Route("/queue/{id}/source", self.source, methods=["GET"]),
        ]

    async def listing(self, request: Request) -> Response:
        """The messages that are meant, fifty at a time."""
        query = request.query_params
        view = query.get("view", "all")
        view = view if view in VIEWS else "all"
        text, account = _words(query.get("q", "")[:500], query.get("client", "")), query.get("account", "")
        number = int(query["page"]) if query.get("page", "").isdecimal() and len(query["page"]) < 8 else 1
        wanted = selection(view, text, account)
        start, overview = (max(1, number) - 1) * PAGE, await self._view.spool.overview()
        if wanted.by_state:
            messages = await self._queue.newest(wanted, PAGE, start)
            total = overview.total(*wanted.states, account=account, tried=wanted.tried)
        else:
            messages, total = await self._queue.listing(wanted, PAGE, start)
        counts = {
            name: overview.total(*states, account=account, tried=tried) for name, (states, tried) in VIEWS.items()
        }
        return await self._frame.page(
            request,
            "queue.html",
            overview=overview,
            chosen=view,
            text=text,
            account=account,
            messages=messages,
            total=total,
            number=max(1, number),
            pages=max(1, math.ceil(total / PAGE)),
            counts=counts,
            accounts=sorted(self._view.settings().accounts),
        )

    async def message(self, request: Request) -> Response:
        """One message: its envelope, where it came from, each recipient, each attempt."""
        found = await self._queue.find(Selection(name=request.path_params["id"]))
        details = await self._queue.details(found[-1][0]) if found else None
        if details is None:
            return await self._frame.page(
                request, "missing.html", status=404, what="This message is not kept any more, or never was."
            )
        if details.summary.id != request.path_params["id"]:
            return RedirectResponse(self._frame.url(f"/queue/{quote(details.summary.id)}"), 303)
        return await self._frame.page(request, "message.html", message=details)

    async def source(self, request: Request) -> Response:
        """The message octet for octet, to be saved."""
        found = await self._queue.find(Selection(name=request.path_params["id"]))
        try:
            message = await self._queue.content(found[-1][0]) if found else None
        except DamagedRow as damage:
            return await self._frame.page(request, "missing.html", status=410, what=f"There is no source: {damage}")
        if message is None:
            return await self._frame.page(request, "missing.html", status=404, what="There is no such message.")
        headers = {
            "content-disposition": f'attachment; filename="{message.id}.eml"',
            "content-security-policy": "sandbox; default-src 'none'",
        }
        return StreamingResponse(eml(message), media_type="message/rfc822", headers=headers)

    async def change(self, request: Request) -> Response:
        """Do something with the chosen messages; a drop is asked about first."""
        try:
            form = await forms.read(request)
        except forms.FormError as error:
            return self._frame.done("/queue", str(error), good=False)
        back = local_path(forms.one(form, "back") or "/queue")
        action, names = forms.one(form, "action"), form.get("id", [])
        if action not in ACTIONS:
            return self._frame.done(back, "Choose what to do.", good=False)
        seqs = await self._meant(form, names)
        if not seqs:
            return self._frame.done(back, "No message was chosen.", good=False)
        if action == "drop" and forms.one(form, "sure") != "yes":
            return await self._frame.page(
                request, "drop.html", back=back, names=names, count=len(seqs), fields=_kept(form)
            )
        return await self._do(request, action, seqs, "/queue" if action == "drop" and back != "/queue" else back)

    async def _meant(self, form: dict[str, list[str]], names: Sequence[str]) -> list[int]:
        if forms.one(form, "everything") == "yes":
            wanted = selection(forms.one(form, "view"), forms.one(form, "q"), forms.one(form, "account"))
            return [seq for seq, _ in await self._queue.find(wanted)]
        found = [await self._queue.find(Selection(name=name)) for name in names[:PAGE]]
        return [seq for each in found for seq, _ in each]

    async def _do(self, request: Request, action: str, seqs: Sequence[int], back: str) -> Response:
        change, done = ACTIONS[action]
        try:
            result = await self._queue.change(change, seqs)
        except StorageError as error:
            return self._frame.done(back, f"The queue cannot be changed now: {error}", good=False)
        self._view.wake()
        who = visitor(request)
        text = f"{len(result.done)} {'message is' if len(result.done) == 1 else 'messages are'} {done}"
        target = result.done[0] if len(result.done) == 1 else f"{len(result.done)} messages"
        self._view.audit.note(who.name, who.peer, f"queue {action}", target, f"{done}, {len(result.left)} left alone")
        left = [f"{name}: {why}" for name, why in list(result.left.items())[:20]]
        return self._frame.done(back, f"{text}.", good=not left, lines=left)


def _words(text: str, client: str) -> str:
    """The search with a client of the address in it: what is done with all that is found is done by the words."""
    return f"client:{client} {text}".strip() if client and not client.isspace() else text


def _kept(form: dict[str, list[str]]) -> list[tuple[str, str]]:
    """The form again, to be sent once more."""
    return [(name, value) for name, values in form.items() if name != "sure" for value in values]
