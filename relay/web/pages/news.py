"""News of the sink for open pages: who may see the mail hears of it, administrator or not."""

import json
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from relay.sink.feed import Watcher
from relay.web.frame import Frame

_HEARTBEAT = 20.0


class News:
    """`/mail/events`, which stands in front of `/mail/{id}`."""

    def __init__(self, frame: Frame) -> None:
        self._feed = frame.view.plane.store.feed

    def routes(self) -> list[BaseRoute]:
        return [Route("/mail/events", self.stream, methods=["GET"])]

    async def stream(self, _request: Request) -> Response:
        """The stream, as long as the browser listens."""
        if self._feed.is_full:
            return PlainTextResponse("Too many pages are open\n", 503, {"retry-after": "60"})
        headers = {"x-accel-buffering": "no", "cache-control": "no-store"}
        return StreamingResponse(self._news(), media_type="text/event-stream", headers=headers)

    async def _news(self) -> AsyncIterator[str]:
        with self._feed.watching() as watcher:
            yield "retry: 3000\n\n"
            async for line in _lines(watcher):
                yield line


async def _lines(watcher: Watcher) -> AsyncIterator[str]:
    async for event in watcher.events(_HEARTBEAT):
        yield ": still here\n\n" if event is None else f"data: {json.dumps(['mail'])}\n\n"
