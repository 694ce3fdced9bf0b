"""JSON from somebody who may send anything."""

import json
import math
import re
from typing import Any

_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{0,15})?")


def read_object(octets: bytes) -> dict[str, Any] | None:
    """The JSON object (RFC 8259) in `octets`, None when there is none that can be read."""
    try:
        # ValueError: not UTF-8, not JSON, or a number of more digits than Python converts.
        document = json.loads(octets.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def as_text(value: object, longest: int = 4000) -> str:
    """`value` if it is text, shortened and made encodable (JSON can hold half a surrogate pair), "" otherwise."""
    if not isinstance(value, str):
        return ""
    return value[:longest].encode("utf-8", "replace").decode("utf-8")


def as_number(value: object) -> float | None:
    """`value` if it is a number, also one that was written as text; None otherwise."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        value = value.strip()
        return float(value) if _NUMBER.fullmatch(value) else None
    if isinstance(value, int | float):
        try:
            number = float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
        return None if math.isnan(number) else number
    return None
