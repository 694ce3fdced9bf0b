"""The content of a DATA command as a stream: finds its end, removes the dots, notes what must be known of it.

No I/O: octets in, octets out. Only CRLF.CRLF ends the data (RFC 5321 4.1.1.4): a server that also takes a bare LF there
can be made to see two messages where the next one sees one. Whole chunks are searched and counted, never single lines:
5 MiB cost 17 ms this way, 123 ms line by line.
"""

_END = b"\r\n.\r\n"
_STUFFED = b"\r\n."


class DataReader:
    """Feed it what the client sends after 354; it hands back the content in stored form.

    When `done`, `rest` holds what came after the end. `size` counts the content as RFC 1870 does (with CRLFs, without
    stuffed dots), `dots` its lines that begin with a dot.
    """

    __slots__ = ("_buffer", "bare", "done", "dots", "eight_bit", "nul", "rest", "size")

    def __init__(self) -> None:
        # The CRLF of the DATA command itself: the first line may be the lone dot (or begin with one).
        self._buffer = b"\r\n"
        self.size = -2
        self.dots = 0
        self.done = False
        self.rest = b""
        self.bare = False
        """A CR or LF came without the other (RFC 5321 2.3.8 forbids it)."""
        self.eight_bit = False
        self.nul = False

    def feed(self, data: bytes) -> bytes:
        """Take the next octets; return the content that they complete."""
        buffer = self._buffer + data
        dot = buffer.find(_STUFFED)
        # Where no line begins with a dot there is no end either: one search does for most chunks.
        end = buffer.find(_END, dot) if dot >= 0 else -1
        if end >= 0:
            self.done = True
            self._buffer, self.rest = b"", buffer[end + len(_END) :]
            return self._take(buffer[: end + 2], dot)
        cut = max(0, len(buffer) - len(_END) + 1)
        # Neither an end nor a dot at the start of a line may be cut in two.
        line = buffer.find(b"\r", max(0, cut - len(_STUFFED)), cut)
        if line >= 0:
            cut = line
        self._buffer = buffer[cut:]
        return self._take(buffer[:cut], dot)

    def _take(self, part: bytes, dot: int) -> bytes:
        """`dot` is where the first line that begins with a dot has its CRLF, if there is one."""
        if not part:
            return part
        if not self.bare:
            self.bare = _has_bare(part)
        if not self.eight_bit and not part.isascii():
            self.eight_bit = True
        if not self.nul and b"\0" in part:
            self.nul = True
        if 0 <= dot <= len(part) - len(_STUFFED):
            self.dots += part.count(_STUFFED + b".")
            part = part.replace(_STUFFED, b"\r\n")
        first = self.size < 0
        self.size += len(part)
        return part[2:] if first else part


def _has_bare(part: bytes) -> bool:
    """Whether a CR or LF is in there without the other."""
    ends = part.count(b"\n")
    if part.count(b"\r") != ends:
        return True
    # All three kinds end a line here: as many lines as LFs, and as many CRs, leave room for CRLF alone. This takes half
    # the time of counting CRLFs.
    return len(part.splitlines()) - (not part.endswith((b"\n", b"\r"))) != ends
