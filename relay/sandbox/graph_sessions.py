"""Upload sessions for attachments, with the keys as the documentation writes them (docs/sources.md).

The answer that opens a session has `nextExpectedRanges: ["0-"]`, those in between `NextExpectedRanges: ["2097152"]`.
"""

import re
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from relay.model import Clock
from relay.sandbox.graph_drafts import Attachment, Draft

_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
LARGEST_CHUNK = 4 * 1024 * 1024


@dataclass(slots=True)
class Session:
    """One attachment on its way."""

    draft: Draft
    item: dict[str, Any]
    expires_at: float
    token: str = field(default_factory=lambda: f"eyJhbGciOi{secrets.token_urlsafe(60)}")
    data: bytearray = field(default_factory=bytearray)

    @property
    def size(self) -> int:
        return int(self.item["size"])

    def opened(self, root: str) -> dict[str, Any]:
        """The answer that opens it."""
        path = f"upload/Messages('{secrets.token_hex(4)}')/AttachmentSessions('{self.token[:12]}')"
        return {
            "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#microsoft.graph.uploadSession",
            "uploadUrl": f"{root}/{path}?authtoken={self.token}",
            "expirationDateTime": self._expires(),
            "nextExpectedRanges": ["0-"],
        }

    def so_far(self) -> dict[str, Any]:
        """The answer to a piece that was not the last, and to a question."""
        return {
            "@odata.context": "https://outlook.office.com/api/v2.0/$metadata#Users('x')/Messages('y')/AttachmentSessions/$entity",
            "ExpirationDateTime": self._expires(),
            "NextExpectedRanges": [str(len(self.data))],
        }

    def _expires(self) -> str:
        return datetime.fromtimestamp(self.expires_at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "7Z"


class Sessions:
    """Those that are open, by the token in their address."""

    def __init__(self, clock: Clock, lifetime: float) -> None:
        self._clock = clock
        self._lifetime = lifetime
        self._open: dict[str, Session] = {}
        self.cancelled = 0
        """How many were given up by DELETE."""

    def __len__(self) -> int:
        return len(self._open)

    def open(self, draft: Draft, item: dict[str, Any]) -> Session:
        session = Session(draft, item, self._clock.time() + self._lifetime)
        self._open[session.token] = session
        return session

    def find(self, token: str) -> Session | None:
        """The session, unless it has expired or was ended."""
        session = self._open.get(token)
        if session is not None and session.expires_at <= self._clock.time():
            del self._open[token]
            return None
        return session

    def cancel(self, token: str) -> None:
        if self._open.pop(token, None) is not None:
            self.cancelled += 1

    def expire(self, token: str) -> None:
        """End a session by order."""
        self._open.pop(token, None)

    def take(self, session: Session, content_range: str, piece: bytes) -> str:
        """Add a piece: "more", "done", or "bad" for one that is out of place."""
        match = _RANGE.fullmatch(content_range)
        if match is None or len(piece) > LARGEST_CHUNK:
            return "bad"
        first, last, size = map(int, match.groups())
        if first != len(session.data) or last + 1 - first != len(piece) or size != session.size or last >= size:
            return "bad"
        session.data += piece
        if len(session.data) < size:
            return "more"
        session.draft.attachments.append(Attachment.from_json(session.item, bytes(session.data)))
        del self._open[session.token]
        return "done"
