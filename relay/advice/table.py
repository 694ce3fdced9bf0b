"""The form in which advice is written down: a text that people can read and correct as it stands.

Each entry begins at the margin with its keys, a letter for its kind, and what the error means; the indented lines
below say what to do. NAME stands for the account.
"""

import re
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Who can end the trouble."""

    CONFIGURATION = "C"
    """An administrator must change something, here or at the provider."""
    USER = "U"
    """The mailbox's user must sign in again."""
    TRANSIENT = "T"
    """Waiting can help."""
    START_OVER = "S"
    """A sign-in that was under way must be started again."""


@dataclass(frozen=True, slots=True)
class Advice:
    """`meaning` and `action` are sentences; the action is in the imperative."""

    kind: Kind
    meaning: str
    action: str

    def __str__(self) -> str:
        return f"{self.meaning} {self.action}"


_HEAD = re.compile(r"(?P<keys>[\w, ]+?) (?P<kind>[CUTS]) (?P<meaning>[A-Z].*)")


def read(text: str) -> dict[str, Advice]:
    """The entries of `text` by key. Raises ValueError where it has not the form of this module's text."""
    found: dict[str, Advice] = {}
    for entry in re.split(r"\n(?=\S)", text.strip("\n")):
        head, *action = (line.strip() for line in entry.splitlines())
        match = _HEAD.fullmatch(head)
        if match is None or not any(action):
            raise ValueError(f"not an entry: {head}")
        advice = Advice(Kind(match["kind"]), match["meaning"], " ".join(action).strip())
        for key in match["keys"].split(", "):
            if key in found:
                raise ValueError(f"twice: {key}")
            found[key] = advice
    return found
