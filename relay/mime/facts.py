"""What the relay must know of a header block without changing it."""

import email.errors
import email.header
from collections.abc import Iterable

from relay.mime.header import Header

_LONGEST_READ = 2000
"""Octets of a value that are decoded for a log line or a page."""
_LONGEST_SHOWN = 200

_PROTECTED = ("multipart/signed", "multipart/encrypted", "application/pkcs7-", "application/x-pkcs7-")


def looks_signed(headers: Iterable[Header]) -> bool:
    """Whether the message is signed or encrypted as a whole: S/MIME (RFC 8551) or PGP/MIME (RFC 3156).

    A way that takes mail apart and puts it together again, as Graph does, would make such a signature wrong.
    """
    for header in headers:
        if header.name == b"content-type":
            kind = b"".join(header.value[:_LONGEST_READ].split()).lower().decode("latin-1")
            if kind.startswith(_PROTECTED):
                return True
    return False


def needs_smtputf8(headers: Iterable[Header]) -> bool:
    """Whether the block holds octets above 127, which only RFC 6531 allows there."""
    return not all(header.raw.isascii() for header in headers)


def hop_count(headers: Iterable[Header]) -> int:
    """How many servers have had the message: the number of Received fields (RFC 5321 6.3)."""
    return [header.name for header in headers].count(b"received")


def subject(headers: Iterable[Header]) -> str:
    """The decoded subject, at most 200 characters; "" without one. For showing: clean it for a log line."""
    text = _text(_first(headers, b"subject")[:_LONGEST_READ])
    if "=?" in text:
        try:
            text = str(email.header.make_header(email.header.decode_header(text)))
        except (email.errors.MessageError, LookupError, ValueError):
            pass  # Damaged encoded words, or a character set that nobody knows: shown as they are.
    # Some character sets decode to lone surrogates, which nothing takes that it is shown in.
    text = " ".join(text.split()).encode("utf-8", "replace").decode("utf-8")
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"


def message_id(headers: Iterable[Header]) -> str:
    """The app's Message-ID as it is, at most 998 characters; "" without one."""
    return _text(_first(headers, b"message-id")[:998])


def _first(headers: Iterable[Header], name: bytes) -> bytes:
    return next((header.value for header in headers if header.name == name), b"")


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")
