"""People as Graph's JSON has them: `{"emailAddress": {"address", "name"}}`, and a field's value in Unicode. Pure."""

import email.errors
import email.header
import re
from collections.abc import Iterable
from typing import Any

from relay import mime
from relay.upstream.recipients import same

_ESCAPED = re.compile(r"\\(.)")


def recipient_lists(fields: list[mime.Header], recipients: Iterable[str]) -> dict[str, Any]:
    """Everybody in `recipients` once: as shown in To or Cc, with the name that stands there; the others as Bcc."""
    left = {same(one): one for one in recipients}
    found: dict[str, Any] = {}
    for name, key in ((b"to", "toRecipients"), (b"cc", "ccRecipients")):
        people = [one for field in fields if field.name == name for one in mime.mailboxes(field.value) or ()]
        found[key] = [person(one) for one in people if left.pop(same(one.address), None)]
    found["bccRecipients"] = [{"emailAddress": {"address": one}} for one in left.values()]
    return found


def person(one: mime.Mailbox) -> dict[str, Any]:
    """A mailbox with its display name as people read it."""
    name = readable(one.name.encode("utf-8", "surrogateescape"))
    if name[:1] == name[-1:] == '"':
        name = _ESCAPED.sub(r"\1", name[1:-1])
    return {"emailAddress": {"address": one.address, **({"name": name} if name else {})}}


def readable(value: bytes) -> str:
    """A field's value as people read it (RFC 2047); octets that are no UTF-8 are taken for Latin-1."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = value.decode("latin-1")
    if "=?" not in text:
        return text
    try:
        return str(email.header.make_header(email.header.decode_header(text)))
    except (email.errors.MessageError, LookupError, ValueError):
        return text
