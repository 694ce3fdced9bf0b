"""Who came to the listeners and what they heard: for the page's view of the clients. In memory, within limits."""

from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Literal

_MOST_CLIENTS = 1000
_MOST_REFUSALS = 200
_LONGEST = 500

What = Literal["connection", "login", "sender", "recipient", "message"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """What somebody was not allowed. `client` is "" for a stranger; `subject` is the login, address or limit.

    `count` says how often the same was refused in a row, the last time `at` (seconds since the epoch).
    """

    at: float
    what: What
    client: str
    peer: str
    subject: str
    reply: str
    count: int = 1

    def is_like(self, other: "Refusal") -> bool:
        """Whether the same was refused to the same."""
        names = ("what", "client", "peer", "subject", "reply")
        return all(getattr(self, name) == getattr(other, name) for name in names)


@dataclass(slots=True)
class Visits:
    """What one client did since the start. Times are seconds since the epoch."""

    accepted: int = 0
    octets: int = 0
    last_at: float = 0.0
    last_peer: str = ""
    last_sender: str = ""
    last_subject: str = ""
    refused: int = 0


class VisitorBook:
    """One for the whole process: listeners write, the page reads."""

    def __init__(self) -> None:
        self._clients: OrderedDict[str, Visits] = OrderedDict()
        self._refusals: deque[Refusal] = deque(maxlen=_MOST_REFUSALS)

    def accepted(self, client: str, *, at: float, peer: str, sender: str, subject: str, size: int) -> None:
        """A message was taken."""
        found = self._of(client)
        found.accepted += 1
        found.octets += size
        found.last_at, found.last_peer, found.last_sender = at, peer, sender[:_LONGEST]
        found.last_subject = subject[:_LONGEST]

    def refused(self, what: What, *, at: float, client: str, peer: str, subject: str, reply: str) -> None:
        """Something was refused."""
        new = Refusal(at, what, client, peer, subject[:_LONGEST], reply[:_LONGEST])
        if client:
            self._of(client).refused += 1
        if self._refusals and self._refusals[0].is_like(new):
            count = self._refusals.popleft().count
            new = Refusal(at, what, client, peer, new.subject, new.reply, count + 1)
        self._refusals.appendleft(new)

    def of(self, client: str) -> Visits:
        """What `client` did; nothing, for one that was never here."""
        return self._clients.get(client, Visits())

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """The last ones, the newest first."""
        return tuple(self._refusals)

    def _of(self, client: str) -> Visits:
        found = self._clients.setdefault(client, Visits())
        self._clients.move_to_end(client)
        while len(self._clients) > _MOST_CLIENTS:
            self._clients.popitem(last=False)
        return found
