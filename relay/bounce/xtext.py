"""xtext (RFC 3461 4): how an SMTP parameter holds characters that it cannot hold as they are: `+2B` is a plus."""

import re

_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*")
"""Every printable ASCII character but `+` and `=`, and `+` with two hexadecimal digits in upper case."""
_HEX = re.compile(r"\+([0-9A-F]{2})")


def decoded(text: str) -> str | None:
    """What `text` stands for; None when it is no xtext, or stands for anything but printable ASCII."""
    if not _XTEXT.fullmatch(text):
        return None
    plain = _HEX.sub(lambda match: chr(int(match[1], 16)), text)
    return plain if plain.isascii() and plain.isprintable() else None
