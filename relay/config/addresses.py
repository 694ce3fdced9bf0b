"""Mail addresses and patterns of them, as the keys `mailbox`, `senders`, `recipients` and `reply_to` hold them."""

import re

from relay.config import network

# RFC 5322 atext and everything above ASCII (RFC 6531), or a quoted string.
_LOCAL = re.compile(r"[^\s\x00-\x20\x7f()<>\[\]:;@\\,\"]+|\"(?:[^\"\\\x00-\x1f\x7f]|\\[^\x00-\x1f\x7f])*\"")


SENDER = "sender"
"""What stands in place of a mailbox where it is that of whoever sends."""


def mailbox(text: str) -> str:
    """One address, or `sender`. Raises ValueError."""
    if text == SENDER:
        return text
    if "@" not in text:
        raise ValueError(f'"{text}" is no mail address: write it like "noreply@example.com", or "{SENDER}"')
    return address(text)


def address(text: str) -> str:
    """One address, `user@example.com`, without name or brackets. Raises ValueError."""
    local, at, domain = text.rpartition("@")
    if not at or not local:
        raise ValueError(f'"{text}" is no mail address: write it like "noreply@example.com"')
    if not _LOCAL.fullmatch(local) or len(local.encode()) > 64:
        raise ValueError(f'"{text}" is no mail address: what stands before the @ is not possible')
    mail_domain(domain)
    return text


def mail_domain(text: str) -> str:
    """What may follow the @: a domain, in ASCII or not, or an address in brackets. Raises ValueError."""
    if text.startswith("["):
        return network.ehlo_name(text)
    try:
        ascii_form = text.encode("idna").decode("ascii") if not text.isascii() else text
    except UnicodeError:
        raise ValueError(f'"{text}" is no domain name') from None
    network.domain(ascii_form)
    return text


def pattern(text: str) -> str:
    """`*` for any, `@example.com` or `*@example.com` for a domain (returned as `@example.com`), or an address.

    Raises ValueError.
    """
    if text == "*":
        return text
    bare = text.removeprefix("*")
    if bare.startswith("@"):
        mail_domain(bare[1:])
        return bare
    if "*" in text:
        raise ValueError(f'"{text}": * stands alone or for a whole domain, like "*@example.com"')
    if "@" not in text:
        raise ValueError(f'"{text}" is no address: write "user@{text}", or "@{text}" for everyone there')
    return address(text)


def reply_to(text: str) -> str:
    """An address, or "" which removes the header. Raises ValueError."""
    return address(text) if text else text
