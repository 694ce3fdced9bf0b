"""Whom an API mails: pure decisions about To, Cc and Bcc, for ways out that know no envelope.

Microsoft Graph and the Gmail API mail everybody in To, Cc and Bcc (docs/sources.md). So the copy that is sent names
exactly the envelope's recipients there: who is in the envelope only becomes Bcc; who is in To or Cc only is moved into
a field that mails nobody, `X-Addressed-To` or `X-Addressed-Cc`, which keeps what the app wrote for people to read. A
field that cannot be read without doubt is moved as a whole. Fields whose addresses are all in the envelope stay as they
are, to the octet.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from relay import mime

_HIDDEN = frozenset((b"bcc", b"resent-bcc"))
_MAILED = (b"to", b"cc")
_NOBODY = b"To: undisclosed-recipients:;\r\n"
# A reader that takes a bare CR or LF for the end of a line must not find a field behind it.
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Addressed:
    """A header block that mails exactly `recipients`; `left_out` are the addresses that it showed and would mail."""

    headers: bytes
    recipients: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    """The fields that were moved because nobody can say whom they name: "To" or "Cc"."""

    @property
    def told(self) -> str:
        """What was done to the fields, for the message's history; "" for nothing."""
        told = []
        if self.left_out:
            more = f" and {len(self.left_out) - 3} more" if len(self.left_out) > 3 else ""
            told.append(f"left out of To and Cc, since this copy is not for them: {', '.join(self.left_out[:3])}{more}")
        if self.unreadable:
            told.append(f"not shown as {' and '.join(self.unreadable)}, being unreadable")
        return "; ".join(told)


def same(address: str) -> str:
    """What two spellings of one address have in common: equal only where the mailbox is surely the same one.

    The case of ASCII letters does not matter (it does not at Exchange and Gmail), nor whether a domain is written in
    Unicode or as `xn--`. Anything less certain counts as different, which costs a Bcc and never a wrong recipient.
    """
    local, _, domain = (mime.canonical(address) or address).rpartition("@")
    return f"{_ascii_lower(local)}@{'.'.join(map(_label, domain.split('.')))}"


def is_writable(address: str) -> bool:
    """Whether every reader of a header field finds exactly this address in it."""
    try:
        return mime.canonical(address) is not None and mime.addresses(written(address).encode()) is not None
    except UnicodeEncodeError:  # octets that are no UTF-8
        return False


def written(address: str) -> str:
    """The address as it stands in a field: its domain in ASCII, where that is the same domain for everybody."""
    whole = mime.canonical(address) or address
    local, _, domain = whole.rpartition("@")
    if domain.isascii():
        return whole
    try:
        plain = domain.encode("idna").decode("ascii")
        known = plain.encode("ascii").decode("idna") == domain.lower()
    except UnicodeError:
        return whole
    # The library follows the older standard, which has another domain in mind for some letters (a sharp s).
    return f"{local}@{plain}" if known else whole


def addressed(block: bytes, recipients: Iterable[str]) -> Addressed:
    """The header block whose To, Cc and Bcc together are exactly `recipients`, each of which is writable."""
    known = {same(recipient): recipient for recipient in recipients}
    return _Narrowing(known).of(mime.without(mime.split_headers(block), _HIDDEN))


def groups(block: bytes, recipients: Sequence[str], most: int) -> list[list[str]]:
    """`recipients` in groups of at most `most`, one message each: those whom the fields name come first, together."""
    if len(recipients) <= most:
        return [list(recipients)]
    shown = _shown_in(block)
    return _cut(sorted(recipients, key=lambda recipient: same(recipient) not in shown), most)


def apart(block: bytes, recipients: Sequence[str], most: int) -> list[list[str]]:
    """Those whom the fields name in groups of at most `most`; everybody else alone, seen by nobody."""
    shown = _shown_in(block)
    together = [recipient for recipient in recipients if same(recipient) in shown]
    return [*_cut(together, most), *([recipient] for recipient in recipients if same(recipient) not in shown)]


def _cut(recipients: list[str], most: int) -> list[list[str]]:
    return [recipients[start : start + most] for start in range(0, len(recipients), most)]


