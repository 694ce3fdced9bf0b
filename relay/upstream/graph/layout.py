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


def layout(root: Part) -> Layout:
    """Sort the parts of a message."""
    found = Layout()
    _sort(root, "", found, is_first=True)
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


def _sort(part: Part, inside: str, found: Layout, *, is_first: bool) -> None:
    if part.is_protected:
        found.fixed.append(part)
    elif part.parts:
        for number, child in enumerate(part.parts):
            _sort(child, part.kind, found, is_first=number == 0)
    elif part.kind.startswith("multipart/"):
        found.fixed.append(part)
    elif inside == "multipart/related" and not is_first:
        found.attachments.append(Attached(part, inline=bool(part.content_id)))
    elif part.kind in _TEXTS and part.disposition != "attachment" and not part.file_name:
        found.texts.append(part)
    elif inside == "multipart/alternative":
        # Another form of the text, an invitation for example: as an attachment it would be something else.
        found.fixed.append(part)
    else:
        found.attachments.append(Attached(part, inline=bool(part.content_id) and part.disposition == "inline"))
