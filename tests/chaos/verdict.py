"""What has to be true when all is over: pure, from the evidence alone.

A duplicate needs a reason that is not the relay's own word: a kill that fell between the stand-in's taking and the
relay's knowing, a fault that swallowed the reply, an outage in the middle of a transaction.
"""

import collections
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.chaos.agenda import TOO_LONG, loses_the_reply, taken_after, way_of
from tests.chaos.evidence import Copy, End, Entry, Evidence, Line, Strike, seconds
from tests.chaos.mail import REFUSED
from tests.chaos.relays import POSTMASTER
from tests.chaos.senders import relay_id

SKEW = 0.02
"""Seconds by which the times of a log line, which are cut to milliseconds, and of the stand-in may differ."""
LINGERS = 0.5
"""Seconds for which octets of a dead relay may still be read by the stand-in."""
AT_ONCE = 0.1
"""Seconds that lie between a fault at the stand-in and its taking of the message, which it does in one go."""
OVERSLEPT = 3.0
"""Seconds by which a wait may be longer than ordered, on a busy machine."""
COMMIT = 10.0
"""Seconds that may lie between the stand-in's taking and the kill that kept the relay from writing it down."""
_BAD_EVENTS = ("internal error", "corrupt", "expired", "storage")


@dataclass(frozen=True)
class Finding:
    """Something that must not be; `key` is the message, "" where it is about none."""

    key: str
    text: str


class Verdict:
    """The findings, and the duplicates that have a reason, by reason."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.copies: Mapping[str, list[Copy]] = _grouped(evidence.copies)
        self.lines: Mapping[str, list[Line]] = collections.defaultdict(list)
        for line in evidence.lines():
            self.lines[line.recipient].append(line)
        self.reasons: collections.Counter[str] = collections.Counter()
        self._kills = sorted(evidence.kills)
        self._strikes = [strike for strike in evidence.strikes if loses_the_reply(strike.fault)]
        self.findings = [*self._foreign(), *self._missing(), *self._again(), *self._said(), *self._troubles()]

    def _foreign(self) -> Iterator[Finding]:
        """Mail that nobody sent, without or with other recipients than its own, or changed."""
        for copy in self.evidence.copies:
            if not copy.recipients:
                yield Finding(copy.key, "was delivered without a recipient")
            elif not copy.key and copy.recipients != (POSTMASTER,):
                yield Finding("", f"mail that no client wrote went to {copy.recipients}")
            elif copy.key and copy.key not in self.evidence.entries:
                yield Finding("", f"a message {copy.key} was delivered that no client wrote")
            elif copy.key:
                foreign = set(copy.recipients) - {each.lower() for each in self.evidence.entries[copy.key].recipients}
                if foreign:
                    yield Finding(copy.key, f"went to {sorted(foreign)}, who are not its recipients")
                if not copy.whole:
                    yield Finding(copy.key, "arrived with another body")

    def _missing(self) -> Iterator[Finding]:
        """Mail that was promised and has not come, and mail that came though it was not to."""
        for key, entry in self.evidence.entries.items():
            served = {address for copy in self.copies.get(key, ()) for address in copy.recipients}
            if entry.end is End.ACCEPTED:
                lost = {each.lower() for each in entry.recipients} - served - {REFUSED}
                if lost:
                    yield Finding(key, f"was accepted and never reached {sorted(lost)}")
            elif entry.end is not End.UNKNOWN and served:
                yield Finding(key, f"was delivered though its client's end was: {entry.end} {entry.reply}")
            if REFUSED in served:
                yield Finding(key, f"reached {REFUSED}, whom the stand-in refuses")

    def _again(self) -> Iterator[Finding]:
        """Duplicates without a reason."""
        for address, copies in self._by_recipient().items():
            spare = len(copies) - 1
            if not spare:
                continue
            reasons = [reason for copy in copies if (reason := self._reason(copy, self.lines[address]))]
            self.reasons.update(reasons[:spare])
            if len(reasons) < spare:
                text = (
                    f"was delivered {len(copies)} times to {address}; {len(reasons)} of them have a reason: {reasons}"
                )
                yield Finding(copies[0].key, text)

    def _by_recipient(self) -> Mapping[str, list[Copy]]:
        found: dict[str, list[Copy]] = collections.defaultdict(list)
        for copy in self.evidence.copies:
            for address in copy.recipients if copy.key else ():
                found[address].append(copy)
        return found

    def _reason(self, copy: Copy, lines: Sequence[Line]) -> str:
        """Why the relay cannot have known that this copy was taken; "" when it must have."""
        for strike in self._strikes:
            if struck(strike, copy):
                return f"{strike.fault.kind} at {strike.fault.at}"
        if any(line.outcome == "sent" and line.at < copy.at - SKEW for line in lines):
            return ""
        said = min((line for line in lines if line.at >= copy.at - SKEW), key=lambda line: line.at, default=None)
        for kill in self._kills:
            if -LINGERS < kill - copy.at < COMMIT and (said is None or said.at >= kill - SKEW):
                return "kill"
        deferred = said is not None and said.outcome == "deferred"
        if deferred and any(abs(at - copy.at) < TOO_LONG for at in self.evidence.outages):
            return "outage"
        return ""

    def _said(self) -> Iterator[Finding]:
        """What the relay claims in its log."""
        for address, lines in self.lines.items():
            sent = [line for line in lines if line.outcome == "sent"]
            if address in (REFUSED, POSTMASTER):
                continue
            key = address.rpartition("-")[0]
            if len(sent) > 1:
                yield Finding(key, f"was sent {len(sent)} times to {address}, says the log")
            if any(line.outcome == "failed" for line in lines):
                yield Finding(key, f"failed for {address}, says the log, though nothing failed for good")
            taken = [copy.at for copy in self.copies.get(key, ()) if address in copy.recipients]
            if sent and not any(at <= sent[0].at + SKEW for at in taken):
                yield Finding(key, f"is said to have been sent to {address}, and nobody had taken it")

    def _troubles(self) -> Iterator[Finding]:
        for life in self.evidence.lives:
            for event in life.events:
                if event.get("event") in _BAD_EVENTS:
                    yield Finding("", f"life {life.number}: {event['message']} {event.get('exception', '')}")
            if life.strange:
                yield Finding("", f"life {life.number} wrote what is no log line: " + "\n".join(life.strange[:30]))

    def told(self, most: int = 5) -> str:
        """The findings with the history of each message, for who has to find the mistake."""
        lines = [f"{len(self.findings)} findings"]
        for finding in self.findings[:most]:
            lines.append(f"\n{finding.key} {finding.text}")
            if finding.key in self.evidence.entries:
                lines += history(self, self.evidence.entries[finding.key])
        return "\n".join(lines)


def struck(strike: Strike, copy: Copy) -> bool:
    """Whether it can be this message's reply that a fault has swallowed."""
    fault = strike.fault
    if way_of(fault) != copy.way or fault.mailbox not in ("", copy.mailbox):
        return False
    late = copy.at - strike.at - taken_after(fault)
    return -AT_ONCE < late < (OVERSLEPT if fault.kind == "slow" else AT_ONCE)