def _shown_in(block: bytes) -> set[str]:
    """Whom To and Cc name."""
    fields = (header for header in mime.split_headers(block) if header.name in _MAILED)
    return {same(address) for header in fields for address in mime.addresses(header.value) or ()}


class _Narrowing:
    """One pass over a header block."""

    def __init__(self, known: dict[str, str]) -> None:
        self._known = known
        self._certain: set[str] = set()
        self._spelling: dict[str, str] = {}
        """How an address stands in To or Cc."""
        # A line that is no field may end the block for a reader; of two To it may read one; `To :` it may not know.
        self._doubtful: set[bytes] = set()
        self._left_out: dict[str, str] = {}
        self._unreadable: dict[str, None] = {}
        self._had_to = self._has_to = False

    def of(self, headers: list[mime.Header]) -> Addressed:
        raws: list[bytes] = []
        for header in headers:
            if header.name in _MAILED:
                raws += self._narrowed(header)
                self._doubtful.add(header.name)
            else:
                raws.append(header.raw)
                if not header.name:
                    self._doubtful.add(b"all")
        # In front, where every reader finds it. Who is named twice gets one copy all the same.
        hidden = [
            self._spelling.get(key) or written(recipient)
            for key, recipient in self._known.items()
            if key not in self._certain
        ]
        front = [_field(b"Bcc", hidden)] if hidden else []
        if self._had_to and not self._has_to:
            front.append(_NOBODY)
        return Addressed(
            b"".join(front + raws),
            tuple(self._known.values()),
            tuple(self._left_out.values()),
            tuple(self._unreadable),
        )

    def _narrowed(self, header: mime.Header) -> list[bytes]:
        """The field, or the field without strangers and what it was."""
        is_to = header.name == b"to"
        name = header.name.capitalize()
        self._had_to = self._had_to or is_to
        found = mime.mailboxes(header.value)
        if found is None:
            self._unreadable[name.decode()] = None
            return [_shown(name, header)]
        keys = [same(one.address) for one in found]
        strangers = {key: one.address for key, one in zip(keys, found, strict=True) if key not in self._known}
        kept = [one for key, one in zip(keys, found, strict=True) if key in self._known and self._is_spelt_so(key, one)]
        unchanged = len(kept) == len(found)
        shown = [_shown(name, header)] if strangers else []
        self._left_out |= strangers
        if not kept and not unchanged:
            return shown
        self._has_to = self._has_to or is_to
        plain = not unchanged or header.raw.lower().startswith(header.name + b":")
        if plain and not self._doubtful & {b"all", header.name}:
            self._certain.update(same(one.address) for one in kept)
        return [header.raw if unchanged else _field(name, map(_mailbox, kept)), *shown]

    def _is_spelt_so(self, key: str, one: mime.Mailbox) -> bool:
        """Whether it is the first mention, or one in the same spelling: another would be another address to some."""
        return self._spelling.setdefault(key, one.address).lower() == one.address.lower()


def _shown(name: bytes, header: mime.Header) -> bytes:
    """The field under a name that mails nobody, without anything that could end it early."""
    value = header.raw.removesuffix(b"\r\n").partition(b":")[2]
    lines = [_CONTROL.sub(b"?", line) for line in value.split(b"\r\n")]
    return b"X-Addressed-" + name + b":" + b"\r\n".join(lines) + b"\r\n"


def _mailbox(one: mime.Mailbox) -> str:
    return f"{one.name} <{one.address}>" if one.name else one.address


def _field(name: bytes, values: Iterable[str]) -> bytes:
    return name + b": " + b",\r\n ".join(value.encode("utf-8", "surrogateescape") for value in values) + b"\r\n"


def _label(label: str) -> str:
    """A label of a domain in Unicode and lower case."""
    lower = label.lower()
    if not lower.startswith("xn--"):
        return lower
    try:
        return lower[4:].encode("ascii").decode("punycode").lower()
    except UnicodeError:
        return lower


def _ascii_lower(text: str) -> str:
    return text.lower() if text.isascii() else "".join(char.lower() if char.isascii() else char for char in text)
