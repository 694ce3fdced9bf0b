"""What a report sends back of the message: all of it while it is small, its header otherwise."""

import quopri

from relay.bounce.notice import Action, Notice

LARGEST_RETURNED = 64 * 1024
"""Octets of a body that is sent back unasked."""
LARGEST_ASKED = 1024 * 1024
"""The same for who asked for it (RET=FULL): the way out may take no more than some MiB."""


def wants_body(ret: str, size: int) -> bool:
    """Whether a body of `size` octets is sent back to who asked for `ret`: "FULL", "HDRS" or "" (RFC 3461 4.3)."""
    return ret != "HDRS" and size <= (LARGEST_ASKED if ret == "FULL" else LARGEST_RETURNED)


def is_whole(notice: Notice) -> bool:
    """Whether the message as a whole goes back: only when it has failed (RFC 3461 6.2 for the others).

    Content that the next server would not take for what it is (5.6.x, RFC 3463 3.7) it would not take in a report.
    """
    if notice.body is None or notice.action is not Action.FAILED:
        return False
    refused = any(told.status.startswith("5.6.") for told in notice.recipients)
    return not refused or (notice.headers + notice.body).isascii()


def part(notice: Notice) -> bytes:
    """The third part of the report, with its own header."""
    if notice.body is None or not is_whole(notice):
        return _header_part(notice.headers)
    octets = notice.headers + b"\r\n" + notice.body
    # RFC 6532 3.7: a header that is not ASCII makes it message/global.
    kind = "message/rfc822" if notice.headers.isascii() or not _is_utf8(notice.headers) else "message/global"
    return _part(kind, "7bit" if octets.isascii() else "8bit", octets)


def _header_part(headers: bytes) -> bytes:
    if headers.isascii():
        return _part("text/rfc822-headers", "7bit", headers)
    charset = "utf-8" if _is_utf8(headers) else "unknown-8bit"
    octets = quopri.encodestring(headers.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    return _part(f"text/rfc822-headers; charset={charset}", "quoted-printable", octets)


def _part(kind: str, encoding: str, octets: bytes) -> bytes:
    head = f"Content-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return head.encode() + octets + (b"" if octets.endswith(b"\r\n") else b"\r\n")


def _is_utf8(octets: bytes) -> bool:
    try:
        octets.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
