"""The two forms in which a whole message goes to the Gmail API: in one request, or in a resumable upload.

Both take the message as it is, without base64. A resumable upload says how far it has come when it is asked, and
whether it is complete: an answer that was lost is asked for again, so that no second copy is sent (docs/sources.md).
"""

import itertools
import re
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from relay.http import HttpResponse
from relay.model import Clock, Outcome, Result, Scope
from relay.oauth import TokenError
from relay.providers import GMAIL
from relay.upstream.api import Parcel
from relay.upstream.body import chunks
from relay.upstream.credentials import without_token
from relay.upstream.gmail.client import SEND, GmailClient
from relay.upstream.trouble import AttemptError
from relay.upstream.verdicts import doubtful

_TRIES = 5
"""How often a piece is sent without getting any further, and how often the server is asked how far it is."""
_LONGEST_WAIT = 60.0
"""Seconds of a Retry-After that are waited for within the attempt."""
_LATER = (429, 500, 502, 503, 504)
_RANGE = re.compile(r"bytes=0-(\d{1,12})")


async def multipart(client: GmailClient, parcel: Parcel, headers: bytes) -> Result:
    """Send the message in one request, with the description of it that the API wants in front."""
    boundary = secrets.token_hex(16)
    front = (
        f"--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{{}}\r\n"
        f"--{boundary}\r\nContent-Type: message/rfc822\r\n\r\n"
    ).encode()
    end = f"\r\n--{boundary}--\r\n".encode()

    async def content() -> AsyncIterator[bytes]:
        yield front + headers + b"\r\n"
        async for chunk in chunks(parcel.message.body):
            yield chunk
        yield end

    size = len(front) + len(headers) + 2 + parcel.message.body.size + len(end)
    kind = {"content-type": f'multipart/related; boundary="{boundary}"'}
    url = f"{client.root}/upload/{SEND}?uploadType=multipart"
    return client.judged(await client.ask("POST", url, kind, content, size, final=True, trace=parcel.trace))


