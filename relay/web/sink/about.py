"""The sink itself: its numbers, what it can do, and its news as a stream."""

import json
import sys
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from relay import __version__
from relay.sink import Summary
from relay.sink.feed import Event
from relay.web.sink import answers
from relay.web.sink.answers import told
from relay.web.sink.asking import Refused
from relay.web.sink.plane import Plane

_HEARTBEAT = 20.0
"""Seconds: proxies close what is silent for longer."""


class About:
    """`/api/v1/info`, `/api/v1/webui` and `/api/events`."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane

    def routes(self) -> list[Route]:
        """Mailpit's, but that its `/api/events` is a websocket; the events are the same."""
        return [
            Route("/api/v1/info", told(self.info), methods=["GET"]),
            Route("/api/v1/webui", told(self.webui), methods=["GET"]),
            Route("/api/events", told(self.events), methods=["GET"]),
        ]

    async def info(self, _request: Request) -> Response:
        """Never asks anybody on the internet for a newer version."""
        plane = self._plane
        total, unread = await plane.store.counts()
        counters = plane.store.counters
        file = plane.database_file
        return answers.as_json(
            {
                "Version": f"v{__version__}",
                "LatestVersion": "disabled",
                "Database": file.name,
                "DatabaseSize": file.stat().st_size if file.exists() else 0,
                "Messages": total,
                "Unread": unread,
                "Tags": await plane.store.tags(),
                "RuntimeStats": {
                    "Uptime": int(plane.clock.time() - plane.started_at),
                    "Memory": _memory(),
                    "MessagesDeleted": counters.deleted,
                    "SMTPAccepted": counters.accepted,
                    "SMTPAcceptedSize": counters.accepted_octets,
                    "SMTPRejected": plane.faults.struck,
                    "SMTPIgnored": 0,
                },
            }
        )

    async def webui(self, _request: Request) -> Response:
        """What a page may offer."""
        plane = self._plane
        return answers.as_json(
            {
                "Label": "",
                "MessageRelay": {
                    "Enabled": bool(plane.ways and plane.release_patterns),
                    "SMTPServer": ", ".join(plane.ways),
                    "ReturnPath": "",
                    "AllowedRecipients": ", ".join(plane.release_patterns),
                    "BlockedRecipients": "",
                    "OverrideFrom": next(iter(plane.ways.values())) if len(plane.ways) == 1 else "",
                    "PreserveMessageIDs": False,
                    "RecipientAllowlist": "",
                },
                "SpamAssassin": False,
                "ChaosEnabled": plane.faults.enabled,
                "DuplicatesIgnored": False,
                "HideDeleteAllButton": False,
            }
        )

    async def events(self, _request: Request) -> Response:
        """Server-sent events (WHATWG HTML 9.2): new, update, delete, prune, truncate."""
        feed = self._plane.store.feed
        if feed.is_full:
            raise Refused(503, "too many are watching; close some windows")

        async def stream() -> AsyncIterator[bytes]:
            with feed.watching() as watcher:
                yield b"retry: 2000\n\n"
                async for event in watcher.events(_HEARTBEAT):
                    yield _line(event) if event is not None else b": still here\n\n"

        headers = {"x-accel-buffering": "no"}
        return StreamingResponse(stream(), media_type="text/event-stream", headers=headers)


def _line(event: Event) -> bytes:
    data = answers.summary(event.data) if isinstance(event.data, Summary) else event.data
    text = json.dumps({"Type": event.kind, "Data": data}, separators=(",", ":"))
    return f"event: {event.kind}\ndata: {text}\n\n".encode()


def _memory() -> int:
    """Octets that the process has used at most."""
    if sys.platform == "win32":
        return 0
    import resource  # noqa: PLC0415 (not on Windows)

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
