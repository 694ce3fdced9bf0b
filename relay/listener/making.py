"""What goes into the queue of a message that was let in: one submission for each account, and one for each wait."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from relay import mime
from relay.listener import repair
from relay.listener.rates import SMALLEST, Rates
from relay.mime import Header
from relay.model import Envelope, Origin
from relay.policy import ClientPolicy, Decision, Refusal
from relay.spool import Submission


@dataclass(frozen=True, slots=True)
class Admitted:
    """A message that policy has let in. `envelope` is that of what leaves, `first_recipients` are those of the app.

    `waits` are the seconds that a recipient's copy is held for the client's rates; who is not named does not wait.
    """

    client: ClientPolicy
    envelope: Envelope
    first_recipients: Sequence[str]
    headers: list[Header]
    decisions: Sequence[Decision]
    origin: Origin
    waits: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes submissions at `now` (seconds since the epoch): the first is called `name`, others get names of their own.

    `extended`: the client said EHLO (RFC 3848).
    """

    hostname: str
    now: float
    name: str
    new_id: Callable[[], str]
    extended: bool = True

    def submission(self, admitted: Admitted) -> Submission:
        """The message, or all that it becomes: one for each account, and one for those who have to wait for a rate."""
        made: list[Submission] = []
        for decision in admitted.decisions:
            everybody = decision.recipients or admitted.envelope.recipients
            at_once = tuple(recipient for recipient in everybody if recipient not in admitted.waits)
            later = tuple(recipient for recipient in everybody if recipient in admitted.waits)
            for recipients in filter(None, (at_once, later)):
                made.append(self._message(admitted, decision, recipients, self.new_id() if made else self.name))
        return made[0] if len(made) == 1 else replace(made[0], parts=tuple(made[1:]))

    def _message(self, admitted: Admitted, decision: Decision, recipients: tuple[str, ...], name: str) -> Submission:
        client, envelope = admitted.client, admitted.envelope
        headers = mime.edit_sender(admitted.headers, decision.edit) if decision.edit else admitted.headers
        headers = repair.repaired(headers, client, admitted.first_recipients, eight_bit=envelope.eight_bit)
        edited, eight_bit = headers is not admitted.headers, envelope.eight_bit
        smtputf8 = envelope.smtputf8 or ((eight_bit or edited) and mime.needs_smtputf8(headers))
        envelope = Envelope(decision.sender, recipients, eight_bit, smtputf8, envelope.dsn)
        hop = mime.Hop(admitted.origin, envelope, self.hostname, name, self.now, self.extended)
        wait = max((admitted.waits.get(recipient, 0.0) for recipient in recipients), default=0.0)
        return Submission(
            account=decision.account,
            envelope=envelope,
            headers=mime.prepare(headers, hop),
            origin=admitted.origin,
            received_at=self.now,
            expires_at=self.now + client.max_age,
            message_id=mime.message_id(headers),
            subject=mime.subject(headers),
            priority=client.priority,
            id=name,
            held_until=self.now + wait if wait else 0.0,
            reason=f'held for the rates of client "{client.name}"' if wait else "",
        )


def waits(rates: Rates, client: ClientPolicy, recipients: Sequence[str]) -> dict[str, float] | Refusal:
    """Count a message in its client's rates: who has to wait, and how many seconds."""
    found = rates.take(client, recipients)
    if isinstance(found, Refusal):
        return found
    return {recipient: wait for recipient, wait in found.items() if wait >= SMALLEST}
