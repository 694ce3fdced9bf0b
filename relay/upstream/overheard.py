"""`log.conversations` with the name of an account: what is said at its upstream, in the log, without credentials."""

from typing import TYPE_CHECKING

from relay import log
from relay.model import Identity, Message, Results
from relay.upstream.by_mailbox import ByMailbox, Way
from relay.upstream.copies import first_copy
from relay.upstream.trouble import Trace

if TYPE_CHECKING:
    from relay.upstream import Upstream


def overheard(name: str, upstream: "Upstream") -> "Upstream":
    """The way out of account `name`, whose conversations are written down: of all its mailboxes, if it has many."""
    if isinstance(upstream, ByMailbox):
        upstream.wrap(lambda way: _OverheardWay(name, way))
        return upstream
    return Overheard(name, upstream)


class _OverheardWay:
    """A way whose conversations are written down."""

    def __init__(self, name: str, way: Way) -> None:
        self._name = name
        self._way = way

    async def send(self, message: Message, trace: Trace | None = None) -> Results:
        """Send `message` as the account does."""

        def heard(line: str) -> None:
            log.upstream.conversation(self._name, message.id, _as_in_sessions(line))
            if trace is not None:
                trace(line)

        return await self._way.send(message, heard)

    def first_copy(self, message: Message) -> tuple[str, ...]:
        """As the way has it."""
        return first_copy(self._way, message)

    async def close(self) -> None:
        await self._way.close()


class Overheard(_OverheardWay):
    """An account's way out whose conversations are written down."""

    def __init__(self, name: str, upstream: "Upstream") -> None:
        super().__init__(name, upstream)
        self._upstream = upstream

    @property
    def identity(self) -> Identity:
        return self._upstream.identity

    @property
    def concurrency(self) -> int:
        return self._upstream.concurrency


def _as_in_sessions(line: str) -> str:
    """A trace's line in the form that the dialogues of clients have: here we are the client."""
    for mark, side in (("> ", "C: "), ("< ", "S: ")):
        if line.startswith(mark):
            return side + line.removeprefix(mark)
    return line
