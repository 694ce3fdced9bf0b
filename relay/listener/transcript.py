"""What is said in the sessions of a client, for the log: for the day when a device will not talk.

Who it is may be known only late in a session, so the lines are held until then. Nothing of a login is ever among them.
"""

from collections.abc import Collection

from relay import log

_MOST_HELD = 100
_LONGEST = 300
_COMMANDS = {
    *(b"HELO", b"EHLO", b"MAIL", b"RCPT", b"DATA", b"RSET", b"NOOP", b"QUIT"),
    *(b"VRFY", b"EXPN", b"HELP", b"STARTTLS"),
}
MASKED = "***"


class Transcript:
    """One session's dialogue. It is written from the moment on when the client is one of those that are asked for."""

    __slots__ = ("_auth_seen", "_client", "_held", "_peer", "_wanted")

    def __init__(self, wanted: Collection[str], peer: str) -> None:
        self._wanted = wanted
        self._peer = peer
        self._client = ""
        self._held: list[str] = []
        self._auth_seen = False

    def is_of(self, client: str) -> None:
        """Say who the client is, each time that this may have changed."""
        if client in self._wanted and client != self._client:
            self._client = client
            for line in self._held:
                log.listener.conversation(self._client, self._peer, line)
            self._held.clear()

    @property
    def is_somebodys(self) -> bool:
        """The client is known, and is asked for."""
        return bool(self._client)

    def heard(self, line: bytes, *, in_auth: bool) -> None:
        """The client said this line; `in_auth`: within an AUTH exchange."""
        self._write(f"C: {MASKED if in_auth else self._shown(line)}")

    def content(self, size: int) -> None:
        """The client has sent a message of that many octets."""
        self._write(f"C: (a message of {size:,} octets)")

    def said(self, reply: str) -> None:
        """We said this reply, which may have several lines."""
        for line in reply.split("\r\n"):
            self._write(f"S: {line[:_LONGEST]}")

    def _shown(self, line: bytes) -> str:
        word, space, rest = line.partition(b" ")
        command = word.upper()
        if command == b"AUTH":
            self._auth_seen = True
            mechanism, *more = rest.split(None, 1) or [b""]
            return _text(word + space + mechanism) + (f" {MASKED}" if more else "")
        # With a tab or a sign behind it, it is none: its credentials are some all the same.
        self._auth_seen = self._auth_seen or (command not in _COMMANDS and b"AUTH" in line.upper())
        if command not in _COMMANDS and self._auth_seen:
            # Devices send their credentials on, though AUTH was refused.
            return f"{MASKED} (no command, {len(line)} octets)"
        return _text(line)

    def _write(self, line: str) -> None:
        if self._client:
            log.listener.conversation(self._client, self._peer, line)
        elif len(self._held) < _MOST_HELD:
            self._held.append(line)


def _text(line: bytes) -> str:
    return line[:_LONGEST].decode("utf-8", "backslashreplace")
