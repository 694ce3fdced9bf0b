"""The standard library where Python's versions differ."""

import email.utils
from collections.abc import Iterable

_LENIENT = {"strict": False} if getattr(email.utils, "supports_strict_parsing", False) else {}


def getaddresses(values: Iterable[str]) -> list[tuple[str, str]]:
    """Whatever is found. Newer Pythons find nobody in a field that has one mistake, unless they are asked to."""
    return email.utils.getaddresses([*values], **_LENIENT)
