"""Whose mailbox a message goes through, where its account acts as whoever sends."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from relay.config.mailbox_users import ActsAs
from relay.database import Connection
from relay.model import Envelope, Origin
from relay.spool.queues import Queue, origin_of
from relay.spool.rows import Submission

Acting = Mapping[str, ActsAs]
"""The accounts that act as whoever sends."""


class Mailboxes:
    """Sorts mail by mailbox. `acting` is today's configuration."""

    def __init__(self) -> None:
        self.acting: Acting = {}

    def of(self, account: str, envelope: Envelope, origin: Origin) -> str:
        """The mailbox that such a message goes through; "" where the account has one of its own."""
        kind = self.acting.get(account)
        return kind.mailbox(envelope.sender, origin.login) if kind is not None else ""

    def queue(self, submission: Submission) -> Queue:
        """The queue that a message belongs into."""
        return Queue(submission.account, self.of(submission.account, submission.envelope, submission.origin))

    def sorted_in(self, submission: Submission) -> Submission:
        """`submission` with its mailbox, and its parts with theirs."""
        if not self.acting:
            return submission
        parts = tuple(map(self.sorted_in, submission.parts))
        return replace(submission, mailbox=self.queue(submission).mailbox, parts=parts)


def sort_in(connection: Connection, accounts: Sequence[str], acting: Acting) -> None:
    """Put what waits where it belongs by today's configuration: an account may have got or lost its own mailbox."""
    for account in accounts:
        kind = acting.get(account)
        rows = connection.execute(
            f"""SELECT seq, sender, origin, mailbox FROM message WHERE account = ? AND state IN ('queued', 'held')
                {"" if kind else "AND mailbox <> ''"}""",  # noqa: S608 (a constant)
            (account,),
        ).fetchall()
        right = [
            (kind.mailbox(sender, origin_of(origin).login) if kind else "", seq, was)
            for seq, sender, origin, was in rows
        ]
        connection.executemany(
            "UPDATE message SET mailbox = ? WHERE seq = ?", [(now, seq) for now, seq, was in right if now != was]
        )
