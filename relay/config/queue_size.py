"""How much the queue may hold, as people write it: `"10GiB"`, `"100000 messages"`, or both in a list."""

import re
from dataclasses import dataclass
from typing import Any

from relay.config import units

_MESSAGES = re.compile(r"([1-9][0-9]{0,8}) messages?")
_EXAMPLE = '"10GiB", or a number of messages too, like ["10GiB", "100000 messages"]'


@dataclass(frozen=True, slots=True)
class QueueSize:
    """At most so many octets of content, and so many messages. None: the other one alone counts."""

    octets: int | None
    messages: int | None = None


def queue_size(value: Any) -> QueueSize:
    """One text, or a list of two. Raises ValueError."""
    texts = value if isinstance(value, list) else [value]
    octets, messages = None, None
    for one in texts:
        match = _MESSAGES.fullmatch(one) if isinstance(one, str) else None
        if match is not None and messages is None:
            messages = int(match[1])
        elif match is None and octets is None:
            octets = _octets(one)
        else:
            raise ValueError(f"says twice how much: write {_EXAMPLE}")
    if octets is None and messages is None:
        raise ValueError(f"is an empty list: write {_EXAMPLE}")
    return QueueSize(octets, messages)


def _octets(value: Any) -> int:
    if isinstance(value, str) and "mess" in value.lower():
        raise ValueError(f'"{value}" is no number of messages: write it like "100000 messages"')
    return units.size(value)


def show_queue_size(found: QueueSize) -> str | list[str]:
    """A size as a configuration has it."""
    texts = [units.show_size(found.octets)] if found.octets is not None else []
    texts += [f"{found.messages} messages"] if found.messages is not None else []
    return texts if len(texts) > 1 else texts[0]
