"""Where the parts of a message are (RFC 2046): one scan over its body, whatever its size.

The scan keeps the header blocks of the parts and nothing of what is in them; a part is a range of octets of the body.
A message inside a message is one part and is not looked into.
"""

import email.header
import email.message
import email.parser
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

_LARGEST_HEADERS = 64 * 1024
_MOST_PARTS = 1000
_DEEPEST = 30
_LONGEST_LINE = 300
"""Octets of a line that can be a delimiter: a boundary has 70 at most (RFC 2046 5.1.1), white space may follow."""
_PIECE = 256 * 1024
"""Octets that are looked through at a time: only what is not decided yet is copied."""
_PROTECTED = ("multipart/signed", "multipart/encrypted", "application/pkcs7-", "application/x-pkcs7-")


class StructureError(Exception):
    """The message cannot be taken apart; the text says why."""


@dataclass(eq=False)
class Part:
    """A part, or the message itself.

    `headers` is its header block; its content is the octets from `start` to `end` of the message's body. `begin` is
    where the delimiter in front of it begins: without `begin` to `end` the message is one without this part.
    """

    headers: bytes
    begin: int
    start: int
    end: int = 0
    parts: list["Part"] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Octets of the content as it is encoded."""
        return max(0, self.end - self.start)

    @cached_property
    def fields(self) -> email.message.Message:
        text = self.headers.decode("utf-8", "surrogateescape")
        return email.parser.HeaderParser().parsestr(text)

    @cached_property
    def kind(self) -> str:
        """The type in lower case, "text/plain" where none is given."""
        return self.fields.get_content_type()

    @property
    def encoding(self) -> str:
        """The content transfer encoding in lower case, "7bit" where none is given."""
        return str(self.fields.get("content-transfer-encoding", "7bit")).strip().lower()

    @property
    def charset(self) -> str:
        return _told(lambda: self.fields.get_content_charset("utf-8"), "utf-8")

    @property
    def disposition(self) -> str:
        """What it is for: "attachment", "inline", another word, or "" where none is given."""
        return self.fields.get_content_disposition() or ""

    @property
    def content_id(self) -> str:
        """Without its angle brackets; "" without one."""
        return str(self.fields.get("content-id", "")).strip().strip("<>")

    @property
    def file_name(self) -> str:
        """As people read it; "" without one."""
        return _decoded(_told(lambda: self.fields.get_filename(""), ""))

    @property
    def is_protected(self) -> bool:
        """Signed or encrypted: not an octet of it may change."""
        return self.kind.startswith(_PROTECTED)

    @property
    def boundary(self) -> bytes:
        """What separates its parts; empty for a part that has none."""
        if not self.kind.startswith("multipart/"):
            return b""
        return _told(lambda: self.fields.get_boundary(""), "").encode("utf-8", "surrogateescape")

    def leaves(self) -> Iterator["Part"]:
        """The parts that have no parts themselves, in order."""
        if not self.parts:
            yield self
        for part in self.parts:
            yield from part.leaves()


class Scanner:
    """Takes the body of a message piece by piece and finds its parts."""

    def __init__(self, headers: bytes) -> None:
        self._root = Part(headers, 0, 0)
        self._open: list[tuple[Part, bytes]] = [(self._root, self._root.boundary)]
        # The body begins a line, so that a delimiter may stand there.
        self._buffer = bytearray(b"\r\n")
        self._base = -2
        self._cursor = 0
        self._headers_at: int | None = None
        self._begin = 0
        self._count = 1

    def feed(self, chunk: bytes | memoryview) -> None:
        """Look through the next octets. Raises StructureError."""
        self._buffer += chunk
        while self._step():
            pass
        keep = self._cursor if self._headers_at is None else self._headers_at
        if keep:
            del self._buffer[:keep]
            self._base += keep
            self._cursor -= keep
            if self._headers_at is not None:
                self._headers_at = 0

    def finish(self) -> Part:
        """The message with its parts; the last ones may end without a delimiter. Raises StructureError."""
        size = self._base + len(self._buffer)
        self.feed(b"\r\n")  # a delimiter may be the last line
        if self._headers_at is not None:
            raise StructureError("a part ends in its header block")
        self._close(0, size)
        self._root.end = size
        return self._root

    def _step(self) -> bool:
        """Go on to the next delimiter or header block; False when more octets are needed for that."""
        if self._headers_at is not None:
            return self._read_headers(self._headers_at)
        if not any(boundary for _, boundary in self._open):
            self._cursor = len(self._buffer)
            return False
        found = self._buffer.find(b"\r\n--", self._cursor)
        if found < 0:
            self._cursor = max(self._cursor, len(self._buffer) - 3)
            return False
        end = self._buffer.find(b"\r\n", found + 4, found + 4 + _LONGEST_LINE)
        if end < 0 and len(self._buffer) < found + 4 + _LONGEST_LINE:
            self._cursor = found
            return False
        self._cursor = found + 2
        if end >= 0:
            self._delimited(bytes(self._buffer[found + 4 : end]).rstrip(b" \t"), found, end)
        return True

    def _delimited(self, line: bytes, found: int, end: int) -> None:
        """Close and open parts if `line` is a delimiter of what is open."""
        for depth in range(len(self._open) - 1, -1, -1):
            part, boundary = self._open[depth]
            if not boundary or not line.startswith(boundary):
                continue
            rest = line[len(boundary) :]
            if rest not in (b"", b"--"):
                continue
            self._close(depth + 1, self._base + found)
            self._cursor = end
            if rest:
                self._open[depth] = (part, b"")
            else:
                self._headers_at = end + 2
                self._begin = max(0, self._base + found)
            return

    def _read_headers(self, at: int) -> bool:
        if len(self._buffer) < at + 2:
            return False
        if self._buffer.startswith(b"\r\n", at):
            end = at
        else:
            end = self._buffer.find(b"\r\n\r\n", at, at + _LARGEST_HEADERS) + 2
            if end < 2:
                if len(self._buffer) - at > _LARGEST_HEADERS:
                    raise StructureError("the header block of a part is too large")
                return False
        self._count += 1
        if self._count > _MOST_PARTS or len(self._open) > _DEEPEST:
            raise StructureError("it has too many parts")
        headers = bytes(self._buffer[at:end])
        if any(boundary and b"\r\n--" + boundary in b"\r\n" + headers for _, boundary in self._open):
            raise StructureError("a part ends in its header block")
        part = Part(headers, self._begin, self._base + end + 2)
        self._open[-1][0].parts.append(part)
        self._open.append((part, part.boundary))
        self._headers_at = None
        self._cursor = end  # the empty line may be the one in front of the next delimiter
        return True

    def _close(self, depth: int, end: int) -> None:
        for part, _ in self._open[depth:]:
            part.end = end
        del self._open[depth:]


def scan(headers: bytes, body: bytes) -> Part:
    """The parts of a message that is in memory. Raises StructureError."""
    scanner, view = Scanner(headers), memoryview(body)
    for start in range(0, len(body), _PIECE):
        scanner.feed(view[start : start + _PIECE])
    return scanner.finish()


def _told(ask: Callable[[], object], otherwise: str) -> str:
    """What the library reads from a parameter; `otherwise` where it trips over its character set (RFC 2231)."""
    try:
        return str(ask())
    except (LookupError, ValueError):
        return otherwise


def _decoded(text: str) -> str:
    """A parameter's value with the encoded words that do not belong there, and often are."""
    if "=?" in text:
        try:
            text = str(email.header.make_header(email.header.decode_header(text)))
        except (email.errors.MessageError, LookupError, ValueError):
            pass  # shown as it is
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
