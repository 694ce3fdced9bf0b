"""What goes wrong, and when: made beforehand from a seed, so that the order of troubles can be had again."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from relay.sandbox import Fault
from tests.chaos.stand_in import MAILBOXES

TIMEOUT = 5.0
"""Seconds for which the relay waits for a reply."""
TOO_LONG = TIMEOUT + 1.5
"""Seconds after which a reply finds that the relay has given it up."""
_SOON = 0.4
_SMTP, _GRAPH, _GMAIL = MAILBOXES[:3], MAILBOXES[3:4], MAILBOXES[4:]


@dataclass(frozen=True)
class Step:
    """One thing that happens, so many seconds after the start. `seconds` is how long an outage lasts."""

    at: float
    what: Literal["fault", "kill", "outage", "behave"]
    fault: Fault | None = None
    seconds: float = 0.0


def agenda(seed: str, seconds: float) -> list[Step]:
    """All steps of a run: about four faults a second, a kill every two to six seconds, an outage now and then."""
    choose = random.Random(f"{seed}/agenda")
    steps = [Step(choose.uniform(0, seconds), "fault", _fault(choose)) for _ in range(int(seconds * 4))]
    steps += [Step(at, "kill") for at in _moments(choose, 2.0, 6.0, seconds)]
    steps += [Step(at, "outage", seconds=choose.uniform(0.1, 1.2)) for at in _moments(choose, 6.0, 18.0, seconds)]
    steps += [Step(at, "behave") for at in _moments(choose, 5.0, 15.0, seconds)]
    # Pauses last longer than most lives of the relay: some shall see how they end.
    calm = _moments(choose, 100.0, 150.0, seconds)
    return sorted((step for step in steps if not _is_calm(step, calm)), key=lambda step: step.at)


def _moments(choose: random.Random, least: float, most: float, end: float) -> list[float]:
    found, at = [], choose.uniform(least, most)
    while at < end:
        found.append(at)
        at += choose.uniform(least, most)
    return found


def _is_calm(step: Step, calm: Sequence[float]) -> bool:
    """For the length of a pause, now and then, nobody is killed."""
    return step.what == "kill" and any(at <= step.at < at + 50 for at in calm)


def _fault(choose: random.Random) -> Fault:
    make = choose.choices([make for _, make in _FAULTS], [weight for weight, _ in _FAULTS])[0]
    return Fault(times=1, after=choose.choice((0, 0, 0, 1, 3)), **make(choose))


Options = dict[str, Any]


def _smtp(choose: random.Random) -> Options:
    """A refusal for now, of this message or of some of its recipients."""
    at, reply = choose.choice(
        (
            ("mail", "451 4.7.0 Temporary server error. Please try again later. PRX4"),
            ("rcpt", "452 4.5.3 Too many recipients"),
            ("rcpt", "451 4.3.0 Mailbox server is offline"),
            ("data", "451 4.3.2 Please try again later"),
            ("end_of_data", "451 4.4.0 Message failed to be replicated"),
        )
    )
    return {"kind": "reply", "at": at, "reply": reply, "mailbox": choose.choice(_SMTP)}


def _cut(choose: random.Random) -> Options:
    at = choose.choice(("ehlo", "starttls", "auth", "mail", "rcpt", "data", "end_of_data", "end_of_data", "rset"))
    found: Options = {"kind": "disconnect", "at": at}
    if at not in ("ehlo", "starttls"):  # nobody is known there yet
        found["mailbox"] = choose.choice(_SMTP)
    return found | ({"after_reply": True} if choose.random() < 0.3 else {})


def _cut_in_the_content(choose: random.Random) -> Options:
    return {"kind": "disconnect", "at": "body", "after_bytes": choose.choice((0, 700, 50_000))}


def _garbage(choose: random.Random) -> Options:
    at = choose.choice(("mail", "rcpt", "data", "end_of_data"))
    return {"kind": "garbage", "at": at, "mailbox": choose.choice(_SMTP)}


def _slow(choose: random.Random) -> Options:
    at = choose.choice(("ehlo", "auth", "mail", "rcpt", "data", "body", "end_of_data"))
    return {"kind": "slow", "at": at, "seconds": choose.choice((0.1, 0.3, _SOON, _SOON, TOO_LONG))}


def _slow_api(choose: random.Random) -> Options:
    at = choose.choice(("graph", "graph_taken", "gmail", "gmail_taken", "token"))
    return {"kind": "slow", "at": at, "seconds": choose.choice((0.1, 0.3, _SOON, _SOON, TOO_LONG))}


def _closing(choose: random.Random) -> Options:
    return {"kind": "service_closing", "at": choose.choice(("rcpt", "data", "end_of_data"))}


def _api(choose: random.Random) -> Options:
    at = choose.choice(("graph", "gmail"))
    kinds: tuple[Options, ...] = (
        {"kind": "throttled", "retry_after": choose.choice((1, "0.4", 2))},
        {"kind": "unavailable", "retry_after": 1},
        {"kind": "unavailable"},
        {"kind": "http_reply", "status": choose.choice((500, 502, 504)), "body": "<html>Bad Gateway</html>"},
        {"kind": "disconnect"},
    )
    return {"at": at, **choose.choices(kinds, (1, 1, 1, 4, 6))[0]}


def _api_taken(choose: random.Random) -> Options:
    at = choose.choice(("graph_taken", "gmail_taken"))
    lost: Options = {"kind": "http_reply", "status": choose.choice((500, 502, 504))}
    return {"at": at, **choose.choice(({"kind": "disconnect"}, lost))}


def _token(choose: random.Random) -> Options:
    kinds: tuple[Options, ...] = (
        {"kind": "unavailable"},
        {"kind": "disconnect"},
        {"kind": "truncated_json"},
        {"kind": "throttled", "retry_after": 1},
        {"kind": "token_fields", "fields": {"access_token": None}},
    )
    return {"at": "token", **choose.choice(kinds)}


def _mailbox(choose: random.Random) -> Options:
    """Trouble that pauses a mailbox."""
    kinds: tuple[Options, ...] = (
        {"kind": "auth_refused"},
        {"kind": "smtp_auth_disabled_mailbox"},
        {"kind": "too_many_connections"},
        {"kind": "service_closing", "at": "mail"},
    )
    if choose.random() < 0.2:
        return {"kind": choose.choice(("expired_secret", "wrong_secret", "no_roles"))}
    return {**choose.choice(kinds), "mailbox": choose.choice(_SMTP)}


_FAULTS: tuple[tuple[int, Callable[[random.Random], Options]], ...] = (
    (6, _smtp),
    (5, _cut),
    (2, _cut_in_the_content),
    (2, _garbage),
    (4, _slow),
    (2, _slow_api),
    (2, _closing),
    (4, _api),
    (4, _api_taken),
    (2, _token),
    (1, _mailbox),
)


def loses_the_reply(fault: Fault) -> bool:
    """Whether the message may have been taken although the relay cannot hear of it."""
    if fault.kind == "slow":
        return fault.seconds > TIMEOUT and fault.at in (*_BEFORE_IT_IS_TAKEN, *_TAKEN)
    return fault.at in _TAKEN and fault.kind in ("disconnect", "garbage", "http_reply") and not fault.after_reply


def taken_after(fault: Fault) -> float:
    """Seconds between the moment when such a fault strikes and that when the message is taken."""
    return fault.seconds if fault.at in _BEFORE_IT_IS_TAKEN else 0.0


def way_of(fault: Fault) -> str:
    """By which way the message came that such a fault has struck."""
    return fault.at.partition("_")[0] if fault.at.startswith(("graph", "gmail")) else "smtp"


_TAKEN = ("end_of_data", "graph_taken", "gmail_taken")
_BEFORE_IT_IS_TAKEN = ("body", "end_of_data", "graph", "gmail")
"""Points at which the relay has said all that it has to say and a wait lasts until the message is taken."""
