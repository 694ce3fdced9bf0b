"""A message as DATA wants it (RFC 5321 4.1.1.4, 4.5.2): dots doubled, one empty line, the final dot.

A body is stored as it goes over the wire, except that its dots are not doubled; `Body.dots` tells whether there are
any, and when there are none its octets are handed on as they are.
"""

from relay.model import Message

SMALL = 64 * 1024
"""Octets of a message that is sent in one write."""
PIECE = 64 * 1024
"""Octets that are written at a time from a larger one."""


def head(message: Message) -> bytes:
    """The header block and the empty line that ends it, dots doubled."""
    headers = message.headers
    if b"\n." in headers or headers.startswith(b"."):
        headers = _doubled(headers, begins_line=True)
    return headers + b"\r\n"


class Stuffing:
    """Doubles the dots of a body chunk by chunk, and knows how it has to be ended."""

    __slots__ = ("_dots", "_tail")

    def __init__(self, dots: int) -> None:
        self._dots = dots
        self._tail = b"\r\n"

    def stuffed(self, chunk: bytes) -> bytes:
        """`chunk` as it goes over the wire: the same object when nothing has to change."""
        begins_line = self._tail.endswith(b"\n")
        self._tail = chunk[-2:] if len(chunk) > 1 else (self._tail + chunk)[-2:]
        return _doubled(chunk, begins_line) if self._dots else chunk

    @property
    def end(self) -> bytes:
        """The final dot, on a line of its own."""
        return b".\r\n" if self._tail == b"\r\n" else b"\r\n.\r\n"


def _doubled(text: bytes, begins_line: bool) -> bytes:
    doubled = text.replace(b"\n.", b"\n..")
    return b"." + doubled if begins_line and text.startswith(b".") else doubled
