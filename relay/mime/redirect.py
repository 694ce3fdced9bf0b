"""Mail of a staging system: everything goes to one address, and the message says to whom it would have gone.

Graph and the Gmail API send to whom the header names, so none of the first recipients may stay there.
"""

from collections.abc import Iterable, Sequence

from relay.mime.header import Header
from relay.mime.outgoing import without

ORIGINAL_RECIPIENTS = "X-Original-Recipients"
"""The field that names the recipients of the envelope, as the app gave them."""

_RENAMED = frozenset((b"to", b"cc", b"resent-to", b"resent-cc"))
_DROPPED = frozenset((b"bcc", b"resent-bcc", ORIGINAL_RECIPIENTS.lower().encode()))


def redirect(headers: Iterable[Header], recipients: Sequence[str], to: str) -> list[Header]:
    """The block addressed to `to` alone: To, Cc and their Resent forms become X-Original-To, and so on.

    `recipients` are named in X-Original-Recipients. Every other field stays byte for byte and in its place.
    """
    edited = [
        Header(b"to", f"To: {to}\r\n".encode()),
        Header(ORIGINAL_RECIPIENTS.lower().encode(), _original(recipients)),
    ]
    for header in without(headers, _DROPPED):
        if header.name in _RENAMED:
            edited.append(Header(b"x-original-" + header.name, b"X-Original-" + header.raw.lstrip()))
        else:
            edited.append(header)
    return edited


def _original(recipients: Sequence[str]) -> bytes:
    """One field, an address a line: a long list stays within what a line may hold."""
    listed = ",\r\n ".join("".join(char for char in one if char.isprintable()) for one in recipients)
    return f"{ORIGINAL_RECIPIENTS}: {listed}\r\n".encode("utf-8", "backslashreplace")
