"""The content of a DATA command as old devices send it (`profile = "legacy"`).

Such devices end their lines with a bare LF, in commands and content alike. RFC 5321 4.1.1.4 forbids a server to take
that for an end of data, since the next server may see another one (smuggling). Here is why it is safe all the same:

- One end counts for a session, and the session's own command lines say which: CRLF.CRLF, unless every one of them ended
  in a bare LF; then LF.LF - and the session ends with that message, so that nothing behind it is ever a command.
- Every bare LF and CR of the content becomes CRLF, and lines that begin with a dot are stuffed again upstream: what
  leaves has one end for every server.
"""

import re

from relay.listener.data import DataReader

_LINE_END = re.compile(rb"\r\n|\r|\n")
_LF_END = b"\n.\n"


class _LfReader:
    """Finds LF.LF and removes stuffed dots behind any LF; the interface is DataReader's, as far as it is needed."""

    __slots__ = ("_buffer", "_first", "done", "rest")

    def __init__(self) -> None:
        # The LF of the DATA command itself.
        self._buffer = b"\n"
        self._first = True
        self.done = False
        self.rest = b""

    def feed(self, data: bytes) -> bytes:
        buffer = self._buffer + data
        end = buffer.find(_LF_END)
        if end >= 0:
            self.done = True
            self._buffer, self.rest = b"", buffer[end + len(_LF_END) :]
            return self._take(buffer[: end + 1])
        # An LF, or an LF and a dot, may be the beginning of the end.
        cut = len(buffer) - (2 if buffer.endswith(b"\n.") else 1 if buffer.endswith(b"\n") else 0)
        self._buffer = buffer[cut:]
        return self._take(buffer[:cut])

    def _take(self, part: bytes) -> bytes:
        part = part.replace(b"\n.", b"\n")
        if self._first and part:
            self._first = False
            part = part[1:]
        return part


class LegacyReader:
    """Like DataReader, for content whose lines may end in anything; what it hands back has CRLF only."""

    __slots__ = ("_held", "_line_begins", "_reader", "bare", "dots", "eight_bit", "nul", "size")

    def __init__(self, *, lf: bool) -> None:
        self._reader: DataReader | _LfReader = _LfReader() if lf else DataReader()
        self._held = b""
        """A CR whose LF may still come."""
        self._line_begins = True
        self.size = 0
        self.dots = 0
        self.bare = False
        """Never: there is none left."""
        self.eight_bit = False
        self.nul = False

    @property
    def done(self) -> bool:
        return self._reader.done

    @property
    def rest(self) -> bytes:
        return self._reader.rest

    def feed(self, data: bytes) -> bytes:
        """Take the next octets; return the content that they complete."""
        part = self._held + self._reader.feed(data)
        self._held = b""
        if part.endswith(b"\r") and not self._reader.done:
            part, self._held = part[:-1], b"\r"
        if not part:
            return part
        part = _LINE_END.sub(b"\r\n", part)
        self.dots += part.count(b"\r\n.") + (self._line_begins and part.startswith(b"."))
        self._line_begins = part.endswith(b"\n")
        self.size += len(part)
        self.eight_bit = self.eight_bit or not part.isascii()
        self.nul = self.nul or b"\0" in part
        return part
