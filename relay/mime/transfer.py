"""Content transfer encodings (RFC 2045 6), decoded piece by piece."""

import base64
import binascii
from typing import Protocol

_BASE64 = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
_NOT_BASE64 = bytes(octet for octet in range(256) if octet not in _BASE64)


class Decoder(Protocol):
    """Takes what is encoded in pieces of any size, and gives back what is in it."""

    def feed(self, data: bytes) -> bytes:
        """What can be decoded by now."""
        ...

    def finish(self) -> bytes:
        """What is left when nothing more comes."""
        ...


def decoder(encoding: str) -> Decoder | None:
    """The decoder for `encoding` (in lower case); None for one that nobody registered."""
    if encoding in ("7bit", "8bit", "binary", ""):
        return _Identity()
    if encoding == "base64":
        return _Base64()
    return _QuotedPrintable() if encoding == "quoted-printable" else None


def decoded(encoding: str, data: bytes) -> bytes:
    """All of `data`; as it is where nobody knows the encoding."""
    one = decoder(encoding)
    return data if one is None else one.feed(data) + one.finish()


def base64_lines(data: bytes) -> bytes:
    """`data` in base64, in lines of 76 characters that all end in CRLF."""
    return base64.encodebytes(data).replace(b"\n", b"\r\n")


class _Identity:
    def feed(self, data: bytes) -> bytes:
        return data

    def finish(self) -> bytes:
        return b""


class _Base64:
    """What is not of the alphabet is skipped (RFC 2045 6.8); a last piece that is cut off gives what is in it."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        data = self._rest + data.translate(None, _NOT_BASE64)
        whole = len(data) - len(data) % 4
        self._rest = data[whole:]
        return binascii.a2b_base64(data[:whole])

    def finish(self) -> bytes:
        rest, self._rest = self._rest, b""
        # A single character holds six bits, which are no octet.
        return binascii.a2b_base64(rest + b"=" * (4 - len(rest))) if len(rest) > 1 else b""


class _QuotedPrintable:
    """Line by line: an escape never crosses the end of one."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        data = self._rest + data
        whole = data.rfind(b"\n") + 1
        self._rest = data[whole:]
        return binascii.a2b_qp(data[:whole])

    def finish(self) -> bytes:
        rest, self._rest = self._rest, b""
        return binascii.a2b_qp(rest)
