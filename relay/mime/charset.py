"""Saying which character set 8-bit text is in, where the app says nothing: a label is added, no octet is recoded.

Old devices put the octets of their own code page into the subject and the body and declare nothing, so every reader
guesses. What they meant only their administrator knows (`clients.NAME.default_charset`).
"""

import base64
import re
from collections.abc import Iterable

from relay.mime.address import mailboxes
from relay.mime.header import Header

_TEXTS = frozenset((b"subject", b"comments", b"content-description"))
_ADDRESSES = frozenset((b"from", b"sender", b"reply-to", b"to", b"cc", b"resent-from", b"resent-to", b"resent-cc"))
_CHARSET = re.compile(rb";[ \t\r\n]*charset(?:\*0?\*?)?[ \t\r\n]*=", re.IGNORECASE)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_OCTETS_OF_A_WORD = 33
"""Octets that one encoded word stands for: with the name of any character set it stays below 76 characters."""


def label_charset(headers: Iterable[Header], charset: str, *, eight_bit_body: bool) -> list[Header]:
    """The block with `charset` named wherever 8-bit text stands without one: in header fields, and for the body.

    A header field that is valid UTF-8 is left alone (RFC 6532), and so are parts of a multipart body, which are no
    header block of ours. A message with a DKIM signature is not touched: the signature may cover what would change.
    """
    headers = list(headers)
    if any(header.name == b"dkim-signature" for header in headers):
        return headers
    labelled = [header if header.raw.isascii() else _field(header, charset) for header in headers]
    return _body(labelled, charset) if eight_bit_body else labelled


def _body(headers: list[Header], charset: str) -> list[Header]:
    present = {header.name for header in headers}
    if b"content-type" not in present:
        headers = [*headers, _made(b"Content-Type", f"text/plain; charset={charset}".encode())]
    else:
        headers = [_typed(header, charset) if header.name == b"content-type" else header for header in headers]
    if b"content-transfer-encoding" not in present and not _is_multipart(headers):
        headers = [*headers, _made(b"Content-Transfer-Encoding", b"8bit")]
    if b"mime-version" not in present:
        headers = [*headers, _made(b"MIME-Version", b"1.0")]
    return headers


def _typed(header: Header, charset: str) -> Header:
    """The Content-Type with a charset, if it is one of a text and has none."""
    value = header.value
    if not value.lower().startswith(b"text/") or _CHARSET.search(value):
        return header
    kept = header.raw.rstrip(b" \t\r\n;")
    return Header(header.name, kept + f"; charset={charset}\r\n".encode())


def _is_multipart(headers: list[Header]) -> bool:
    return any(
        header.name == b"content-type" and header.value.lower().startswith((b"multipart/", b"message/"))
        for header in headers
    )


def _field(header: Header, charset: str) -> Header:
    """The field with its 8-bit text as encoded words of the same octets; as it is where that cannot be done."""
    value = header.value
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        pass
    else:
        return header
    written = header.raw.partition(b":")[0]
    if header.name in _TEXTS:
        words = _words(value, charset)
        return _made(written, words, header.name) if words else header
    if header.name in _ADDRESSES:
        named = _addresses(value, charset)
        return _made(written, named, header.name) if named else header
    return header


def _addresses(value: bytes, charset: str) -> bytes:
    """The list with encoded display names; empty where it is not certain that it would stay the same list."""
    found = mailboxes(value)
    if not found or b":" in value or b"=?" in value:
        return b""
    entries = []
    for name, address in found:
        octets = _QUOTED.sub(lambda match: re.sub(r"\\(.)", r"\1", match[1]), name).encode("utf-8", "surrogateescape")
        shown = name.encode() if octets.isascii() else _words(octets, charset)
        if octets and not shown:
            return b""
        entries.append(shown + b" <" + address.encode() + b">" if shown else address.encode())
    return b",\r\n ".join(entries)


def _words(octets: bytes, charset: str) -> bytes:
    """Encoded words (RFC 2047) that stand for exactly `octets`; empty if these are no text of `charset`.

    No character is cut in two: each word is decoded by itself.
    """
    try:
        pieces = [char.encode(charset) for char in octets.decode(charset)]
    except (UnicodeError, LookupError):
        return b""
    if b"".join(pieces) != octets:
        return b""  # Shift sequences and the like: these octets are not the sum of their characters.
    words = [b""]
    for piece in pieces:
        if len(words[-1]) + len(piece) > _OCTETS_OF_A_WORD:
            words.append(b"")
        words[-1] += piece
    return b"\r\n ".join(b"=?" + charset.encode() + b"?B?" + base64.b64encode(word) + b"?=" for word in words)


def _made(name: bytes, value: bytes, lower: bytes = b"") -> Header:
    return Header(lower or name.lower(), name + b": " + value + b"\r\n")
