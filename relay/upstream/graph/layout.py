"""What a message is made of, as Graph sees it: texts, attachments, and what must stay as it is. Pure."""

import mimetypes
from collections.abc import Sequence
from dataclasses import dataclass, field

from relay.mime.parts import Part
from relay.mime.transfer import decoder

_TEXTS = ("text/plain", "text/html")


@dataclass(frozen=True, slots=True)
class Attached:
    """A part that can travel by itself; `inline` says that the text shows it where it stands."""

    part: Part
    inline: bool

    @property
    def name(self) -> str:
        """What people see; one that tells the kind where the app gave none."""
        if self.part.file_name:
            return self.part.file_name
        if self.part.kind == "message/rfc822":
            return "message.eml"
        return f"attachment{mimetypes.guess_extension(self.part.kind) or ''}"


@dataclass(slots=True)
class Layout:
    """`texts` are what a reader shows; `fixed` is what can neither be shown as text nor be taken out."""

    texts: list[Part] = field(default_factory=list)
    attachments: list[Attached] = field(default_factory=list)
    fixed: list[Part] = field(default_factory=list)
    containers: set[str] = field(default_factory=set)
    """The kinds of multipart that there are."""
    choices: set[Part | None] = field(default_factory=set)
    """The multipart/alternative that each of the texts stands in; None for one that stands in none."""

    @property
    def is_one_text(self) -> bool:
        """Whether a reader shows one text: there is no other, or the others are forms of the same one."""
        return len(self.texts) <= 1 or (len(self.choices) == 1 and None not in self.choices)


def layout(root: Part) -> Layout:
    """Sort the parts of a message."""
    found = Layout()
    _sort(root, "", None, found, is_first=True)
    return found


def too_much(found: Layout, size: int, most: int) -> Sequence[Attached] | None:
    """The attachments to take out, largest first, so that a message of `size` octets has `most`; None: not enough."""
    taken: list[Attached] = []
    for one in sorted(found.attachments, key=lambda one: one.part.size, reverse=True):
        if size <= most:
            break
        if decoder(one.part.encoding) is None:
            continue
        taken.append(one)
        size -= one.part.end - one.part.begin
    if size > most:
        return None
    return sorted(taken, key=lambda one: one.part.start)


def _sort(part: Part, inside: str, choice: Part | None, found: Layout, *, is_first: bool) -> None:
    """`inside` is the kind of what `part` stands in, "" for the message itself; `choice` the alternative around it."""
    if part.is_protected:
        found.fixed.append(part)
    elif part.parts:
        found.containers.add(part.kind)
        choice = part if part.kind == "multipart/alternative" else choice
        for number, child in enumerate(part.parts):
            _sort(child, part.kind, choice, found, is_first=number == 0)
    elif part.kind.startswith("multipart/"):
        found.fixed.append(part)
    elif inside == "multipart/related" and not is_first:
        _sort_related(part, found)
    elif part.kind in _TEXTS and part.disposition != "attachment" and not (inside and part.file_name):
        found.texts.append(part)
        found.choices.add(choice)
    elif inside == "multipart/alternative":
        # Another form of the text, an invitation for example: as an attachment it would be something else.
        found.fixed.append(part)
    else:
        found.attachments.append(Attached(part, inline=bool(part.content_id) and part.disposition == "inline"))


def _sort_related(part: Part, found: Layout) -> None:
    """Something that the text shows, by its Content-ID or by its address, of which an attachment has only the first."""
    if part.content_id or "content-location" not in part.fields:
        found.attachments.append(Attached(part, inline=bool(part.content_id)))
    else:
        found.fixed.append(part)
