"""The key that seals stored tokens, as text: 32 octets in base64 or in hexadecimal digits."""

import base64
import re

OCTETS = 32
HOW_TO_MAKE = "openssl rand -base64 32"

_HEX = re.compile(r"[0-9a-fA-F]{64}")


def octets_of(text: str) -> bytes:
    """The key that `text` holds. Raises ValueError, whose sentence quotes nothing."""
    bare = text.strip()
    if _HEX.fullmatch(bare):
        return bytes.fromhex(bare)
    try:
        octets = base64.b64decode(bare.translate(str.maketrans("-_", "+/")), validate=True)
    except ValueError:
        octets = b""
    if len(octets) != OCTETS:
        raise ValueError(f"is no key: {OCTETS} octets in base64 are needed. Make one with `{HOW_TO_MAKE}`")
    return octets
