"""Why mail waits that says nothing itself: its mailbox is in trouble, or no relay is at work.

A running relay knows the first; here it is read from the attempts that the queue keeps.
"""

import time
from collections.abc import Sequence

from relay.config import Settings
from relay.database.lock import LockFile
from relay.log import duration, moment
from relay.spool.administration import Administration
from relay.spool.history import Summary
from relay.spool.stuck import Stuck
from relay.upstream import identity

STOPPED = "no relay is at work here: mail goes out once `relay serve` runs with this configuration"


class Waiting:
    """What keeps the mail of a queue, by mailbox."""

    def __init__(self, settings: Settings, found: Sequence[Stuck]) -> None:
        self._settings = settings
        self._found = found

    @classmethod
    async def of(cls, queue: Administration, settings: Settings) -> "Waiting":
        """As the database has it now."""
        return cls(settings, await queue.stuck())

    def reason(self, message: Summary) -> Stuck | None:
        """The trouble of a waiting message's mailbox, where the message says none of its own."""
        if message.state != "queued" or message.reason:
            return None
        who = self.identity(message.account, message.mailbox)
        return next((each for each in self._found if who is not None and who == self._identity(each)), None)

    def identity(self, account: str, mailbox: str) -> str | None:
        """Whose mail it is: what its rate, its places and its pauses belong to; None for no account that there is."""
        configured = self._settings.accounts.get(account)
        if configured is None:
            return None
        if configured.acts_as_sender and mailbox:
            configured = configured.model_copy(update={"mailbox": mailbox})
        return str(identity(account, configured))

    def lines(self) -> list[str]:
        """What waiting mail waits for, mailbox by mailbox, and whether there is nobody who would send it."""
        now = time.time()
        found = [line for each in self._found if self._identity(each) for line in self._told(each, now)]
        return [*found, *([STOPPED] if self.nobody_serves else [])]

    def about(self, message: Summary) -> list[str]:
        """Lines about one message: what it waits for."""
        lines = []
        if (why := self.reason(message)) is not None:
            lines = [f"its mailbox is in trouble, {why.id} was tried {moment(why.at)}: {why.reply}"]
            lines += [why.hint] if why.hint else []
        if message.state == "queued" and self.nobody_serves:
            lines.append(STOPPED)
        return lines

    @property
    def nobody_serves(self) -> bool:
        """Whether it is seen that no relay is at work."""
        try:
            return not LockFile(self._settings.lock_file).is_held()
        except OSError:
            return False

    def _identity(self, each: Stuck) -> str | None:
        return self.identity(each.account, each.mailbox)

    def _told(self, each: Stuck, now: float) -> list[str]:
        who = f"{each.account} ({self._identity(each)})"
        said = f"{who} is in trouble: {each.id} was tried {duration(now - each.at)} ago: {each.reply}"
        return [said, *([f"    {each.hint}"] if each.hint else [])]
