"""What is found while the configuration is read: problems, warnings, and which place each key came from.

Nothing stops at the first problem: everything is collected, so that one look at the output is enough to mend a file.
No text here ever holds a secret's value.
"""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from relay.log import clean

KeyPath = tuple[str, ...]
"""A key as its parts: ("accounts", "office", "oauth", "client_id")."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason why the configuration cannot be used: the dotted key, the file or variable it is in, and the text."""

    key: str
    where: str
    text: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where, self.key, self.text) if part)


class ConfigError(Exception):
    """The configuration cannot be used; `problems` holds every reason that was found."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("\n".join(map(str, problems)))


class UnusableError(ValueError):
    """A value that cannot be used; the text is a sentence about it, without its key."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a key was written: `name` for people, the folder that relative paths start from, and the file if any."""

    name: str
    folder: Path
    file: Path | None = None


BUILT_IN = Place("built-in defaults", Path())


@dataclass
class Findings:
    """Collects what one reading of the configuration finds."""

    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    places: dict[KeyPath, Place] = field(default_factory=dict)
    main: Place = BUILT_IN
    """The place of what nobody wrote."""

    def place(self, path: KeyPath) -> Place:
        """The place of `path`, or of the nearest table around it."""
        for length in range(len(path), 0, -1):
            if found := self.places.get(path[:length]):
                return found
        return self.main

    def problem(self, path: KeyPath, text: str, *, place: Place | None = None) -> None:
        found = Problem(clean(".".join(path)), (place or self.place(path)).name, clean(text))
        if found not in self.problems:
            self.problems.append(found)

    def warn(self, path: KeyPath, text: str) -> None:
        line = clean(f"{self.place(path).name}: {'.'.join(path)}: {text}")
        if line not in self.warnings:
            self.warnings.append(line)

    def missing(self, table: KeyPath, key: str, add: str) -> None:
        """A key that is needed is not there; said once, and not when something else is wrong with it."""
        if not self.has_problem((*table, key)):
            self.problem((*table, key), f"is missing: {add}")

    def has_problem(self, path: KeyPath) -> bool:
        """Whether something is already said about exactly this key."""
        key = clean(".".join(path))
        return any(problem.key == key for problem in self.problems)


def nearest(word: str, choices: Iterable[str], *, alike: float = 0.5) -> str | None:
    """The one of `choices` that `word` most probably means, whatever its case; `alike` runs from 0 to 1."""
    by_lower = {choice.lower(): choice for choice in choices}
    matches = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=alike)
    return by_lower[matches[0]] if matches else None


def suggestion(word: str, choices: Iterable[str], *, otherwise: str = "use one of") -> str:
    """The end of a message about a wrong `word`: what was probably meant, or everything that is possible."""
    possible = sorted(choices)
    if near := nearest(word, possible):
        return f"did you mean {near}?"
    return f"{otherwise} {', '.join(possible)}" if possible else "there is none"
