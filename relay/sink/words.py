"""Header values as people read them: encoded words decoded, addresses taken apart, never an exception.

For showing and searching only. What decides about mail reads addresses with `relay.mime`, which answers only when
there is no doubt; here there is always an answer.
"""

import email.errors
import email.header
import email.utils
import re
from datetime import UTC, datetime
from typing import NamedTuple

_LONGEST = 10_000
"""Characters of a value that are decoded."""
_LONGEST_LIST = 256 * 1024
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
# Newer Pythons find nobody in a field that has one mistake, unless they are asked to.
_LENIENT = {"strict": False} if getattr(email.utils, "supports_strict_parsing", False) else {}


class Person(NamedTuple):
    """A display name and an address, each "" when there is none."""

    name: str
    address: str

    def __str__(self) -> str:
        return f"{self.name} <{self.address}>" if self.address else self.name


def unicode_of(octets: bytes) -> str:
    """The octets of a header as text: UTF-8, else Windows-1252."""
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return octets.decode("cp1252", "replace")


def plain(text: str) -> str:
    """`text` on one line, without control characters."""
    return _CONTROLS.sub(" ", text).strip()


def shown(text: str) -> str:
    """`text` with its encoded words decoded (RFC 2047), on one line; damaged ones as they are."""
    text = text[:_LONGEST]
    if "=?" in text:
        try:
            text = str(email.header.make_header(email.header.decode_header(text)))
        except (email.errors.MessageError, LookupError, ValueError, RecursionError):
            pass  # Shown as it came: damaged, or in a character set that nobody knows.
    return plain(text).encode("utf-8", "replace").decode("utf-8")


def people(value: bytes) -> list[Person]:
    """Everybody in an address field. Text in which no address is found is one person's name."""
    text = plain(unicode_of(value[:_LONGEST_LIST]))
    try:
        pairs = email.utils.getaddresses([text], **_LENIENT)
    except (RecursionError, IndexError, ValueError):
        pairs = []
    found = [Person(shown(name), plain(address)) for name, address in pairs if address]
    if not found and text.strip(" ,;"):
        return [Person(shown(text)[:500], "")]
    return found


def date_of(value: bytes) -> datetime | None:
    """The moment that a Date field names, with its own offset; None when it names none."""
    try:
        found = email.utils.parsedate_to_datetime(plain(unicode_of(value[:200])))
        if found.tzinfo is None:  # "-0000" means UTC without saying so (RFC 5322 3.3)
            found = found.replace(tzinfo=UTC)
        found.astimezone(UTC)  # an offset that leads out of all years is no date
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return found
