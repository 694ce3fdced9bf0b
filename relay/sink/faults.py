"""Faults on purpose: how the listener misbehaves towards clients of a sink, so that an app's handling can be tested.

Two kinds. `triggers` are Mailpit's chaos: a probability for each step. `rules` are deterministic: which step, which
sender or recipient, how many times, and what happens. Rules are asked first. A client of a real account meets neither.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

Stage = Literal["connect", "auth", "mail", "rcpt", "data"]
STAGES: tuple[str, ...] = get_args(Stage)
MOST_RULES = 100
LONGEST_DELAY = 60.0

_WORDS = {"mail": "sender", "rcpt": "recipient", "auth": "authentication"}
DEFAULT_CODES = {"mail": 451, "rcpt": 451, "auth": 535}

PRESETS: dict[str, tuple[Stage, int, str]] = {
    "exchange-throttled": (
        "data",
        432,
        "4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded [Hostname=sink.example]",
    ),
    "exchange-auth-disabled": (
        "auth",
        535,
        "5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.",
    ),
    "exchange-basic-auth-removed": ("auth", 550, "5.7.30 Basic authentication is not supported for Client Submission."),
    "exchange-send-as-denied": (
        "data",
        554,
        "5.2.252 SendAsDenied; the mailbox is not allowed to send as this address",
    ),
    "greylisted": ("rcpt", 450, "4.2.0 Greylisted, please try again later"),
    "mailbox-full": ("rcpt", 452, "4.2.2 Mailbox full"),
    "no-such-user": ("rcpt", 550, "5.1.1 No such user here"),
    "too-many-connections": ("connect", 421, "4.7.0 Too many connections, please try again later"),
}
"""Faults of real servers, by name: where, and what they say."""


class RuleError(ValueError):
    """A rule that cannot be: the message says why."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """A reply code and its probability in percent."""

    code: int
    probability: int = 0


@dataclass(frozen=True, slots=True)
class Rule:
    """What happens at `stage` to mail that matches; `sender` and `recipient` are `*`, `@domain` or an address.

    The first `skip` matches are let pass, then `times` of them are struck (None: all). `code` 0 only delays.
    `delay` is in seconds; `disconnect` closes the connection, after the reply if there is one.
    """

    stage: Stage
    sender: str = "*"
    recipient: str = "*"
    code: int = 0
    text: str = ""
    delay: float = 0.0
    disconnect: bool = False
    skip: int = 0
    times: int | None = None

    def check(self) -> "Rule":
        """Itself, if it can be. Raises RuleError."""
        if self.stage not in STAGES:
            raise RuleError(f"stage must be one of {', '.join(STAGES)}")
        if self.code and not 400 <= self.code <= 599:
            raise RuleError("error code must be between 400 and 599")
        if not 0 <= self.delay <= LONGEST_DELAY:
            raise RuleError(f"delay must be between 0 and {LONGEST_DELAY:.0f} seconds")
        if self.skip < 0 or (self.times is not None and self.times < 1):
            raise RuleError("skip must not be negative, and times at least 1")
        if not (self.code or self.delay or self.disconnect):
            raise RuleError("a rule needs a code, a delay or a disconnect")
        if len(self.text) > 400 or not (self.text.isascii() and self.text.isprintable()):
            raise RuleError("text must be at most 400 printable ASCII characters")
        return self


@dataclass(frozen=True, slots=True)
class Strike:
    """What happens now: wait, say `reply` ("" says nothing), close or not."""

    reply: str
    delay: float = 0.0
    disconnect: bool = False

    @property
    def answers(self) -> bool:
        """The command is answered by it, and goes no further."""
        return self.disconnect or bool(self.reply)


@dataclass(slots=True)
class Faults:
    """What is in force; `chance` gives numbers in 0..1."""

    enabled: bool = False
    triggers: dict[str, Trigger] = field(
        default_factory=lambda: {stage: Trigger(code) for stage, code in DEFAULT_CODES.items()}
    )
    chance: Callable[[], float] = random.random
    struck: int = 0
    """How often something was refused on purpose."""
    _rules: list[Rule] = field(default_factory=list)
    _seen: list[int] = field(default_factory=list)

    @property
    def rules(self) -> list[tuple[Rule, int]]:
        """The rules in order, each with how often it has matched."""
        return list(zip(self._rules, self._seen, strict=True))

    def set_rules(self, rules: Sequence[Rule]) -> None:
        """Replace the rules; their counts begin anew. Raises RuleError."""
        if len(rules) > MOST_RULES:
            raise RuleError(f"there can be {MOST_RULES} rules at most")
        self._rules = [rule.check() for rule in rules]
        self._seen = [0] * len(rules)

    def reset(self) -> None:
        """Forget all rules and triggers: all goes well again."""
        self.set_rules([])
        self.triggers.update({stage: Trigger(code) for stage, code in DEFAULT_CODES.items()})

    def at(self, stage: Stage, sender: str = "", recipients: Sequence[str] = ()) -> Strike | None:
        """What happens at this step, None for nothing."""
        if not self.enabled:
            return None
        strike = self._by_rule(stage, sender, recipients) or self._by_chance(stage)
        if strike is not None and (strike.reply or strike.disconnect):
            self.struck += 1
        return strike

    def _by_rule(self, stage: Stage, sender: str, recipients: Sequence[str]) -> Strike | None:
        for index, rule in enumerate(self._rules):
            wanted = rule.recipient == "*" or any(_fits(rule.recipient, each) for each in recipients)
            if rule.stage != stage or not (wanted and _fits(rule.sender, sender)):
                continue
            seen = self._seen[index] = self._seen[index] + 1
            if seen > rule.skip and (rule.times is None or seen <= rule.skip + rule.times):
                reply = f"{rule.code} {rule.text or 'Refused by a fault rule'}" if rule.code else ""
                return Strike(reply, rule.delay, rule.disconnect)
        return None

    def _by_chance(self, stage: Stage) -> Strike | None:
        trigger = self.triggers.get(stage)
        if trigger is None or trigger.probability <= self.chance() * 100:
            return None
        return Strike(f"{trigger.code} Chaos {_WORDS[stage]} error")


def preset(name: str, rule: Rule) -> Rule:
    """`rule` with what the preset says where the rule says nothing. Raises RuleError."""
    if name not in PRESETS:
        raise RuleError(f"there is no preset {name!r}: there are {', '.join(PRESETS)}")
    stage, code, text = PRESETS[name]
    return replace(rule, stage=stage, code=rule.code or code, text=rule.text or text)


def _fits(pattern: str, address: str) -> bool:
    pattern, address = pattern.casefold(), address.casefold()
    return pattern in ("*", address) or (pattern.startswith("@") and address.endswith(pattern))
