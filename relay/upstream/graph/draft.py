"""A message by way of a draft: made without its large attachments, then those, then `send`.

For what is larger than one request, and for what must leave no copy and would be damaged by JSON. The draft is made
from MIME, so that header fields, both forms of the text and small parts stay as they are; only what is taken out of it
is described to Graph anew, with its Content-ID where the text shows it. Needs Mail.ReadWrite besides Mail.Send
(docs/sources.md). Nothing is sent before the last request; what fails before that is deleted again.
"""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from relay import mime
from relay.advice import graph as advice
from relay.http import HttpResponse
from relay.http.hostile_json import read_object
from relay.model import Clock, Outcome, Result, Scope
from relay.oauth import TokenError
from relay.providers import GRAPH
from relay.upstream.api import Parcel
from relay.upstream.api_request import Content
from relay.upstream.graph import content
from relay.upstream.graph.attachment import about, around_content
from relay.upstream.graph.client import GraphClient
from relay.upstream.graph.layout import Attached
from relay.upstream.graph.people import recipient_lists
from relay.upstream.graph.replies import too_large
from relay.upstream.graph.small import without_null_sender
from relay.upstream.graph.upload import CHUNK, ExpiredError, UploadSession, session_of
from relay.upstream.recipients import same
from relay.upstream.trouble import AttemptError

_SESSIONS = 3
"""How often an attachment is begun before the attempt is given up."""
_CLEAN_UP = 20.0
"""Seconds for deleting a draft, so that a service that does not answer holds up nobody."""
NOT_PERMITTED = "4.7.1"
"""The enhanced status (RFC 3463) of a result that means: drafts may not be made here, and nothing was sent."""
_KINDS = ("to", "cc", "bcc")


