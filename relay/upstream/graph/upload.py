"""One attachment to Graph in an upload session: piece by piece, resumed where a connection broke (docs/sources.md).

The session's address carries its own authorisation: no token goes there, and the part behind the `?` is in no log. The
answers name their keys in two ways, `nextExpectedRanges: ["0-"]` and `NextExpectedRanges: ["2097152"]`.
"""

import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from relay.http import HttpResponse
from relay.http.hostile_json import read_object
from relay.model import Clock, Outcome, Result, Scope
from relay.providers import GRAPH
from relay.upstream.graph.client import GraphClient
from relay.upstream.trouble import AttemptError, Trace

CHUNK = GRAPH.chunk_size
"""Octets that are sent in one request."""
_TRIES = 4
"""How often a piece is sent without getting any further before the attempt is given up."""
_LONGEST_WAIT = 60.0
"""Seconds of a Retry-After that are waited for within the attempt: the session goes on expiring meanwhile."""
_GONE = (401, 403, 404, 410)


class ExpiredError(Exception):
    """The session has ended: the attachment has to be sent anew."""


@dataclass
class UploadSession:
    """`url` as Graph gave it; `size` is the attachment's in octets."""

    client: GraphClient
    url: str
    size: int
    clock: Clock
    trace: Trace | None = None
    position: int = field(default=0, init=False)
    """How far the server has it."""

    async def send(self, blocks: AsyncIterator[bytes]) -> None:
        """Send everything. Raises AttemptError, ExpiredError, and what reading `blocks` raises."""
        start = 0
        async for block in blocks:
            end = start + len(block)
            tries, furthest = 0, start
            while self.position < end:
                if self.position < start:
                    raise ExpiredError  # the server lacks what was sent before this block
                if self.position > furthest:
                    tries, furthest = 0, self.position
                tries += 1
                await self._put(block[self.position - start :], last_try=tries >= _TRIES)
            start = end
        if start != self.size or self.position != self.size:
            raise _trouble(f"the attachment has {start:,} octets of {self.size:,}")

    async def cancel(self) -> None:
        """Have the server forget what it has; nobody minds when that fails."""
        with contextlib.suppress(AttemptError):
            await self._exchange("DELETE")

    async def _put(self, piece: bytes, *, last_try: bool) -> None:
        start, end = self.position, self.position + len(piece)
        headers = {"content-type": "application/octet-stream", "content-range": f"bytes {start}-{end - 1}/{self.size}"}
        try:
            response = await self._exchange("PUT", headers, piece)
        except AttemptError:
            if last_try:
                raise
            await self._look(in_doubt=end == self.size)
            return
        if response.status == 201 and end == self.size:
            self.position = end
        elif response.status in (200, 202):
            expected = _expected(response)
            self.position = end if expected is None else expected
            if self.position == start and last_try:
                raise _trouble("the server does not take the attachment's next octets")
        elif response.status in _GONE or (response.status == 416 and last_try):
            raise ExpiredError
        elif response.status == 416:
            await self._look(in_doubt=False, lost=True)
        elif response.status in (429, 500, 502, 503, 504) and not last_try:
            wait = response.retry_after or 1.0
            if wait > _LONGEST_WAIT:
                raise AttemptError(self.client.judged(response, final=False))
            await self.clock.sleep(wait)
            await self._look(in_doubt=end == self.size and response.status != 429)
        else:
            raise AttemptError(self.client.judged(response, final=False))

    async def _look(self, *, in_doubt: bool, lost: bool = False) -> None:
        """Ask how far the server has it. A server that does not say is taken to have what it had, unless `lost`.

        `in_doubt`: the last octets may have arrived, after which there is no session to ask, and a second one would
        attach the same thing twice.
        """
        response = await self._exchange("GET")
        expected = _expected(response) if response.status == 200 else None
        if expected is not None:
            self.position = expected
        elif in_doubt:
            raise _trouble("nobody knows whether the last octets of an attachment have arrived: it starts again")
        elif lost or response.status in _GONE:
            raise ExpiredError

    async def _exchange(self, method: str, headers: dict[str, str] | None = None, piece: bytes = b"") -> HttpResponse:
        return await self.client.exchange(method, self.url, headers or {}, piece, len(piece), trace=self.trace)


def session_of(answer: HttpResponse, root: str) -> str:
    """The address in the answer that opens a session: on TLS, unless `root` itself is not. Raises AttemptError."""
    url = _keys(answer).get("uploadurl")
    if answer.status not in (200, 201) or not isinstance(url, str):
        raise _trouble(f"Graph answered {answer.status} and opened no upload session")
    if not url.startswith(("https://", f"{urlsplit(root).scheme}://")):
        raise _trouble("Graph opened an upload session without TLS, where nothing is sent")
    return url


def _expected(answer: HttpResponse) -> int | None:
    """The first octet that the server still wants; None when it does not say."""
    ranges = _keys(answer).get("nextexpectedranges")
    first = ranges[0] if isinstance(ranges, list) and ranges else None
    match = re.match(r"\d{1,12}", first) if isinstance(first, str) else None
    return int(match[0]) if match else None


def _keys(answer: HttpResponse) -> dict[str, Any]:
    """The JSON object in an answer, its keys in lower case."""
    return {key.lower(): one for key, one in (read_object(answer.body) or {}).items()}


def _trouble(text: str) -> AttemptError:
    return AttemptError(Result(Outcome.DEFERRED, 451, "4.3.0", f"{text} (nothing was sent)", Scope.MESSAGE))
