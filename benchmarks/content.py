"""Reads one message off the wire as cheaply as it can be done and still be checked."""

import hashlib
import re
from dataclasses import dataclass

from benchmarks.message import MARK

_END = b"\r\n.\r\n"
_DOT = b"\r\n.."
_DOT_OR_END = re.compile(rb"\n\.")
_HELD_BACK = len(_END) - 1
_MAX_HEAD = 65536


@dataclass(frozen=True, slots=True)
class Mark:
    """What the message says of itself (see `benchmarks.message`)."""

    number: int
    size: int
    digest: str


class Content:
    """The content of one message, from 354 to the final dot (RFC 5321 4.1.1.4).

    The size without the doubled dots is checked for every message, the SHA-256 for each whose number `check_every`
    divides. `problem` says in words what is wrong, "" when all is well.
    """

    def __init__(self, check_every: int) -> None:
        self.mark: Mark | None = None
        self.problem = ""
        self.size = -2
        self._check_every = check_every
        # As if a line end had come before: the very first line may begin with a dot, or be the final dot.
        self._held = b"\r\n"
        self._head = b""
        self._kept: list[bytes] | None = None

    def feed(self, data: bytes) -> bytes | None:
        """Take the next octets; return what follows the final dot once it has come, None before that."""
        window = self._held + data
        # One quick look settles it for nearly all of a large message.
        dotted = _DOT_OR_END.search(window) is not None
        end = window.find(_END) if dotted else -1
        if end < 0:
            if dotted:
                self._dots_in(window)
            self._take(window, len(window) - _HELD_BACK)
            self._held = window[-_HELD_BACK:]
            return None
        # The line end before the final dot belongs to the content.
        self._dots_in(window[: end + 2])
        self._take(window, end + 2)
        self._finish()
        return window[end + len(_END) :]

    def _dots_in(self, window: bytes) -> None:
        # What was held back has been counted once already.
        self.size -= window.count(_DOT) - (self._held == _DOT)

    def _take(self, window: bytes, length: int) -> None:
        if length <= 0:
            return
        self.size += length
        if self._kept is not None:
            self._kept.append(window[:length])
        elif self.mark is None and not self.problem:
            self._head += window[:length]
            self._look_for_mark()

    def _look_for_mark(self) -> None:
        head_size = self._head.find(b"\r\n\r\n") + 4
        if head_size < 4:
            if len(self._head) > _MAX_HEAD:
                self.problem = "no end of the header block"
            return
        start = self._head.find(MARK, 0, head_size) + len(MARK)
        if start < len(MARK):
            self.problem = "the X-Bench line is missing"
            return
        number, size, digest = self._head[start : self._head.index(b"\r\n", start)].decode("ascii").split()
        self.mark = Mark(int(number), int(size), digest)
        # The virtual line end at the start is in the head, too, and `size` began at -2 for it.
        self.size -= head_size - 2
        if self.mark.number % self._check_every == 0:
            self._kept = [b"\r\n", self._head[head_size:]]
        self._head = b""

    def _finish(self) -> None:
        if self.mark is None:
            self.problem = self.problem or "no end of the header block"
        elif self.size != self.mark.size:
            self.problem = f"message {self.mark.number}: a body of {self.mark.size} octets came as {self.size}"
        elif self._kept is not None:
            body = b"".join(self._kept).replace(_DOT, b"\r\n.")[2:]
            if hashlib.sha256(body).hexdigest() != self.mark.digest:
                self.problem = f"message {self.mark.number}: the body was changed on the way"
