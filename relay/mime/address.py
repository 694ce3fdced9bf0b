"""Reading the addresses out of From, Sender, To and their like (RFC 5322 3.4, 6531, 6854).

The scanner answers only when there is no doubt. A sender check is worth what the *next* reader of the field makes of
it, and those readers differ in quoting, comments, encoded words and plain errors. So whatever could move an address
into sight or out of it for another reader is "cannot be read" here: a comment that holds an @, an encoded word that
holds a quote, two addresses where one belongs. What people's apps get wrong without any doubt about the address is
accepted: brackets, dots, 8-bit and commas in encoded names, an address that is also its own display name, empty entries
in a list.
"""

import re
import unicodedata
from typing import NamedTuple

# Text is decoded as UTF-8; an octet that is none becomes a surrogate, which may stand in a display name only.
_CONTROL = r"\x00-\x1f\x7f-\x9f"
_SPECIAL = r"()<>\[\]:;@\\,\""
_ATOM = rf"[^ {_CONTROL}{_SPECIAL}\ud800-\udfff]+"
# Docomo and others have had a dot before the @ or two in a row: no reader takes that for something else.
_LOCAL = rf"(?:{_ATOM}|\"[^{_CONTROL}{_SPECIAL}\ud800-\udfff]+\")"
_LABEL = r"[A-Za-z0-9_\-\u00a1-\ud7ff\ue000-\U0010ffff]+"
_DOMAIN = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Za-z:.]+\])"
_ADDRESS = re.compile(rf"({_LOCAL})@({_DOMAIN})(?=[ \t,;<>(]|\Z)")
# Of one host only: Python's reader takes the second one of a longer route for an address.
_ROUTE = re.compile(rf"@{_DOMAIN}:")

_SPACE = re.compile(r"[ \t]*")
_COMMENT_TEXT = re.compile(r"[^()<>@\\\"\x00-\x08\x0a-\x1f\x7f]*")
_QUOTED = re.compile(r'"[^"\\\x00-\x08\x0a-\x1f\x7f]*(?:\\[^\x00-\x1f\x7f][^"\\\x00-\x08\x0a-\x1f\x7f]*)*"')
_WORD = re.compile(rf"[^ {_CONTROL}()<>:;@\\,\"]+")
_ENCODED_TEXT = r"[^\x00-\x1f\x7f?()<>@\\\"]*"
_ENCODED = rf"=\?[^ {_CONTROL}{_SPECIAL}?]+\?[bBqQ]\?{_ENCODED_TEXT}(?:\({_ENCODED_TEXT}\){_ENCODED_TEXT})*\?="
"""RFC 2047, with the commas, blanks and pairs of parentheses that some apps leave unencoded in it."""
_ENCODED_INSIDE = re.compile(_ENCODED)
_ENCODED_WORD = re.compile(rf"{_ENCODED}(?=[ \t,;<(]|\Z)")

_PLAIN_ATOM = re.compile(rf"[^ {_CONTROL}{_SPECIAL}.]+")
_PLAIN_LOCAL = re.compile(rf"[^ {_CONTROL}{_SPECIAL}.]+(?:\.[^ {_CONTROL}{_SPECIAL}.]+)*")


class Mailbox(NamedTuple):
    """A display name, ready to stand in a field as it is ("" without one), and an address without brackets."""

    name: str
    address: str


def addresses(value: bytes) -> list[str] | None:
    """The addresses of a field's unfolded value, in order; None when it cannot be read without doubt.

    Empty for an empty value and for groups without members (`Undisclosed recipients:;`).
    """
    found = mailboxes(value)
    return None if found is None else [mailbox.address for mailbox in found]


def mailboxes(value: bytes) -> list[Mailbox] | None:
    """Like `addresses`, with the display names."""
    try:
        return _Scanner(value.decode("utf-8", "surrogateescape")).all()
    except _Unreadable:
        return None


def canonical(address: str) -> str | None:
    """`address` in the form in which `addresses` gives it: quotes only where needed. None if it is no address."""
    match = _ADDRESS.fullmatch(address)
    return _checked(match) if match else None


class _Unreadable(Exception):  # noqa: N818 (never leaves this module)
    pass


