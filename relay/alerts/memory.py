"""What was said already, and what nobody has heard yet: one small file in the state folder.

A file and no table: it is written a few times in a year, belongs to this host alone, and must work when the database
is what is broken. It is replaced as a whole, so that a crash leaves the old one or the new one.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from relay import disk, log
from relay.alerts.alert import Alert

_MOST_WAITING = 200


@dataclass(frozen=True, slots=True)
class Said:
    """That something was told: for this `until` (None where nothing runs out), `days` before it."""

    until: float | None
    days: int


@dataclass(slots=True)
class Waiting:
    """An alert that a channel has not taken yet: after `tries` it is tried again at `next_at`."""

    alert: Alert
    channel: str
    tries: int = 0
    next_at: float = 0.0


@dataclass(slots=True)
class Memory:
    """The file's content. `save()` writes it when something has changed."""

    file: Path
    said: dict[str, Said] = field(default_factory=dict)
    waiting: list[Waiting] = field(default_factory=list)
    changed: bool = False

    @classmethod
    def load(cls, file: Path) -> "Memory":
        """What the file has; nothing when there is none, or none that can be read."""
        found = cls(file)
        try:
            document = json.loads(file.read_bytes())
            found.said = {key: _said(said) for key, said in document["said"].items()}
            found.waiting = [_waiting(one) for one in document["waiting"]]
        except FileNotFoundError:
            pass  # the first start
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            log.alerts.state_lost(str(file), f"{type(error).__name__}: {error}")
            return cls(file)
        return found

    def remember(self, key: str, until: float | None, days: int) -> None:
        """Note that `key` was told."""
        self.said[key] = Said(until, days)
        self.changed = True

    def forget(self, key: str) -> None:
        """The trouble `key` is over: should it come again, that is news."""
        if self.said.pop(key, None) is not None:
            self.changed = True

    def wait(self, alert: Alert, channel: str) -> None:
        """Keep `alert` for `channel`; the oldest goes when there are too many."""
        self.waiting = [*self.waiting, Waiting(alert, channel)][-_MOST_WAITING:]
        self.changed = True

    def save(self) -> None:
        """Put what has changed on the disk. Raises OSError."""
        if not self.changed:
            return
        document = {
            "said": {key: {"until": said.until, "days": said.days} for key, said in self.said.items()},
            "waiting": [
                {"alert": one.alert.saved(), "channel": one.channel, "tries": one.tries, "next_at": one.next_at}
                for one in self.waiting
            ],
        }
        new = self.file.with_name(f"{self.file.name}.new")
        with disk.private(new) as opened:
            opened.write(json.dumps(document, indent=1).encode())
            disk.sync(opened)
        new.replace(self.file)
        self.changed = False


def _said(saved: dict[str, Any]) -> Said:
    until = saved["until"]
    return Said(None if until is None else float(until), int(saved["days"]))


def _waiting(saved: dict[str, Any]) -> Waiting:
    return Waiting(Alert.loaded(saved["alert"]), saved["channel"], int(saved["tries"]), float(saved["next_at"]))
