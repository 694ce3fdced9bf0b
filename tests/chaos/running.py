"""One run of the chaos test, from the first message until the relay has drained, and its figures."""

import collections
import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos.agenda import Step, agenda
from tests.chaos.evidence import End, Evidence
from tests.chaos.mail import REFUSED
from tests.chaos.relays import KINDS, Relays
from tests.chaos.senders import Desk, Sender
from tests.chaos.stand_in import StandIn
from tests.chaos.verdict import Verdict
from tests.support.process import run

_SILENCE = 60.0
"""Seconds for which nothing may go out while something waits, once nothing is broken any more: twice a first pause."""
_A_CLIENT = 2
"""Applications of each kind."""

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """What came of a run."""

    verdict: Verdict
    left: Sequence[str]
    """What is still in the queue, and other troubles of the end."""
    drained_in: float

    @property
    def well(self) -> bool:
        return not (self.verdict.findings or self.left)

    def told(self) -> str:
        """Everything that is wrong."""
        return "\n".join([*self.left, self.verdict.told()])


def chaos(folder: Path, seed: str, length: float, tell: Tell = lambda _: None) -> Outcome:
    """Run for `length` seconds and until the relay has drained; `folder` is empty and holds everything."""
    evidence, desk = Evidence(), Desk()
    stand_in = StandIn(folder / "stand-in", evidence)
    relays = Relays(folder, stand_in, desk, evidence)
    clients = [Sender(kind, number, seed, desk, evidence) for number in range(_A_CLIENT) for kind in KINDS]
    try:
        relays.start()
        for client in clients:
            client.start()
        _disturb(agenda(seed, length), stand_in, relays, random.Random(f"{seed}/stumbles"), tell)
        _send_home(clients)
        relays.kill()  # which forgets every pause
        stand_in.stop()  # and what still waits there for a relay that is dead
        stand_in.start()
        relays.start()
        before = time.monotonic()
        left = _drain(relays, evidence)
        drained_in = time.monotonic() - before
        left += [] if (code := relays.stop()) == 0 else [f"the relay ended with exit code {code}"]
        left += [] if left else _bodies_left(folder)
    finally:
        _send_home(clients)
        relays.give_up()
        stand_in.stop()
    return Outcome(Verdict(evidence), left, drained_in)


def _disturb(steps: Sequence[Step], stand_in: StandIn, relays: Relays, choose: random.Random, tell: Tell) -> None:
    begun, lost = time.monotonic(), 0.0
    for step in steps:
        time.sleep(max(0.0, begun + lost + step.at - time.monotonic()))
        now = time.monotonic()
        if step.fault is not None:
            stand_in.order(step.fault)
        elif step.what == "kill":
            relays.kill()
            if choose.random() < 0.25:  # a second time, while it looks through what the first has left
                relays.start_and_kill(choose.uniform(0.1, 1.0))
            relays.start()
        elif step.what == "outage":
            stand_in.stop()
            time.sleep(step.seconds)
            stand_in.start()
        else:
            stand_in.behave()
        # The time that starting takes does not count: on a slow machine all the troubles would fall into it.
        lost += time.monotonic() - now
        tell(f"{step.at:6.1f} s  {step.what} {step.fault.as_json() if step.fault else ''}")


def _send_home(clients: Sequence[Sender]) -> None:
    for client in clients:
        client.stopping.set()
    for client in clients:
        if client.ident is not None:
            client.join(60)


def _drain(relays: Relays, evidence: Evidence) -> list[str]:
    """Wait until everybody has his mail and the queue is empty; what is left when that takes too long."""
    wanted = {
        (key, each.lower())
        for key, entry in evidence.entries.items()
        if entry.end is End.ACCEPTED
        for each in entry.recipients
        if each != REFUSED
    }
    seen, progress = 0, time.monotonic()
    while time.monotonic() < progress + _SILENCE:
        if new := evidence.copies[seen:]:
            progress = time.monotonic()
        seen += len(new)
        wanted.difference_update((copy.key, address) for copy in new for address in copy.recipients)
        if not wanted and not _waiting(relays.folder):
            return []
        time.sleep(0.3)
    waiting = _waiting(relays.folder)
    return [f"nothing was sent for {_SILENCE:.0f} s, and {len(waiting)} messages are in the queue: {waiting[:3]}"]


def _waiting(folder: Path) -> list[Any]:
    states = ("--state", "queued", "--state", "active", "--state", "held", "--state", "corrupt")
    code, output = run(folder, "queue", "list", "--config", "relay.toml", *states, "--json")
    assert code == 0, output
    found: list[Any] = json.loads(output)
    return found


def _bodies_left(folder: Path) -> list[str]:
    """Files that belong to no message that is kept."""
    code, output = run(folder, "queue", "list", "--config", "relay.toml", "--state", "failed", "--json")
    assert code == 0, output
    kept = {each["id"] for each in json.loads(output)}
    files = {path.name for path in (folder / "state" / "bodies").iterdir()}
    return [f"bodies of messages that are gone: {sorted(files - kept)[:5]}"] if files - kept else []


def figures(outcome: Outcome) -> list[str]:
    """What happened, for people."""
    verdict, evidence = outcome.verdict, outcome.verdict.evidence
    ends = collections.Counter(entry.end for entry in evidence.entries.values())
    ways = collections.Counter(copy.way for copy in evidence.copies if copy.key)
    unknown = sum(bool(verdict.copies.get(key)) for key, one in evidence.entries.items() if one.end is End.UNKNOWN)
    served = sum(len(copy.recipients) for copy in evidence.copies if copy.key)
    reports = sum(not copy.key for copy in evidence.copies)
    strikes = collections.Counter(f"{strike.fault.kind} at {strike.fault.at}" for strike in evidence.strikes)
    mistakes = len(verdict.findings) + len(outcome.left)
    return [
        f"messages: {_counted(ends)}; of the unknown {unknown:,} were delivered",
        f"delivered: {served:,} recipients, transactions {sum(ways.values()):,} ({_counted(ways)}), reports {reports}",
        f"killed {len(evidence.kills)} times, outages {len(evidence.outages)}, faults {sum(strikes.values())}",
        f"faults: {_counted(strikes)}",
        f"duplicates with a reason: {sum(verdict.reasons.values())} ({_counted(verdict.reasons)})",
        f"drained in {outcome.drained_in:.1f} s after the last kill; mistakes: {mistakes}",
    ]


def _counted(counts: collections.Counter[Any]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in counts.most_common()) or "none"
