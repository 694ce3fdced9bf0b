"""Octets in, command lines out: however the network cuts them, and however long a client makes them.

No I/O. A line ends in LF, with or without CR before it. What is longer than any command may be is kept only as far as
is needed to see that; its rest, up to the line's end, is never taken for a command.
"""

_CR = 0x0D


class LineBuffer:
    """What a client has sent and nobody has taken yet. A line is handed out with at most `longest` + 1 octets."""

    __slots__ = ("_at", "_cut", "_data", "_longest", "bare")

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._data = b""
        self._at = 0
        self._cut: bytes | None = None
        """The beginning of a line that is too long and has not ended yet."""
        self.bare = False
        """The line that was handed out last ended in an LF without a CR."""

    def __len__(self) -> int:
        return len(self._data) - self._at

    def feed(self, data: bytes) -> None:
        """Add what has come."""
        self._data = self._data[self._at :] + data if self._at < len(self._data) else data
        self._at = 0

    def line(self) -> bytes | None:
        """The next line without its end; None when it has not come whole."""
        start = self._at
        end = self._data.find(b"\n", start)
        if end < 0:
            self._hold_back()
            return None
        self._at = end + 1
        self.bare = end == start or self._data[end - 1] != _CR
        if self._cut is not None:
            line, self._cut = self._cut, None
            return line
        if not self.bare:
            end -= 1
        # One that is too long shows that by its length; the CR in front of its end does not count.
        return self._data[start : min(end, start + self._longest + 1)]

    def take(self) -> bytes:
        """All that is there."""
        data = self._data[self._at :] if self._at else self._data
        self._data, self._at = b"", 0
        return data

    def clear(self) -> None:
        """Forget it all."""
        self._data, self._at, self._cut = b"", 0, None

    def _hold_back(self) -> None:
        """Of a line without end, keep no more than shows that it is too long."""
        if self._cut is not None:
            self.take()
        elif len(self) > self._longest + 1:
            # One octet more: it may be the CR of an end that has not come whole.
            self._cut = self.take()[: self._longest + 1]