@dataclass
class Resumable:
    """One large message on its way."""

    client: GmailClient
    parcel: Parcel
    headers: bytes
    clock: Clock
    _in_doubt: bool = field(default=False, init=False)
    """The last octets are on their way, and nobody has said whether they have arrived: the message may be sent."""

    @property
    def size(self) -> int:
        return len(self.headers) + 2 + self.parcel.message.body.size

    async def send(self) -> Result:
        """Raises AttemptError, ContentError, and TokenError before the upload has begun."""
        url = await self._begin()
        try:
            result = await self._send(url)
        except AttemptError as error:
            raise AttemptError(self._doubted(error.result)) from None
        except TokenError as error:
            raise AttemptError(self._doubted(without_token(error))) from None
        return self._doubted(result)

    async def _send(self, url: str) -> Result:
        position = 0
        async for piece in self._pieces():
            done = await self._put(url, piece, position)
            if done is not None:
                return done
            position += len(piece)
        self._in_doubt = True
        text = "Gmail has taken the whole message and does not say that it was sent"
        return Result(Outcome.DEFERRED, 451, "4.4.2", text, Scope.MESSAGE)

    def _doubted(self, result: Result) -> Result:
        """The result, which is no certain one as long as the message may have been sent."""
        if not self._in_doubt or result.uncertain or result.outcome is Outcome.SENT:
            return result
        return doubtful(result)

    async def _begin(self) -> str:
        kinds = {
            "content-type": "application/json; charset=UTF-8",
            "x-upload-content-type": "message/rfc822",
            "x-upload-content-length": str(self.size),
        }
        url = f"{self.client.root}/resumable/upload/{SEND}?uploadType=resumable"
        response = await self._ask("POST", url, kinds, b"{}", final=False)
        place = response.headers.get("location", "")
        if response.status == 200 and urlsplit(place).scheme == urlsplit(self.client.root).scheme:
            return place
        result = self.client.judged(response, final=False)
        if result.outcome is Outcome.SENT or response.status == 200:
            result = Result(Outcome.DEFERRED, 451, "4.3.0", "Gmail began no upload", Scope.MESSAGE)
        raise AttemptError(result)

    async def _put(self, url: str, piece: bytes, position: int) -> Result | None:
        """Send one piece until the server has it: None, or the result with which everything ends."""
        done = furthest = position
        tries = 0
        while done < position + len(piece):
            if done > furthest:
                tries, furthest = 0, done
            tries += 1
            response = await self._sent(url, piece[done - position :], done, last_try=tries >= _TRIES)
            if response is None or response.status in _LATER:
                if response is not None and (tries >= _TRIES or (response.retry_after or 0) > _LONGEST_WAIT):
                    return self.client.judged(response, final=False)
                await self.clock.sleep((response and response.retry_after) or float(2 ** (tries - 1)))
                response = await self._look(url)
            if response.status != 308:
                return self._ended(response)
            reached = _reached(response)
            if reached < position or reached > position + len(piece) or (reached <= furthest and tries >= _TRIES):
                text = f"Gmail has {reached:,} octets of the upload, which does not fit to what was sent (not sent)"
                return Result(Outcome.DEFERRED, 451, "4.3.0", text, Scope.MESSAGE)
            done = reached
        return None

    async def _sent(self, url: str, rest: bytes, done: int, *, last_try: bool) -> HttpResponse | None:
        """The answer to the octets from `done` on; None when none came, unless that was the `last_try`."""
        span = f"bytes {done}-{done + len(rest) - 1}/{self.size}"
        final = done + len(rest) == self.size
        try:
            response = await self._ask("PUT", url, {"content-range": span}, rest, final=final)
        except AttemptError as error:
            self._in_doubt = self._in_doubt or error.result.uncertain
            if last_try:
                raise
            return None
        self._in_doubt = self._in_doubt or (final and self.client.judged(response).uncertain)
        return response

    def _ended(self, response: HttpResponse) -> Result:
        """The end of the upload: sent, refused, or a session that is no more."""
        if response.status not in (404, 410):
            return self.client.judged(response, final=False)
        said = f"Gmail answered {response.status}"
        if self._in_doubt:
            text = f"{said}: nobody knows whether the upload was complete"
            return Result(Outcome.DEFERRED, 451, "4.4.2", text, Scope.MESSAGE)
        text = f"{said}: the upload has ended, it begins anew (nothing was sent)"
        return Result(Outcome.DEFERRED, 451, "4.3.0", text, Scope.MESSAGE)

    async def _look(self, url: str) -> HttpResponse:
        """How far the server has it; the answer to the whole when it is complete."""
        for tries in itertools.count(1):
            try:
                response = await self._ask("PUT", url, {"content-range": f"bytes */{self.size}"}, b"", final=False)
            except AttemptError:
                if tries == _TRIES:
                    raise
            else:
                if response.status in (200, 201, 308):
                    self._in_doubt = response.status != 308  # which waits for more; the others have it all
                if response.status not in _LATER or tries == _TRIES:
                    return response
            await self.clock.sleep(float(2 ** (tries - 1)))
        raise AssertionError  # counting never ends

    async def _ask(
        self, method: str, url: str, headers: dict[str, str], content: bytes, *, final: bool
    ) -> HttpResponse:
        return await self.client.ask(method, url, headers, content, len(content), final=final, trace=self.parcel.trace)

    async def _pieces(self) -> AsyncIterator[bytes]:
        buffer = bytearray(self.headers + b"\r\n")
        size = GMAIL.chunk_size
        async for chunk in chunks(self.parcel.message.body):
            for start in range(0, len(chunk), size):
                buffer += chunk[start : start + size]
                while len(buffer) > size:
                    yield bytes(buffer[:size])
                    del buffer[:size]
        yield bytes(buffer)


def _reached(response: HttpResponse) -> int:
    """How many octets the server has, by the `Range` of a 308; without one it has none."""
    match = _RANGE.fullmatch(response.headers.get("range", "").strip())
    return int(match[1]) + 1 if match else 0
