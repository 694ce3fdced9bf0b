"""Messages as other programs read them: as they are, or as parts of a mailbox file. No octet is lost.

A stored message has CRLF line ends. `eml` gives exactly these octets. A mailbox file (mboxrd) has LF line ends and a
`>` in front of each line that begins with `From ` or with `>`s and `From `; taking both back gives the message again.
"""

import re
import time
from collections.abc import AsyncIterator

from relay.model import Message

_FROM = re.compile(rb"^(>*From )", re.MULTILINE)
_NOT_IN_A_LINE = re.compile(r"\s")


async def eml(message: Message) -> AsyncIterator[bytes]:
    """The message octet for octet: header block, empty line, body."""
    yield message.headers + b"\r\n"
    async for chunk in message.body.chunks():
        yield chunk


async def mbox(message: Message) -> AsyncIterator[bytes]:
    """The message as an entry of a mailbox file, with its empty line behind it."""
    sender = _NOT_IN_A_LINE.sub("?", message.envelope.sender) or "MAILER-DAEMON"
    received = time.strftime("%a %b %d %H:%M:%S %Y", time.gmtime(message.received_at))
    yield f"From {sender} {received}\n".encode("utf-8", "surrogateescape")
    rest, ended = b"", True
    async for chunk in eml(message):
        # Whole lines only: a line end or a `From ` may be cut in two.
        lines, newline, rest = (rest + chunk).rpartition(b"\n")
        if newline:
            yield _FROM.sub(rb">\1", (lines + newline).replace(b"\r\n", b"\n"))
            ended = True
    if rest:
        yield _FROM.sub(rb">\1", rest)
        ended = False
    yield b"\n" if ended else b"\n\n"
