"""News for open pages: server-sent events that say what has changed; the page then fetches itself again."""

import json
import time
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from relay.database import StorageError
from relay.web.frame import Frame
from relay.web.gate import visitor
from relay.web.jobs import Jobs

_EVERY = 1.0
_HEARTBEAT = 20.0
_LASTS = 3600.0
"""Seconds after which a stream ends; the browser begins a new one."""
_MOST = 50


class Live:
    """`/events`."""

    def __init__(self, frame: Frame, jobs: Jobs) -> None:
        self._frame = frame
        self._view = frame.view
        self._jobs = jobs
        self._streams = 0
        self._looked_at = 0.0
        self._queue: object = None

    def routes(self) -> list[BaseRoute]:
        return [Route("/events", self.stream, methods=["GET"])]

    async def stream(self, request: Request) -> Response:
        """The stream, as long as the browser listens."""
        if self._streams >= _MOST:
            return PlainTextResponse("Too many pages are open\n", 503, {"retry-after": "60"})
        headers = {"x-accel-buffering": "no", "cache-control": "no-store"}
        admin = visitor(request).admin
        # Looked at before the browser hears that the stream is open, upon which it asks for the page once more.
        news = self._news(await self._state(admin=admin), admin=admin)
        return StreamingResponse(news, media_type="text/event-stream", headers=headers)

    async def _news(self, before: dict[str, object], *, admin: bool) -> AsyncIterator[str]:
        self._streams += 1
        started = quiet_since = time.monotonic()
        try:
            yield "retry: 3000\n\n"
            while time.monotonic() - started < _LASTS and not self._view.stopping():
                await self._view.clock.sleep(_EVERY)
                after = await self._state(admin=admin)
                changed = [topic for topic in after if after[topic] != before.get(topic)]
                before = after
                if changed:
                    yield f"data: {json.dumps(changed)}\n\n"
                    quiet_since = time.monotonic()
                elif time.monotonic() - quiet_since > _HEARTBEAT:
                    yield ": still here\n\n"
                    quiet_since = time.monotonic()
        finally:
            self._streams -= 1

    async def _state(self, *, admin: bool) -> dict[str, object]:
        """What is compared, by topic."""
        if not admin:
            return {}
        now = time.monotonic()
        if now - self._looked_at >= _EVERY * 0.9:
            self._looked_at = now
            try:
                overview = await self._view.spool.overview()
                self._queue = (overview.counts, overview.oldest_waiting)
            except StorageError:
                self._queue = "unreadable"
        lanes = [(one.identity, one.active, one.trouble, one.last_sent_at) for one in self._view.lanes()]
        tokens = [(name, one.works, one.expires_at) for name, one in self._view.sources().items()]
        return {"queue": self._queue, "accounts": (lanes, tokens), "work": self._jobs.changes}
