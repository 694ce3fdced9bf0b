"""What is told: one alert, as a value."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from relay.log import stamp


class Level(StrEnum):
    """How urgent an alert is."""

    WARNING = "warning"
    """There is time left."""
    ERROR = "error"
    """Mail waits, or will within a day."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing to tell. `event` is "expires", "expired", "consent_lost", "identity_paused" or "storage".

    `key` is what it is about, and stays the same as long as that is the same trouble; `kind` and `name` say what runs
    out and whose it is; `at` and `until` are seconds since the epoch, `until` None where nothing runs out.
    """

    key: str
    event: str
    level: Level
    kind: str
    name: str
    text: str
    action: str
    at: float
    until: float | None = None

    def as_json(self, hostname: str) -> dict[str, Any]:
        """What a webhook is sent and a command reads: the texts for people, the rest for programs."""
        return {
            "event": self.event,
            "level": self.level.value,
            "text": sentences(self.text, self.action),
            "kind": self.kind,
            "name": self.name,
            "action": self.action,
            "expires_at": None if self.until is None else stamp(self.until),
            "days_left": None if self.until is None else max(0, int((self.until - self.at) // 86400)),
            "hostname": hostname,
            "time": stamp(self.at),
        }

    def saved(self) -> dict[str, Any]:
        """The alert as it is kept until somebody has heard it."""
        return {name: getattr(self, name) for name in self.__slots__} | {"level": self.level.value}

    @classmethod
    def loaded(cls, saved: dict[str, Any]) -> "Alert":
        """What `saved()` made. Raises TypeError, KeyError or ValueError for anything else."""
        texts = {name: str(saved[name]) for name in ("key", "event", "kind", "name", "text", "action")}
        until = None if saved["until"] is None else float(saved["until"])
        return cls(level=Level(saved["level"]), at=float(saved["at"]), until=until, **texts)


def sentences(text: str, action: str) -> str:
    """What is wrong, and what to do."""
    return f"{text.rstrip('.')}. {action}".strip()
