"""The mailboxes of the tenant and what limits each of them."""

from collections import deque
from collections.abc import Iterator

from relay.model import Clock
from relay.sandbox.settings import SandboxSettings

_MINUTE = 60.0


class Mailbox:
    """One mailbox: who it may send as, its connections, its messages of the last minute."""

    def __init__(self, address: str, settings: SandboxSettings, clock: Clock) -> None:
        self.address = address
        self._settings = settings
        self._clock = clock
        # In the order of their AUTH; the values mean nothing (a dict is Python's ordered set).
        self._connections: dict[object, None] = {}
        self._starts: deque[float] = deque(maxlen=settings.messages_per_minute)
        self.graph_requests = 0
        """Requests that Graph serves for it at this moment."""
        self.most_graph_requests = 0
        """The most that there have been at a time."""

    def may_send_as(self, sender: str) -> bool:
        """Whether the mailbox has the right to send as `sender` (its own address, or Send As)."""
        own = (self.address, *self._settings.send_as)
        return any(_covers(pattern.lower(), sender.lower()) for pattern in own)

    def connect(self, session: object) -> None:
        """Count an authenticated connection."""
        self._connections[session] = None

    def disconnect(self, session: object) -> None:
        self._connections.pop(session, None)

    def within_connections(self, session: object) -> bool:
        """Whether `session` is among the connections that may send: the oldest ones, up to the limit."""
        limit = self._settings.connections
        return limit is None or list(self._connections).index(session) < limit

    def reserve(self) -> float:
        """Take the next place in the minute's quota; returns the seconds until it comes (0: now)."""
        limit, now = self._settings.messages_per_minute, self._clock.monotonic()
        if limit is None:
            return 0
        start = now if len(self._starts) < limit else max(now, self._starts[0] + _MINUTE)
        self._starts.append(start)
        return start - now

    @property
    def within_rate(self) -> bool:
        """Whether the minute's quota has a place left now."""
        limit = self._settings.messages_per_minute
        return limit is None or len(self._starts) < limit or self._starts[0] + _MINUTE <= self._clock.monotonic()


class Mailboxes:
    """The mailboxes by address, in any case of letters."""

    def __init__(self, settings: SandboxSettings, clock: Clock) -> None:
        self._by_address = {address.lower(): Mailbox(address, settings, clock) for address in settings.mailboxes}

    def find(self, address: str) -> Mailbox | None:
        """The mailbox with this address, or None."""
        return self._by_address.get(address.lower())

    def __iter__(self) -> Iterator[Mailbox]:
        return iter(self._by_address.values())


def _covers(pattern: str, sender: str) -> bool:
    if pattern.startswith("*@"):
        return sender.endswith(pattern[1:])
    return pattern in ("*", sender)
