"""The one change that the relay makes to a body: text in quoted-printable becomes base64, where it would be garbled.

Microsoft Graph has been seen to read a soft line break and the two characters behind it as one escape when those look
like hexadecimal digits (`=` CRLF `3D`), and the text arrives damaged. What the text says is the same in base64. Only
such parts are changed, and never what is signed or encrypted.
"""

import re

from relay.mime.header import split_headers
from relay.mime.parts import Part, scan
from relay.mime.transfer import base64_lines, decoded

GARBLED = re.compile(rb"=[ \t]*\r\n[0-9A-Fa-f]{2}")
"""What is garbled."""
LONGEST = 64
"""Octets in which an occurrence can be found when a body is looked through piece by piece."""


def recoded(headers: bytes, body: bytes) -> tuple[bytes, bytes]:
    """The message with the text parts that would be garbled in base64. Raises StructureError."""
    root = scan(headers, body)
    changes = [part for part in _open_leaves(root) if _is_garbled(part, body)]
    if changes == [root]:
        return _labelled(headers), base64_lines(decoded("quoted-printable", body))
    pieces: list[bytes] = []
    position = 0
    for part in changes:
        block = body[part.begin : part.start].removesuffix(b"\r\n").removesuffix(part.headers)
        content = base64_lines(decoded("quoted-printable", body[part.start : part.end]))
        pieces += (body[position : part.begin], block, _labelled(part.headers), b"\r\n", content.removesuffix(b"\r\n"))
        position = part.end
    return headers, b"".join([*pieces, body[position:]])


def _open_leaves(part: Part) -> list[Part]:
    """The leaves that are not part of something signed or encrypted."""
    if part.is_protected:
        return []
    return [leaf for child in part.parts for leaf in _open_leaves(child)] if part.parts else [part]


def _is_garbled(part: Part, body: bytes) -> bool:
    is_text = part.kind.startswith("text/") and part.encoding == "quoted-printable"
    return is_text and GARBLED.search(body, part.start, max(part.start, part.end)) is not None


def _labelled(headers: bytes) -> bytes:
    fields = split_headers(headers)
    label = b"Content-Transfer-Encoding: base64\r\n"
    return b"".join(label if one.name == b"content-transfer-encoding" else one.raw for one in fields)
