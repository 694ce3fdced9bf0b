"""Cutting a header block into fields, the way the most lenient reader on the way would.

Programs disagree about damaged blocks. At a line without a colon Python and Postfix see the end of the header block;
others skip that line and read on. A space in front of the colon is obsolete syntax to RFC 5322 4.5, the end of the
block to Python, an error to others. So nothing ends a block here: every line belongs to a field, and every field is
seen. Who checks all of them has checked the fewer that a stricter reader finds.
"""

import re
from typing import NamedTuple

# A field goes on for as long as lines begin with white space (RFC 5322 2.2.3).
_FIELD_END = re.compile(rb"\r\n(?![ \t])")

_NOT_NAME = bytes(octet for octet in range(256) if not 33 <= octet <= 126)
"""What no field name can hold (RFC 5322 3.6.8)."""


class Header(NamedTuple):
    """One field of a header block.

    `name` is in lower case and holds printable ASCII only: obsolete white space before the colon is gone, and so is
    anything else that a name cannot have (NUL, a byte order mark), since some reader will overlook it. It is empty for
    a line that is no field: one without a colon, or with nothing in front of it. `raw` is the whole field with its
    folding and its final CRLF.
    """

    name: bytes
    raw: bytes

    @property
    def value(self) -> bytes:
        """What follows the colon, unfolded, without white space around it; empty for what is no field."""
        if not self.name:
            return b""
        return self.raw.partition(b":")[2].replace(b"\r\n", b"").strip(b" \t")


def split_headers(block: bytes) -> list[Header]:
    """Cut `block`, whose lines end in CRLF, into fields: their `raw` joined is `block` again.

    Except for a `From ` line of a mailbox file in front (RFC 4155): it is not part of the message and is left out,
    since behind a new field it would end the block for some readers.
    """
    if not block:
        return []
    # One split in C, not a match object per field: this runs for every message.
    headers = [_field(part) for part in _FIELD_END.split(block.removesuffix(b"\r\n"))]
    front = 0
    while front < len(headers) and _is_mailbox_line(headers[front].raw):
        front += 1
    return headers[front:] if front else headers


def _field(part: bytes) -> Header:
    name, colon, _ = part.partition(b":")
    return Header(name.translate(None, _NOT_NAME).lower() if colon else b"", part + b"\r\n")


def _is_mailbox_line(raw: bytes) -> bool:
    """Whether `raw` separates messages in a mailbox file, and is no `From :` field nor hides one behind a bare CR."""
    if not raw.startswith((b"From ", b">From ")) or raw[4:].lstrip(b" \t").startswith(b":"):
        return False
    return raw.count(b"\r") == raw.count(b"\n") == raw.count(b"\r\n")
