"""The header block as it leaves: what a relay has to add to it, and what must not go out."""

import email.utils
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from relay.mime.header import Header
from relay.model import Envelope, Origin

# Bcc would tell every recipient of the others; Return-Path belongs to final delivery (RFC 5321 4.4).
_NEVER_LEAVES = frozenset((b"bcc", b"resent-bcc", b"return-path"))

_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9._:\[\]-]")
_NOT_IN_A_COMMENT = re.compile(r"[^A-Za-z0-9._ -]")
_NOT_IN_A_PATH = re.compile(r"[\s\x00-\x20\x7f-\x9f<>\ud800-\udfff]")
_CIPHER = re.compile(r"TLS_[A-Z0-9_]+")


@dataclass(frozen=True, slots=True)
class Hop:
    """The relay's part in a message's way: who gave it, to whom it goes, when, and under which queue id.

    `envelope` is the one that leaves: its sender becomes a missing From. `now` is in seconds since the epoch.
    `extended` says that the client greeted with EHLO.
    """

    origin: Origin
    envelope: Envelope
    hostname: str
    queue_id: str
    now: float
    extended: bool = True


def prepare(headers: Iterable[Header], hop: Hop) -> bytes:
    """The block with `Received` and what was missing in front, without Bcc, Resent-Bcc and Return-Path.

    Added when absent: Message-ID and Date (RFC 6409 8.2, 8.3), and From with the envelope sender unless that is null.
    Everything else stays byte for byte and in order.
    """
    kept = without(headers, _NEVER_LEAVES)
    present = {header.name for header in kept}
    added = [received(hop)]
    if b"message-id" not in present:
        added.append(f"Message-ID: <{_NOT_IN_A_NAME.sub('?', hop.queue_id)}@{_name(hop.hostname)}>\r\n".encode())
    if b"date" not in present:
        added.append(f"Date: {_date(hop.now)}\r\n".encode())
    if b"from" not in present and hop.envelope.sender and not _NOT_IN_A_PATH.search(hop.envelope.sender):
        added.append(f"From: <{hop.envelope.sender}>\r\n".encode())
    return b"".join([*added, *(header.raw for header in kept)])


def without(headers: Iterable[Header], names: frozenset[bytes]) -> list[Header]:
    """The fields that have none of these `names` (in lower case)."""
    kept = []
    dropped = False
    for header in headers:
        # A line that is no field, behind Bcc: the rest of its list, from an app that folds without white space.
        dropped = header.name in names or (dropped and not header.name)
        if not dropped:
            kept.append(header)
    return kept


def received(hop: Hop) -> bytes:
    """The trace field of RFC 5321 4.4. It names neither the login nor, when there are several, a recipient."""
    origin, envelope = hop.origin, hop.envelope
    address = _literal(origin.peer)
    helo = _name(origin.helo) or address or "unknown"
    lines = [f"Received: from {helo}" + (f" ({address})" if address else "")]
    cipher = origin.tls.rpartition(" ")[2]
    registered = _CIPHER.fullmatch(cipher) is not None
    # The tls clause is for names of the IANA registry (RFC 8314 4.3); OpenSSL's own names can stand in a comment.
    comment = "" if registered or not origin.tls else f" ({_NOT_IN_A_COMMENT.sub('?', origin.tls[:100])})"
    lines.append(f"by {_name(hop.hostname)} with {_protocol(hop)}{comment} id {_NOT_IN_A_NAME.sub('?', hop.queue_id)}")
    if len(envelope.recipients) == 1 and not _NOT_IN_A_PATH.search(envelope.recipients[0]):
        lines.append(f"for <{envelope.recipients[0]}>")
    if registered:
        lines.append(f"tls {cipher}")
    lines[-1] += ";"
    lines.append(_date(hop.now))
    return ("\r\n\t".join(lines) + "\r\n").encode()


def _protocol(hop: Hop) -> str:
    """The `with` keyword of RFC 3848 and RFC 6531 4.3."""
    suffix = ("S" if hop.origin.tls else "") + ("A" if hop.origin.login else "")
    if hop.envelope.smtputf8:
        return "UTF8SMTP" + suffix
    return "ESMTP" + suffix if hop.extended or suffix else "SMTP"


@lru_cache(maxsize=1024)
def _literal(peer: str) -> str:
    """An address literal (RFC 5321 4.1.3), "" when the peer has no IP address."""
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return ""
    return f"[IPv6:{address}]" if address.version == 6 else f"[{address}]"


@lru_cache(maxsize=1024)
def _name(text: str) -> str:
    return _NOT_IN_A_NAME.sub("?", text[:255])


def _date(now: float) -> str:
    return _date_of(int(now))


@lru_cache(maxsize=4)
def _date_of(second: int) -> str:
    return email.utils.format_datetime(datetime.fromtimestamp(second, UTC))
