"""What was said in a session, for clients of a sink: whoever tests an app wants to see how it speaks.

Of a client whose mail really leaves nothing is kept: what it said before its first message is forgotten with that. What
belongs to a login is not written down for anybody.
"""

MOST_LINES = 200
LONGEST_LINE = 500
_COMMANDS = {
    *(b"HELO", b"EHLO", b"MAIL", b"RCPT", b"DATA", b"BDAT", b"RSET", b"NOOP"),
    *(b"QUIT", b"VRFY", b"EXPN", b"HELP", b"STARTTLS", b"AUTH"),
}


class Conversation:
    """The lines of a session up to now: how it began, and the transaction that is under way."""

    __slots__ = ("_lines", "_opening", "kept")

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._opening: int | None = None
        """How many lines came before the first transaction."""
        self.kept = True

    def heard(self, line: bytes) -> None:
        """The client said this command."""
        word, _, rest = line.partition(b" ")
        command = word.upper()
        if command == b"MAIL" and self._opening is None:
            self._opening = len(self._lines)
        if command not in _COMMANDS:
            line = b"(not a command)"  # it may be a login in the wrong place
        if command == b"AUTH":
            mechanism, *more = rest.split(None, 1) or [b""]
            line = word + b" " + mechanism + (b" ***" if more else b"")
        self._add("C: " + line[:LONGEST_LINE].decode("utf-8", "replace"))

    def said(self, reply: str) -> None:
        """We said this reply, which may have several lines."""
        for line in reply.splitlines():
            self._add("S: " + line[:LONGEST_LINE])

    def _add(self, line: str) -> None:
        if self.kept and len(self._lines) < MOST_LINES:
            self._lines.append(line)

    def next_message(self) -> None:
        """Forget the transaction that has ended."""
        del self._lines[self._opening or 0 :]

    def forget(self) -> None:
        """Write nothing more down, and forget what was."""
        self.kept = False
        self._lines.clear()

    @property
    def has_begun(self) -> bool:
        """Whether there was a transaction."""
        return self._opening is not None

    @property
    def text(self) -> str:
        return "\n".join(self._lines)
