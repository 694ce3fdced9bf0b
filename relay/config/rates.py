"""Rates as people write them: `25 messages/1m`, `10000 recipients/24h`, `25 messages/1m burst 5`."""

import re
from typing import Literal

from relay.config import units
from relay.model import Rate

_RATE = re.compile(r"([0-9]{1,9}) (messages?|recipients?)/([0-9a-z]+)(?: burst ([0-9]{1,9}))?")
_LOOSE = re.compile(
    r"\s*([0-9]{1,9})\s*(messages?|mails?|recipients?|)\s*(?:/|per)\s*([0-9]*)\s*([smhd])[a-z]*\s*", re.IGNORECASE
)
_EXAMPLE = '"25 messages/1m" or "10000 recipients/24h"'


def rate(text: str) -> Rate:
    """`COUNT messages/DURATION` or `COUNT recipients/DURATION`, then perhaps `burst COUNT`. Raises ValueError."""
    match = _RATE.fullmatch(text)
    if match is None:
        raise ValueError(f'"{text}" is no rate: write {_probable(text) or f"it like {_EXAMPLE}"}')
    count, burst = int(match[1]), int(match[4]) if match[4] else None
    if not count or burst == 0:
        raise ValueError(f'"{text}" lets nothing through: write at least 1')
    unit: Literal["messages", "recipients"] = "messages" if match[2].startswith("message") else "recipients"
    return Rate(count, unit, units.duration(match[3]), burst)


def message_rate(text: str) -> Rate:
    """A rate in messages: each recipient of a message is one. Raises ValueError."""
    found = rate(text)
    if found.unit != "messages":
        raise ValueError(f'"{text}": it holds for each recipient alone: write {text.replace("recipient", "message")}')
    return found


def show_rate(one: Rate) -> str:
    """A rate as a configuration has it."""
    burst = f" burst {one.burst}" if one.burst else ""
    unit = one.unit.removesuffix("s") if one.count == 1 else one.unit
    return f"{one.count} {unit}/{units.show_duration(one.seconds)}{burst}"


def _probable(text: str) -> str:
    """`30/min` and the like as they should be written; "" for what could be anything."""
    match = _LOOSE.fullmatch(text)
    if match is None:
        return ""
    unit = "recipient" if match[2].lower().startswith("recipient") else "message"
    return f'"{match[1]} {unit}{"" if match[1] == "1" else "s"}/{match[3] or 1}{match[4].lower()}"'
