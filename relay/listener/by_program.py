"""A message that a program hands in without SMTP: the same rules, the same counts and the same trace as by SMTP."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from relay import log, metrics, mime
from relay.config import Settings
from relay.database import StorageError
from relay.listener import repair
from relay.listener.making import Admitted, Maker, waits
from relay.listener.rates import Rates
from relay.listener.reception import LARGEST_HEADER
from relay.metrics.visits import VisitorBook
from relay.mime import Header
from relay.model import Clock, Envelope, MemoryBody, Origin
from relay.policy import ClientPolicy, Decision, Policy, Refusal
from relay.spool import Spool, Submission, Upload

LISTENER = "api"
"""What stands in the place of a listener's name."""


@dataclass(frozen=True, slots=True)
class HandIn:
    """Takes messages of programs. `rates` and `visitors` are those of the listeners."""

    settings: Callable[[], Settings]
    policy: Callable[[], Policy]
    spool: Spool
    rates: Rates
    visitors: VisitorBook
    clock: Clock

    async def take(
        self, client: ClientPolicy, envelope: Envelope, headers: list[Header], body: bytes, upload: Upload, peer: str
    ) -> Submission | Refusal:
        """Queue a message under a client: what went into the queue, or the reply that SMTP would have given.

        `upload` is a new one, and used up afterwards. Raises StorageError or OSError when nothing can be stored now.
        """
        policy, origin = self.policy(), Origin(client.name, LISTENER, peer)
        asked = replace(envelope, recipients=tuple(policy.qualified(client, each) for each in envelope.recipients))
        size = sum(len(one.raw) for one in headers)
        decisions = (
            _addresses(policy, client, asked)
            or self._size(policy, client, size, size + 2 + len(body))
            or policy.decide(client, repair.readdressed(asked, client), headers)
        )
        admitted = (
            decisions if isinstance(decisions, Refusal) else self._counted(client, asked, headers, decisions, origin)
        )
        if isinstance(admitted, Refusal):
            self._tell(admitted, origin, envelope.sender)
            return admitted
        maker = Maker(self.settings().hostname, self.clock.time(), upload.id, self.spool.new_id)
        submission = maker.submission(admitted)
        await self._store(upload, submission, body)
        self.visitors.accepted(
            client.name,
            at=submission.received_at,
            peer=peer,
            sender=envelope.sender,
            subject=mime.subject(headers),
            size=size + 2 + len(body),
        )
        return submission

    def _size(self, policy: Policy, client: ClientPolicy, block: int, whole: int) -> Refusal | None:
        limits = [policy.size_limit(name, client) for name in self.settings().listeners]
        if too_large := max(limits, key=lambda limit: limit.octets).refusal(whole):
            return too_large
        if block > LARGEST_HEADER:
            return Refusal(552, "5.3.4", f"The header block is larger than {LARGEST_HEADER:,} octets")
        return None

    def _counted(
        self,
        client: ClientPolicy,
        asked: Envelope,
        headers: list[Header],
        decisions: tuple[Decision, ...],
        origin: Origin,
    ) -> Admitted | Refusal:
        """The message with its places in the client's rates, or why there is none."""
        leaves = repair.readdressed(asked, client)
        found = waits(self.rates, client, leaves.recipients)
        if isinstance(found, Refusal):
            return found
        return Admitted(client, leaves, asked.recipients, headers, decisions, origin, found)

    async def _store(self, upload: Upload, submission: Submission, body: bytes) -> None:
        held = MemoryBody.of(body)
        try:
            await upload.write(held.data, held.dots)
            await self.spool.put(upload, submission)
        except (StorageError, OSError):
            await upload.discard()
            raise

    def _tell(self, refusal: Refusal, origin: Origin, sender: str) -> None:
        log.listener.message_refused(origin.client, origin.peer, sender, str(refusal))
        metrics.REFUSED.labels(LISTENER, metrics.reason_of(refusal.status)).inc()
        at, reply = self.clock.time(), str(refusal)
        self.visitors.refused("message", at=at, client=origin.client, peer=origin.peer, subject=sender, reply=reply)


def _addresses(policy: Policy, client: ClientPolicy, envelope: Envelope) -> Refusal | None:
    """What MAIL and RCPT would have heard first."""
    verdicts = [policy.check_sender(client, envelope.sender)]
    verdicts += [policy.check_recipient(client, address) for address in envelope.recipients]
    return next((each for each in verdicts if each is not None), None)
