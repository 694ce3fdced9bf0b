"""SMTP replies (RFC 5321 4.2): octets in, whole replies out, no I/O.

Any text, any number of lines, cut anywhere on the way: all of that is a reply. What a server can not do is to fill our
memory or to have something that is no reply taken for one.
"""

from functools import lru_cache
from typing import NamedTuple

from relay.log import clean

MAX_LINE = 8 * 1024
"""Octets in one line of a reply. RFC 5321 4.5.3.1.5 says 512; Exchange's diagnostic texts are longer."""
MAX_REPLY = 64 * 1024
"""Octets in all lines of one reply together."""
_MAX_TEXT = 2000
_USUAL_LINE = 128


class Reply(NamedTuple):
    """One reply: `status` is the enhanced status code (RFC 3463) or "", `text` the rest in one clean line."""

    code: int
    status: str
    text: str

    def __str__(self) -> str:
        return " ".join(part for part in (str(self.code), self.status, self.text) if part)


class ReplyError(Exception):
    """What the server sent is no SMTP reply; the text says why."""


class ReplyReader:
    """Collects octets until they are replies."""

    __slots__ = ("_lines", "_rest", "_size")

    def __init__(self) -> None:
        self._rest = b""
        self._lines: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[Reply]:
        """Take what arrived, return the replies that it completes. Raises ReplyError."""
        if self._rest:
            data = self._rest + data
        replies = []
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            reply = self._take(data[start : end - 1 if data[end - 1 : end] == b"\r" and end > start else end])
            if reply is not None:
                replies.append(reply)
            start = end + 1
        self._rest = data[start:]
        if len(self._rest) > MAX_LINE:
            raise ReplyError(f"a reply line of more than {MAX_LINE:,} octets")
        return replies

    def _take(self, line: bytes) -> Reply | None:
        if not self._lines and len(line) <= _USUAL_LINE and line[3:4] == b" ":
            return _short(line)
        code, separator = _code_of(line), line[3:4]
        if self._lines and self._lines[0][:3] != code:
            raise ReplyError(f"a reply with two codes: {_show(self._lines[0])} and {_show(line)}")
        if separator != b"-" and not self._lines:
            return _reply([line])
        self._size += len(line)
        if len(line) > MAX_LINE or self._size > MAX_REPLY:
            raise ReplyError(f"a reply of more than {MAX_REPLY:,} octets")
        self._lines.append(line)
        if separator == b"-":
            return None
        lines, self._lines, self._size = self._lines, [], 0
        return _reply(lines)


def _code_of(line: bytes) -> bytes:
    """The three digits. Raises ReplyError for a line that no reply has."""
    code = line[:3]
    if not (len(code) == 3 and code.isdigit() and b"200" <= code < b"600" and line[3:4] in (b" ", b"-", b"")):
        raise ReplyError(f"no SMTP reply: {_show(line)}")
    return code


@lru_cache(maxsize=128)
def _short(line: bytes) -> Reply:
    """A reply of one line: a server says the same to nearly all MAIL, RCPT and DATA. Raises ReplyError."""
    _code_of(line)
    return _reply([line])


def parse(code: int, text: str) -> Reply:
    """The reply that `text`, the words after the code with a line feed between two lines, stands for."""
    return _reply([f"{code} {line}".encode() for line in text.split("\n")])


def _reply(lines: list[bytes]) -> Reply:
    """Make one line of text; an enhanced code that each line repeats is said once."""
    first = lines[0][4:].decode("utf-8", "replace")
    status, text = _split_status(first, chr(lines[0][0]))
    if len(lines) > 1:
        parts = [text]
        for line in lines[1:]:
            part = line[4:].decode("utf-8", "replace")
            parts.append(part[len(status) :] if status and part.startswith(status) else part)
        text = " ".join(stripped for part in parts if (stripped := part.strip()))
    text = text.strip()
    if not text.isprintable():
        text = clean(text)
    return Reply(int(lines[0][:3]), status, text[:_MAX_TEXT])


def _split_status(text: str, first_digit: str) -> tuple[str, str]:
    """`5.7.60 SMTP; no` -> ("5.7.60", "SMTP; no"). Its class has to be the code's (RFC 2034 4)."""
    head, _, rest = text.lstrip().partition(" ")
    if not 5 <= len(head) <= 10 or head[0] != first_digit or not head.isascii():
        return "", text
    head = head.rstrip(":;,")
    if head.count(".") != 2 or head[1] != "." or head[-1] == "." or ".." in head or not head.replace(".", "").isdigit():
        return "", text
    return head, rest


def _show(line: bytes) -> str:
    return repr(line[:60].decode("ascii", "replace"))
