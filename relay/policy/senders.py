"""Checking who a message says it is from: the envelope sender, From and Sender together (docs/architecture.md, promises
2 and 4).

Exchange, the recipients' servers and their mail programs each look at another of these, so a check of one is no check:
every address of every field that any of them could take for the sender must be allowed, and what cannot be read without
doubt is refused. Whoever wants to get around this writes the header block himself; so it is read in the most generous
way (relay.mime.header), and addresses in the strictest (relay.mime.address).
"""

import re
from collections.abc import Sequence

from relay import mime
from relay.mime import Header
from relay.policy.clients import ClientPolicy
from relay.policy.verdicts import Refusal, shown

_FIELDS = {b"from": "From", b"sender": "Sender", b"resent-from": "Resent-From", b"resent-sender": "Resent-Sender"}
_ONCE = frozenset((b"from", b"sender"))
"""A message may be resent several times, but it has one From and at most one Sender (RFC 5322 3.6)."""

_FIELD = re.compile(rb"[A-Za-z0-9!#$%&'*+./^_`{|}~-]+[ \t]*:")
"""A name that nobody takes for more of an address list; RFC 5322 3.6.8 has quotes, brackets and commas too."""


def ambiguous(headers: Sequence[Header]) -> Refusal | None:
    """What two programs would cut into different fields, so that no edit and no check of the sender could hold."""
    block = b"".join(header.raw for header in headers)
    ends = block.count(b"\r\n")
    if b"\0" in block or block.count(b"\r") != ends or block.count(b"\n") != ends:
        return Refusal(554, "5.6.0", "The header block holds a NUL, or a CR or LF that does not end a line")
    before = b""
    for header in headers:
        if before in _FIELDS and not _FIELD.match(header.raw):
            line = shown(header.raw[:60].decode("latin-1").strip())
            field = _FIELDS[before]
            return Refusal(554, "5.6.0", f'The line "{line}" after {field} is no header field: begin it with a space')
        before = header.name
    return None


def sender_fields(headers: Sequence[Header]) -> list[Header]:
    """The fields that the functions below look at; a message has one or two among its thirty."""
    return [header for header in headers if header.name in _FIELDS]


def envelope_refusal(client: ClientPolicy, reverse_path: str) -> Refusal | None:
    """Whether the client may not use this envelope sender. The null sender is always possible (RFC 6409 3.2)."""
    if not reverse_path or reverse_path in client.senders:
        return None
    return _not_allowed(client, reverse_path, "envelope sender (MAIL FROM)")


def from_refusal(
    client: ClientPolicy, envelope_sender: str, headers: Sequence[Header], *, sender_goes: bool = False
) -> Refusal | None:
    """Whether From or a Resent-From is missing, in doubt, or not allowed; `sender_goes`: Sender will be dropped."""
    authors = [header for header in headers if header.name == b"from"]
    if not authors and not envelope_sender:
        return Refusal(554, "5.6.0", "The message has neither a From field nor an envelope sender")
    refusal = _field_refusal(client, headers, b"from") or _field_refusal(client, headers, b"resent-from")
    if refusal is not None or not authors:
        return refusal
    has_sender = not sender_goes and any(header.name == b"sender" for header in headers)
    if len(mime.addresses(authors[0].value) or ()) > 1 and not has_sender:
        return Refusal(550, "5.1.20", "Multiple From addresses are not allowed without Sender address")
    return None


def sender_refusal(client: ClientPolicy, headers: Sequence[Header]) -> Refusal | None:
    """Whether a Sender or Resent-Sender is in doubt or not allowed."""
    return _field_refusal(client, headers, b"sender") or _field_refusal(client, headers, b"resent-sender")


def _field_refusal(client: ClientPolicy, headers: Sequence[Header], name: bytes) -> Refusal | None:
    fields = [header for header in headers if header.name == name]
    if len(fields) > 1 and name in _ONCE:
        text = f"The message has {len(fields)} {_FIELDS[name]} fields, one is allowed (RFC 5322 3.6)"
        return Refusal(554, "5.6.0", text)
    return next((refusal for field in fields if (refusal := _value_refusal(client, field))), None)


def _value_refusal(client: ClientPolicy, header: Header) -> Refusal | None:
    field = _FIELDS[header.name]
    found = mime.addresses(header.value)
    if not found:
        what = "holds no address" if found is not None else "cannot be read without doubt"
        text = f'{field} {what}: write it like {field}: "Name" <user@example.com>'
        return Refusal(554, "5.6.0", f"{text}, as {_rule(client)} is checked against it")
    refused = next((address for address in found if address not in client.senders), None)
    return None if refused is None else _not_allowed(client, refused, field)


def _not_allowed(client: ClientPolicy, address: str, field: str) -> Refusal:
    text = f'{shown(address)} may not be used as {field} by client "{client.name}"'
    return Refusal(550, "5.7.1", f"{text}: add it to {_rule(client)}")


def _rule(client: ClientPolicy) -> str:
    return f"clients.{client.name}.senders"
