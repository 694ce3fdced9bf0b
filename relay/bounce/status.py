"""The part of a report that programs read: `message/delivery-status` (RFC 3464), in ASCII throughout (RFC 6533 3)."""

import email.utils
import re
from datetime import UTC, datetime

from relay.bounce.notice import Action, Notice, Told
from relay.bounce.xtext import decoded
from relay.log import clean

_STATUS = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}")
_UNKNOWN = {Action.FAILED: "5.0.0", Action.DELAYED: "4.0.0", Action.RELAYED: "2.0.0"}
_CLASSES = {Action.FAILED: "45", Action.DELAYED: "4", Action.RELAYED: "2"}
_WIDTH = 76
_LONGEST = 900
"""Octets of a reply that are repeated: a field may be folded, but a word has to fit a line."""


def delivery_status(notice: Notice) -> bytes:
    """The fields of the message, then those of each recipient, CRLF throughout."""
    fields = [("Reporting-MTA", f"dns; {notice.hostname}")]
    if envid := decoded(notice.envid):
        fields.insert(0, ("Original-Envelope-Id", envid))
    fields.append(("Arrival-Date", date(notice.received_at)))
    groups = [fields, *(_recipient(told, notice) for told in notice.recipients)]
    return b"\r\n".join(b"".join(_folded(name, value) for name, value in group) for group in groups)


def date(stamp: float) -> str:
    """A time as mail writes it (RFC 5322 3.3), in UTC."""
    return email.utils.format_datetime(datetime.fromtimestamp(int(stamp), UTC))


def _recipient(told: Told, notice: Notice) -> list[tuple[str, str]]:
    fields = []
    kind, _, original = told.orcpt.partition(";")
    if told.orcpt:
        # In a utf-8 address `\x{...}` stays as it is: that is the form for this part (RFC 6533 3).
        fields.append(("Original-Recipient", f"{kind}; {decoded(original) or original}"))
    fields.append(("Final-Recipient", address(told.address)))
    fields.append(("Action", told.action.value))
    good = _STATUS.fullmatch(told.status) and told.status[0] in _CLASSES[told.action]
    fields.append(("Status", told.status if good else _UNKNOWN[told.action]))
    if told.code and notice.remote:
        fields.append(("Remote-MTA", f"dns; {notice.remote}"))
    if told.code:
        fields.append(("Diagnostic-Code", f"smtp; {told.code} {told.status} {told.text}"))
    if told.action is Action.DELAYED and notice.retry_until is not None:
        fields.append(("Will-Retry-Until", date(notice.retry_until)))
    return fields


def address(text: str) -> str:
    """An address with its type: `rfc822`, or `utf-8` with the numbers of what is not ASCII (RFC 6533 3)."""
    if text.isascii():
        return f"rfc822; {text}"
    special = {ord(char): f"\\x{{{ord(char):02X}}}" for char in text if not char.isascii() or char in "\\+="}
    return f"utf-8; {text.translate(special)}"


def _folded(name: str, value: str) -> bytes:
    """One field, in lines of at most 76 characters where it has spaces to break at."""
    words = clean(value).encode("ascii", "backslashreplace").decode()[:_LONGEST].split(" ")
    lines = [f"{name}:"]
    for word in words:
        if len(lines[-1]) + 1 + len(word) > _WIDTH and lines[-1].strip():
            lines.append(f" {word}")
        else:
            lines[-1] += f" {word}"
    return "".join(f"{line.rstrip()}\r\n" for line in lines).encode()
