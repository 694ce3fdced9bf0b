"""The messages of the chaos test, made so that whoever gets one can tell whose it is and whether it is whole.

A field `X-Chaos: KEY SHA256` names the message and the digest of its body; every recipient's address is in one message
only, so that an address in the wrong place is seen at once.
"""

import email.utils
import hashlib
import random
import re
from dataclasses import dataclass

REFUSED = "refused@nobody.example"
"""The one address that several messages share: Exchange does not know it."""
INTERNAL = "internal.example"
_MARK = re.compile(rb"^X-Chaos: (\S+) ([0-9a-f]{64})\r$", re.MULTILINE)
_HOP = re.compile(rb"\bid ([0-9a-z]{16})\b")
_LINES = (
    b".\r\n",
    b"..two dots\r\n",
    b". a dot and words\r\n",
    b"\r\n",
    b"From the beginning of a line\r\n",
    "Grüße aus Köln, naïve café\r\n".encode(),
    b"trailing blanks  \t \r\n",
    b"x" * 990 + b"\r\n",
    b"The quick brown fox jumps over the lazy dog and 0123456789 more of the like.\r\n",
)


@dataclass(frozen=True)
class Mail:
    """A message as its client sends it: `content` has CRLF line ends and is not dot-stuffed."""

    key: str
    sender: str
    recipients: tuple[str, ...]
    content: bytes

    @property
    def on_the_wire(self) -> bytes:
        """Dot-stuffed (RFC 5321 4.5.2), without the final dot."""
        return (b"\r\n" + self.content).replace(b"\r\n.", b"\r\n..")[2:]


@dataclass(frozen=True)
class Seen:
    """What a receiver can tell of a message: its key ("" for none), whether its body is whole, the relay's id."""

    key: str
    whole: bool
    relay_id: str


def make(key: str, sender: str, choose: random.Random, *, refused: bool = False) -> Mail:
    """A message of a size and to recipients that `choose` picks; with `refused` one more, whom Exchange refuses."""
    count = choose.choices((1, 2, 3, 5, 12), (60, 15, 10, 10, 5))[0]
    places = [choose.choice(("outside.example", "outside.example", INTERNAL)) for _ in range(count)]
    recipients = tuple(f"{key}-{number}@{place}" for number, place in enumerate(places))
    if refused:
        recipients = (*recipients, REFUSED)
    shown = recipients[: choose.randint(1, len(recipients))]
    body = _body(choose)
    fields = (
        f"From: {sender}\r\nTo: {', '.join(shown)}\r\nSubject: Chaos {key}\r\nMIME-Version: 1.0\r\n"
        f"Date: {email.utils.formatdate(choose.randint(0, 2_000_000_000))}\r\nMessage-ID: <{key}@chaos.example>\r\n"
        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
        f"X-Chaos: {key} {hashlib.sha256(body).hexdigest()}\r\n\r\n"
    )
    return Mail(key, sender, recipients, fields.encode() + body)


def _body(choose: random.Random) -> bytes:
    """Mostly small, some above what a row of the database holds, few large."""
    size = choose.choices(
        (choose.randint(1, 3000), choose.randint(60_000, 90_000), choose.randint(300_000, 900_000)), (80, 17, 3)
    )[0]
    lines: list[bytes] = []
    while size > 0:
        lines.append(choose.choice(_LINES))
        size -= len(lines[-1])
    return b"".join(lines)


def look(raw: bytes) -> Seen:
    """Read a message that has arrived."""
    header, _, body = raw.partition(b"\r\n\r\n")
    hop = _HOP.search(header)
    relay_id = hop[1].decode() if hop else ""
    mark = _MARK.search(header + b"\r\n")
    if mark is None:
        return Seen("", whole=False, relay_id=relay_id)
    return Seen(mark[1].decode(), hashlib.sha256(body).hexdigest() == mark[2].decode(), relay_id)
