"""The messages that are sent, made so that the receiver can check each of them without having seen it before.

A header line `X-Bench: NUMBER SIZE SHA256` tells which message this is and what its body must be: a relay may add
header lines, but the body has to arrive octet for octet.
"""

import hashlib
from dataclasses import dataclass

SENDER = "accounts@bench.example"
RECIPIENT = "customer@example.com"
MARK = b"\r\nX-Bench: "

_HEAD = (
    "From: Accounts <{sender}>\r\n"
    "To: Customer <{recipient}>\r\n"
    "Subject: Invoice {number}\r\n"
    "Date: Sat, 21 Nov 2026 09:00:00 +0000\r\n"
    "Message-ID: <{number}.bench@bench.example>\r\n"
    "MIME-Version: 1.0\r\n"
    "Content-Type: text/plain; charset=us-ascii\r\n"
    "X-Bench: {number} {size} {digest}\r\n"
    "\r\n"
)
_LINE = b"The quick brown fox jumps over the lazy dog and 0123456789 more of the like.\r\n"


@dataclass(frozen=True, slots=True)
class Template:
    """A message without its number: `wire_body` is dot-stuffed and ends in the final dot."""

    size: int
    digest: str
    wire_body: bytes

    def head(self, number: int) -> bytes:
        """Return the header block of message `number` with the empty line that ends it."""
        text = _HEAD.format(sender=SENDER, recipient=RECIPIENT, number=number, size=self.size, digest=self.digest)
        return text.encode("ascii")


def template(message_size: int, *, dots: bool = False) -> Template:
    """Make a message of about `message_size` octets, header block included.

    With `dots` some lines begin with a dot, to see that they survive; without (as nearly all mail is) a relay may take
    its short way.
    """
    head_size = len(Template(message_size, "0" * 64, b"").head(100))
    wanted = max(message_size - head_size, 2 * len(_LINE))
    first = b".a line that begins with a dot\r\n..and one with two\r\n.\r\n" if dots else b""
    body = first + _LINE * ((wanted - len(first)) // len(_LINE))
    body += b"x" * max(wanted - len(body) - 2, 0) + b"\r\n"
    return Template(len(body), hashlib.sha256(body).hexdigest(), _stuffed(body) + b".\r\n")


def _stuffed(body: bytes) -> bytes:
    """RFC 5321 4.5.2: a dot at the start of a line is doubled."""
    return (b"\r\n" + body).replace(b"\r\n.", b"\r\n..")[2:]