def _grouped(copies: Iterable[Copy]) -> dict[str, list[Copy]]:
    found: dict[str, list[Copy]] = collections.defaultdict(list)
    for copy in copies:
        found[copy.key].append(copy)
    return found


def history(verdict: Verdict, entry: Entry) -> list[str]:
    """All that is known of a message, in order: client, relay's log by its ids, stand-in, kills, faults and outages."""
    evidence, copies = verdict.evidence, verdict.copies.get(entry.key, [])
    lines = [line for each in entry.recipients if each != REFUSED for line in verdict.lines.get(each.lower(), [])]
    names = {relay_id(entry), *(copy.relay_id for copy in copies), *(line.message_id for line in lines)} - {""}
    found = [(entry.at, f"client {entry.client} begins, {entry.size} octets to {', '.join(entry.recipients)}")]
    for life in evidence.lives:
        for event in life.events:
            if event.get("id") in names:
                shown = {name: value for name, value in event.items() if name not in ("time", "message", "level")}
                found.append((seconds(event["time"]), f"relay {life.number}: {event['message']} {json.dumps(shown)}"))
    found += [
        (copy.at, f"stand-in takes it by {copy.way} for {', '.join(copy.recipients)} as {copy.relay_id}")
        for copy in copies
    ]
    last = max(at for at, _ in found)
    around: list[tuple[float, str]] = [(life.started_at, f"relay {life.number} starts") for life in evidence.lives]
    around += [(at, "KILL") for at in evidence.kills] + [(at, "OUTAGE") for at in evidence.outages]
    mailboxes = {"", *(copy.mailbox for copy in copies)}
    around += [
        (strike.at, f"fault {strike.fault.as_json()}")
        for strike in evidence.strikes
        if strike.fault.mailbox in mailboxes and loses_the_reply(strike.fault)
    ]
    found += [each for each in around if entry.at - 1 < each[0] < last + 1]
    rows = [f"  {at - entry.at:8.3f}  {text}" for at, text in sorted(found)]
    return [*rows, f"  in the end the client knows: {entry.end} {entry.reply}"]