class _Scanner:
    """One pass over the text, never back by more than a word."""

    __slots__ = ("comment", "doubtful", "hidden", "pos", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.pos = 0
        self.comment = ""
        """The last comment that was skipped: where old mailers put the display name."""
        self.doubtful = "\\" in text
        """Others may not see this text in the same pieces: those who do not know \\", or stop at a loose bracket."""
        self.hidden = False
        """A display name may hold an @, which those others could come to see."""

    def all(self) -> list[Mailbox]:
        found = self.items("")
        if self.doubtful and self.hidden:
            raise _Unreadable
        return found

    def peek(self) -> str:
        return self.text[self.pos : self.pos + 1]

    def items(self, end: str) -> list[Mailbox]:
        """An address list up to `end` ("" is the end of the text), empty entries skipped (RFC 5322 4.4)."""
        found: list[Mailbox] = []
        while True:
            self.skip()
            char = self.peek()
            if char == end:
                return found
            if char == ",":
                self.pos += 1
                continue
            found += self.item(in_group=bool(end))
            self.skip()
            if self.peek() not in (",", end):
                raise _Unreadable

    def item(self, *, in_group: bool) -> list[Mailbox]:
        """A mailbox, or a group of them."""
        bare = self.address()
        if bare is not None:
            return [self.after_bare(bare)]
        name = self.phrase()
        char = self.peek()
        if char == "<":
            return [Mailbox(name, self.angle())]
        if char == ":" and name and not in_group:
            self.pos += 1
            members = self.items(";")
            self.pos += 1
            return members
        raise _Unreadable

    def after_bare(self, bare: str) -> Mailbox:
        """What may follow an address without brackets: its name in a comment, or the same address in brackets."""
        self.comment = ""
        self.skip()
        if self.peek() != "<":
            return Mailbox(quoted(self.comment.strip(" \t")) if self.comment else "", bare)
        address = self.angle()
        if address.encode().lower() != bare.encode().lower():  # of octets: only ASCII has a case
            raise _Unreadable
        return Mailbox("", address)

    def address(self) -> str | None:
        match = _ADDRESS.match(self.text, self.pos)
        if match is None:
            return None
        self.pos = match.end()
        address = _checked(match)
        if address is None:
            raise _Unreadable
        return address

    def angle(self) -> str:
        self.pos += 1
        self.skip()
        route = _ROUTE.match(self.text, self.pos)
        if route:
            self.pos = route.end()
        address = self.address()
        self.skip()
        if address is None or self.peek() != ">":
            raise _Unreadable
        self.pos += 1
        return address

    def phrase(self) -> str:
        """Words up to a special character; each is made valid by itself, so that encoded words stay what they are."""
        words = []
        while (char := self.peek()) and char not in "<>:;,@)\\":
            words.append(self.quoted_string() if char == '"' else self.word())
            self.skip()
        return " ".join(words)

    def quoted_string(self) -> str:
        match = _QUOTED.match(self.text, self.pos)
        if match is None:
            raise _Unreadable
        self.pos = match.end()
        inside = match[0]
        if "=?" in inside and "=?" in _ENCODED_INSIDE.sub("", inside):
            raise _Unreadable
        self.hidden = self.hidden or "@" in inside or "=?" in inside
        return inside

    def word(self) -> str:
        match = _ENCODED_WORD.match(self.text, self.pos) or _WORD.match(self.text, self.pos)
        if match is None:
            raise _Unreadable
        self.pos = match.end()
        word = match[0]
        if match.re is _ENCODED_WORD:
            self.hidden = True
            return word
        if "=?" in word:
            raise _Unreadable
        self.doubtful = self.doubtful or "[" in word or "]" in word
        return word if _PLAIN_ATOM.fullmatch(word) else quoted(word)

    def skip(self) -> None:
        """Skip white space and comments."""
        while True:
            match = _SPACE.match(self.text, self.pos)
            self.pos = match.end() if match else self.pos
            if self.peek() != "(":
                return
            self.skip_comment()

    def skip_comment(self) -> None:
        start, depth = self.pos + 1, 0
        while True:
            char = self.peek()
            if char not in ("(", ")"):
                raise _Unreadable
            depth += 1 if char == "(" else -1
            self.pos += 1
            if depth == 0:
                break
            match = _COMMENT_TEXT.match(self.text, self.pos)
            self.pos = match.end() if match else self.pos
        self.comment = self.text[start : self.pos - 1]


def quoted(text: str) -> str:
    """`text` as a quoted string (RFC 5322 3.2.4)."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _checked(match: re.Match[str]) -> str | None:
    local, domain = match[1], match[2]
    if "=?" in local:  # Python's own parser decodes encoded words even here.
        return None
    if local.startswith('"') and _PLAIN_LOCAL.fullmatch(local[1:-1]):
        local = local[1:-1]
    address = f"{local}@{domain}"
    return address if address.isascii() or _is_plain_unicode(address) else None


def _is_plain_unicode(text: str) -> bool:
    """Whether no character above ASCII is invisible, or becomes a special one for who normalises (U+FF20 is an @)."""
    for char in text:
        if char.isascii():
            continue
        if unicodedata.category(char)[0] in "CZ":
            return False
        normal = unicodedata.normalize("NFKC", char)
        if any(one.isascii() and not one.isalnum() for one in normal):
            return False
    return True
