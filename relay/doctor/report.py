"""What an examination finds: values that the command line prints, and that anything else can show.

A step has a name that stays the same in every version; the texts are for people and may change.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from relay.log import clean


class State(StrEnum):
    """How a step ended."""

    OK = "ok"
    WARN = "warn"
    """It works, or may work; somebody should look at it."""
    FAIL = "fail"
    """Something has to be done."""
    SKIPPED = "skipped"
    """Not looked at: it does not apply, or a step before it has failed."""


@dataclass(frozen=True, slots=True)
class Step:
    """One finding. `advice` holds cause and next step in sentences, `commands` the lines to type, `details` the facts.

    The commands are those of the provider's own tool: at Microsoft, of Exchange Online PowerShell.
    """

    name: str
    state: State
    text: str
    advice: str = ""
    commands: tuple[str, ...] = ()
    details: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        # What servers and tokens say ends here on terminals and pages.
        for field in ("text", "advice"):
            object.__setattr__(self, field, clean(getattr(self, field)))
        for field in ("commands", "details"):
            object.__setattr__(self, field, tuple(clean(line) for line in getattr(self, field)))

    def as_json(self) -> dict[str, Any]:
        """The step as JSON has it: every field, lists for the lines."""
        return asdict(self) | {"state": self.state.value, "commands": [*self.commands], "details": [*self.details]}


Tell = Callable[[Step], None]
"""Is told of each step as soon as it has ended."""


@dataclass(frozen=True, slots=True)
class Report:
    """All that was found of one account."""

    account: str
    steps: tuple[Step, ...]

    @property
    def good(self) -> bool:
        """Whether nothing has to be done."""
        return all(step.state is not State.FAIL for step in self.steps)

    def as_json(self) -> dict[str, Any]:
        """The report as JSON has it."""
        return {"account": self.account, "good": self.good, "steps": [step.as_json() for step in self.steps]}


class Notes:
    """Collects the steps of one examination and tells of each."""

    def __init__(self, tell: Tell | None = None) -> None:
        self.steps: list[Step] = []
        self._tell = tell

    def add(self, step: Step) -> Step:
        """Note `step`; returns it."""
        self.steps.append(step)
        if self._tell is not None:
            self._tell(step)
        return step

    def skip(self, name: str, reason: str) -> None:
        """Note that a step was not made."""
        self.add(Step(name, State.SKIPPED, reason))


def worst(states: list[State]) -> State:
    """The state that counts for several findings together."""
    return next((state for state in (State.FAIL, State.WARN, State.OK) if state in states), State.SKIPPED)
