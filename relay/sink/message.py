"""One caught message, opened: its fields, its text, its parts."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

from relay.mime import Header, split_headers
from relay.sink import page, parts, summary, unsubscribe
from relay.sink.parts import Part, Structure
from relay.sink.rows import Source
from relay.sink.unsubscribe import ListUnsubscribe
from relay.sink.words import date_of, plain, shown, unicode_of

_LONGEST_FIELD = 4000


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of a message; `size` in decoded octets, the checksums in hexadecimal."""

    part_id: str
    file_name: str
    content_type: str
    content_id: str
    size: int
    md5: str
    sha1: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Opened:
    """A message as it is shown. `date` has the offset of its Date field."""

    return_path: str
    date: datetime
    text: str
    html: str
    unsubscribe: ListUnsubscribe
    inline: tuple[Attachment, ...]
    attachments: tuple[Attachment, ...]
    warnings: tuple[str, ...]


def opened(source: Source, octets: bytes) -> Opened:
    """Open a message; `octets` is its source as the store gives it."""
    headers = split_headers(source.headers)
    found = structure_of(source, octets)
    shown_page = summary.texts(octets, found, "text/html")
    text = summary.texts(octets, found, "text/plain")
    sender = source.envelope.sender or next((each.address for each in summary.values(headers, b"from")), "")
    return Opened(
        return_path=plain(sender),
        date=date_of(_value(headers, b"date")) or datetime.fromtimestamp(source.received_at, UTC),
        text=text or (page.to_text(shown_page) if shown_page else ""),
        html=shown_page,
        unsubscribe=unsubscribe.read(_text(headers, b"list-unsubscribe"), _text(headers, b"list-unsubscribe-post")),
        inline=tuple(_attachment(octets, part) for part in found.inlines),
        attachments=tuple(_attachment(octets, part) for part in found.attachments),
        warnings=tuple(dict.fromkeys((*source.warnings, *found.warnings))),
    )


def structure_of(source: Source, octets: bytes) -> Structure:
    """The parts of a message; `octets` is its source as the store gives it."""
    return parts.structure(octets, len(source.front) + len(source.headers))


def part_of(source: Source, octets: bytes, part_id: str) -> tuple[Part, bytes] | None:
    """A part and its decoded content; None when there is none of that id."""
    for part in structure_of(source, octets).parts:
        if part.id == part_id:
            return part, parts.decoded(octets, part)
    return None


def fields(source: Source) -> dict[str, list[str]]:
    """Every field of the header block: names in canonical form, sorted; values unfolded, not decoded, in order."""
    found: dict[str, list[str]] = {}
    for header in split_headers(source.front + source.headers):
        name = header.name.decode("ascii", "replace")
        if name:
            canonical = "-".join(word[:1].upper() + word[1:] for word in name.split("-"))
            found.setdefault(canonical, []).append(" ".join(plain(unicode_of(header.value)).split("\t")))
    return dict(sorted(found.items()))


def page_with_images(source: Source, octets: bytes, root: str) -> str:
    """The HTML with its images at `root`/PART; "" without HTML."""
    found = structure_of(source, octets)
    by_id = {part.content_id: part.id for part in reversed(found.parts) if part.content_id}
    shown_page = summary.texts(octets, found, "text/html")
    return page.with_images(shown_page, lambda cid: f"{root}/{by_id[cid]}" if cid in by_id else None)


def _attachment(octets: bytes, part: Part) -> Attachment:
    content = parts.decoded(octets, part)
    return Attachment(
        part_id=part.id,
        file_name=part.name,
        content_type=part.content_type,
        content_id=part.content_id,
        size=len(content),
        md5=hashlib.md5(content, usedforsecurity=False).hexdigest(),
        sha1=hashlib.sha1(content, usedforsecurity=False).hexdigest(),
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _value(headers: list[Header], name: bytes) -> bytes:
    return next(iter(parts.field_values(headers, name)), b"")


def _text(headers: list[Header], name: bytes) -> str:
    return shown(unicode_of(_value(headers, name)))[:_LONGEST_FIELD]