@dataclass
class DraftMessage:
    """One attempt. `skeleton` is the MIME of the draft, `attachments` is what is added to it."""

    client: GraphClient
    parcel: Parcel
    skeleton: bytes
    attachments: Sequence[Attached]
    clock: Clock
    keep_copy: bool = True

    async def send(self) -> Result:
        """Raises AttemptError, ContentError, TokenError; none of them after the message may have been sent."""
        draft = await self._create()
        try:
            for one in self.attachments:
                await self._attach(draft, one)
        except BaseException:
            await self._delete(draft)
            raise
        result = await self._send(draft)
        if result.outcome is Outcome.SENT:
            return result if self.keep_copy else await self._forget(draft, result)
        if not result.uncertain:
            await self._delete(draft)
        return result

    async def _send(self, draft: str) -> Result:
        try:
            response = await self._ask("POST", f"{draft}/send", final=True)
        except AttemptError as error:
            return error.result
        except TokenError:
            await self._delete(draft)
            raise
        return without_null_sender(self.client.judged(response), self.parcel, self.client.mailbox)

    async def _create(self) -> str:
        """The path of a draft whose recipients are exactly those of the parcel."""
        encoded = base64.b64encode(self.skeleton)
        response = await self.client.ask(
            "POST", "messages", content=encoded, content_type="text/plain", trace=self.parcel.trace
        )
        if response.status != 201:
            raise AttemptError(self._failed(response))
        made = read_object(response.body) or {}
        draft = f"messages/{made.get('id')}"
        if not isinstance(made.get("id"), str) or not made["id"] or set(made["id"]) & set("/?#"):
            raise _trouble("Graph made a draft and did not say which")
        try:
            await self._address(draft, made)
        except BaseException:
            await self._delete(draft)
            raise
        return draft

    async def _address(self, draft: str, made: dict[str, Any]) -> None:
        """Make sure of the recipients: a draft shows whom it will be sent to."""
        wanted = {same(one): one for one in self.parcel.addressed.recipients}
        if set(map(same, _addresses(made))) == set(wanted):
            return
        lists = recipient_lists(mime.split_headers(self.parcel.headers), wanted.values())
        response = await self._ask("PATCH", draft, lists)
        if response.status != 200:
            raise AttemptError(self._failed(response))
        if set(map(same, _addresses(read_object(response.body) or {}))) != set(wanted):
            text = "Graph would send the draft to others than the message's recipients (not sent)"
            hint = 'Send such mail by SMTP: via = ["graph", "smtp"]'
            raise AttemptError(Result(Outcome.FAILED, 554, "5.6.3", text, Scope.MESSAGE, hint=hint))

    async def _attach(self, draft: str, one: Attached) -> None:
        """In one request where it fits into one, else in an upload session; in a new one where that has ended."""
        size = await content.decoded_size(self.parcel.message.body, one.part)
        if size > GRAPH.attachment_size:
            raise AttemptError(too_large(self.parcel.size, f"one attachment has {size:,}"))
        front, end = around_content(one)
        octets = len(front) + content.base64_size(size) + len(end)
        if size >= GRAPH.session_size or octets > GRAPH.request_size:
            await self._upload(draft, one, size)
            return

        async def whole() -> AsyncIterator[bytes]:
            yield front
            async for piece in content.in_base64(self.parcel.message.body, one.part):
                yield piece
            yield end

        response = await self._ask_json("POST", f"{draft}/attachments", whole, octets)
        if response.status != 201:
            raise AttemptError(self._failed(response))

    async def _upload(self, draft: str, one: Attached, size: int) -> None:
        item: dict[str, Any] = {"attachmentType": "file", "name": one.name, "size": size, **about(one)}
        for _ in range(_SESSIONS):
            answer = await self._ask("POST", f"{draft}/attachments/createUploadSession", {"AttachmentItem": item})
            if answer.status != 201:
                raise AttemptError(self._failed(answer))
            url = session_of(answer, self.client.root)
            session = UploadSession(self.client, url, size, self.clock, self.parcel.trace)
            try:
                async with contextlib.aclosing(content.blocks(self.parcel.message.body, one.part, CHUNK)) as blocks:
                    await session.send(blocks)
            except ExpiredError:
                await self._at_leisure(session.cancel())
                self.parcel.say("(the upload session has ended: the attachment is sent anew)")
            except BaseException:
                await self._at_leisure(session.cancel())
                raise
            else:
                return
        raise _trouble(f"{_SESSIONS} upload sessions have ended before the attachment was there")

    async def _delete(self, draft: str) -> None:
        """Leave nothing behind in the mailbox's drafts, as far as that is possible."""
        await self._at_leisure(self._ask("DELETE", draft))

    async def _at_leisure(self, request: Awaitable[object]) -> None:
        with contextlib.suppress(AttemptError, TokenError, TimeoutError):
            async with asyncio.timeout(_CLEAN_UP):
                await request

    async def _forget(self, draft: str, result: Result) -> Result:
        """Delete the copy once it is in Sent Items: what is still on its way must not be touched."""
        with contextlib.suppress(AttemptError, TokenError):
            for wait in (1.0, 2.0, 4.0, 8.0):
                await self.clock.sleep(wait)
                if (await self._ask("GET", f"mailFolders/sentitems/{draft}?$select=id")).status == 200:
                    gone = await self._ask("POST", f"{draft}/permanentDelete")
                    if gone.status != 204:
                        gone = await self._ask("DELETE", draft)
                    if gone.status == 204:
                        return result
                    break
        return replace(result, text=f"{result.text}; its copy stays in Sent Items")

    async def _ask(self, method: str, path: str, body: object = None, *, final: bool = False) -> HttpResponse:
        if body is None:
            return await self.client.ask(method, path, final=final, trace=self.parcel.trace)
        encoded = json.dumps(body).encode()
        return await self._ask_json(method, path, encoded, len(encoded))

    async def _ask_json(self, method: str, path: str, body: Content, size: int) -> HttpResponse:
        return await self.client.ask(
            method, path, content=body, content_type="application/json", size=size, trace=self.parcel.trace
        )

    def _failed(self, response: HttpResponse) -> Result:
        """What an answer means that is not the expected one: nothing has been sent so far.

        A missing permission stops only what is large: other mail of this mailbox goes on.
        """
        result = self.client.judged(response, final=False)
        if response.status == 403 and result.outcome is Outcome.DEFERRED:
            hint = advice.needs_read_write(self.client.account)
            return replace(result, status=NOT_PERMITTED, scope=Scope.MESSAGE, hint=hint)
        return result if response.status >= 300 else replace(result, text=f"{result.text} (nothing was sent)")


def _addresses(made: dict[str, Any]) -> list[str]:
    """Everybody whom a draft names."""
    found = []
    for kind in _KINDS:
        people = made.get(f"{kind}Recipients")
        for person in people if isinstance(people, list) else ():
            address = person.get("emailAddress", {}).get("address") if isinstance(person, dict) else None
            found.append(address if isinstance(address, str) else "")
    return found


def _trouble(text: str) -> AttemptError:
    return AttemptError(Result(Outcome.DEFERRED, 451, "4.3.0", text, Scope.MESSAGE))
