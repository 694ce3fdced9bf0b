"""The mail that sink accounts caught: a list with a preview beside it, each state an address of its own.

Who may see it is the sink plane's to say (relay.web.sink.access), not the administration's.
"""

import math
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from relay.sink import Page, Query, QueryError, SearchTooLongError, Source, Summary, changes, parse
from relay.sink import message as opening
from relay.web.frame import Frame
from relay.web.gate import visitor
from relay.web.pages import forms, hostile, texts
from relay.web.sink.asking import Refused
from relay.web.sink.one import PART_POLICY
from relay.web.sink.release import Asked, release

PAGE = 50
TABS = ("html", "text", "source", "headers", "parts", "delivery", "conversation")
_LONGEST_SOURCE = 512 * 1024
_BY_ITSELF = "relay-by-itself"
"""The header by which live.js says that nobody has asked for the page."""
WIDTHS = {"full": "full", "tablet": "tablet", "phone": "phone"}


class Mail:
    """`/mail`."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._store = frame.view.plane.store

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/mail", self.listing, methods=["GET"]),
            Route("/mail", self.change, methods=["POST"]),
            Route("/mail/{id}", self.message, methods=["GET"]),
            Route("/mail/{id}/release", self.release, methods=["POST"]),
            Route("/mail/{id}/body", self.body, methods=["GET"]),
            Route("/mail/{id}/raw", self.raw, methods=["GET"]),
            Route("/mail/{id}/part/{part}", self.part, methods=["GET"]),
        ]

    async def listing(self, request: Request) -> Response:
        """The list, with nothing beside it yet."""
        return await self._show(request)

    async def message(self, request: Request) -> Response:
        """A message beside the list. It is read from then on, as in every mail program.

        But not because an open page fetched it again by itself: somebody may just have made it unread.
        """
        found = await self._found(request)
        if found is None:
            return await self._show(request, gone=True)
        summary, source, octets = found
        opened = await self._store.thread(opening.opened, source, octets)
        if not summary.read and _BY_ITSELF not in request.headers:
            await changes.mark(self._store, [source.seq], read=True)
        tab = request.query_params.get("tab", "")
        tab = tab if tab in TABS and (tab != "html" or opened.html) else ("html" if opened.html else "text")
        remote = hostile.remote_addresses(opened.html) if tab == "html" else []
        context: dict[str, Any] = {"one": summary, "source": source, "opened": opened, "tab": tab, "remote": remote}
        if tab == "source":
            context["shown_source"] = texts.source(octets[:_LONGEST_SOURCE])
            context["cut"] = len(octets) > _LONGEST_SOURCE
        elif tab == "headers":
            context["fields"] = opening.fields(source)
        elif tab == "parts":
            context["parts"] = (await self._store.thread(opening.structure_of, source, octets)).parts
        elif tab == "text":
            context["linked"] = texts.linked(opened.text)
        return await self._show(request, **context)

    async def _show(self, request: Request, *, gone: bool = False, one: Summary | None = None, **more: Any) -> Response:
        query = request.query_params
        text = query.get("q", "")[:2000]
        number = int(query["page"]) if query.get("page", "").isdecimal() and len(query["page"]) < 8 else 1
        number, problem = max(1, number), ""
        try:
            listed = await self._page(text, number)
        except (QueryError, SearchTooLongError) as error:
            listed, problem = Page(0, 0, 0, 0, 0, (), ()), f"{error}".removeprefix("Error: ")
        return await self._frame.page(
            request,
            "mail.html",
            status=404 if gone else 200,
            listed=listed,
            text=text,
            number=number,
            pages=max(1, math.ceil(listed.matching / PAGE)),
            problem=problem,
            gone=gone,
            one=one,
            width=WIDTHS.get(query.get("width", ""), "full"),
            with_remote=query.get("remote", "") == "1",
            tabs=TABS,
            is_fed=self._is_fed(),
            **more,
        )

    def _is_fed(self) -> bool:
        """Whether what a client sends can come here."""
        settings = self._frame.view.settings()
        return any(
            settings.accounts[name].provider == "sink" for client in settings.clients.values() for name in client.uses
        )

    async def _page(self, text: str, number: int) -> Page:
        start = (number - 1) * PAGE
        query = _query(text)
        return await (self._store.page(start, PAGE) if query is None else self._store.search(query, start, PAGE))

    async def _found(self, request: Request) -> tuple[Summary, Source, bytes] | None:
        identifier = request.path_params["id"]
        summary, source = await self._store.summary(identifier), await self._store.source(identifier)
        if summary is None or source is None:
            return None
        return summary, source, await self._store.octets(source)

    async def body(self, request: Request) -> Response:
        """The HTML for the frame; `remote=1`: what it names elsewhere may be fetched."""
        found = await self._found(request)
        if found is None:
            return _missing()
        _, source, octets = found
        remote = request.query_params.get("remote", "") == "1"
        opened = await self._store.thread(opening.opened, source, octets)

        def framed() -> str:
            return hostile.framed(source, octets, opened.html, remote=remote)

        headers = {**hostile.HEADERS, "content-security-policy": hostile.policy(remote=remote)}
        return HTMLResponse(await self._store.thread(framed), headers=headers)

    async def raw(self, request: Request) -> Response:
        """The message octet for octet, to be saved."""
        found = await self._found(request)
        if found is None:
            return _missing()
        summary, _, octets = found
        return Response(octets, headers=_download(f"{summary.id}.eml"), media_type="message/rfc822")

    async def part(self, request: Request) -> Response:
        """One part, to be saved: never shown as a page of this origin, whatever it says it is."""
        found = await self._found(request)
        if found is None:
            return _missing()
        _, source, octets = found
        inner = await self._store.thread(opening.part_of, source, octets, request.path_params["part"])
        if inner is None:
            return _missing()
        part, content = inner
        headers = _download(part.name or f"part-{part.id}")
        return Response(content, headers=headers, media_type="application/octet-stream")

    async def release(self, request: Request) -> Response:
        """Send it on through a real account, to whom `release_to` allows."""
        identifier, plane, who = request.path_params["id"], self._frame.view.plane, visitor(request)
        back = f"/mail/{quote(identifier)}?tab=delivery"
        try:
            form = await forms.read(request)
            to = [each for each in forms.one(form, "to").replace(",", " ").split() if each]
            queue_id = await release(plane, identifier, Asked(to, forms.one(form, "account"), f"page, {who.peer}"))
        except (forms.FormError, Refused) as error:
            return self._frame.done(back, f"{error}", good=False)
        self._frame.view.wake()
        target = f"{identifier} to {', '.join(to)}"
        self._frame.view.audit.note(
            who.name or "a visitor", who.peer, "release test mail", target, f"queued as {queue_id}"
        )
        return self._frame.done(back, f"It is on its way, in the queue as {queue_id}.")

    async def change(self, request: Request) -> Response:
        """Delete or mark the chosen messages, or all that match."""
        try:
            form = await forms.read(request)
            query = _query(forms.one(form, "q"))
        except (forms.FormError, QueryError) as error:
            return self._frame.done("/mail", f"{error}", good=False)
        action, everything = forms.one(form, "action"), forms.one(form, "everything") == "yes"
        text = forms.one(form, "q")
        back = f"/mail?q={quote(text)}" if text else "/mail"
        if action not in ("delete", "read", "unread"):
            return self._frame.done(back, "Choose what to do.", good=False)
        try:
            seqs = await changes.chosen(self._store, None if everything else form.get("id", []), query)
        except SearchTooLongError as error:
            return self._frame.done(back, f"{error}", good=False)
        if not seqs:
            return self._frame.done(back, "No message was chosen.", good=False)
        if action == "delete" and everything and forms.one(form, "sure") != "yes":
            return await self._frame.page(request, "clear.html", count=len(seqs), text=text)
        if action == "delete":
            await changes.delete(self._store, seqs, everything=everything and query is None)
        else:
            await changes.mark(self._store, seqs, read=action == "read")
        one = forms.one(form, "open")
        if one and action == "unread":
            return RedirectResponse(f"{self._frame.base}{back}", 303)
        done = {"delete": "deleted", "read": "marked as read", "unread": "marked as unread"}[action]
        return self._frame.done(back, f"{len(seqs)} {'message' if len(seqs) == 1 else 'messages'} {done}.")


def _query(text: str) -> Query | None:
    return parse(text) if text.strip() else None


def _missing() -> Response:
    return Response("There is no such message\n", 404, media_type="text/plain")


def _download(name: str) -> dict[str, str]:
    return {
        "content-disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "content-security-policy": PART_POLICY,
        "cross-origin-resource-policy": "same-origin",
    }
