"""Mailboxes in trouble, and the mail that waits for them without having been tried itself."""

from collections.abc import Sequence
from dataclasses import dataclass

from relay.model import LaneStatus
from relay.spool.history import Overview, Summary


@dataclass(frozen=True, slots=True)
class Stuck:
    """A mailbox in trouble, and how many messages its accounts have waiting."""

    lane: LaneStatus
    waiting: int

    @property
    def name(self) -> str:
        """Its accounts, and the mailbox of one that has many."""
        accounts = ", ".join(self.lane.accounts)
        return f"{accounts} ({self.lane.mailbox})" if self.lane.mailbox else accounts


def in_trouble(lanes: Sequence[LaneStatus], overview: Overview) -> list[Stuck]:
    """Those that somebody has to look at, the ones with the most mail first."""
    found = [
        Stuck(lane, sum(overview.total("queued", "active", account=name) for name in lane.accounts))
        for lane in lanes
        if lane.trouble
    ]
    return sorted(found, key=lambda one: -one.waiting)


def trouble_of(lanes: Sequence[LaneStatus], message: Summary) -> LaneStatus | None:
    """What keeps a waiting message that says nothing itself: its mailbox, or its account as a whole, is in trouble."""
    if message.state != "queued" or message.reason:
        return None
    of_account = [lane for lane in lanes if lane.trouble and message.account in lane.accounts]
    return next(
        (lane for lane in of_account if not lane.mailbox or lane.mailbox.casefold() == message.sender.casefold()), None
    )
