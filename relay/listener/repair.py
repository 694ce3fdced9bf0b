"""What a client's keys change in a message besides its sender: whom it goes to, and missing labels."""

from collections.abc import Sequence
from dataclasses import replace

from relay import mime
from relay.mime import Header
from relay.model import Envelope
from relay.policy import ClientPolicy


def readdressed(envelope: Envelope, client: ClientPolicy) -> Envelope:
    """The envelope of what leaves: with `redirect_to`, nobody else is in it."""
    # What was asked to be told of the first recipients has no meaning any more.
    return replace(envelope, recipients=(client.redirect_to,), dsn=None) if client.redirect_to else envelope


def repaired(
    headers: list[Header], client: ClientPolicy, recipients: Sequence[str], *, eight_bit: bool
) -> list[Header]:
    """The block with what `default_charset` and `redirect_to` ask for.

    `recipients` are those whom the app named; `eight_bit` says that the message holds octets above 127.
    """
    if client.default_charset and eight_bit:
        headers = mime.label_charset(headers, client.default_charset, eight_bit_body=True)
    if client.redirect_to:
        headers = mime.redirect(headers, recipients, client.redirect_to)
    return headers
