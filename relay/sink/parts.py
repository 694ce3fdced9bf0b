"""The parts of a message, found without taking it apart: where each begins and ends, and what it says it is.

Hostile mail is the common case here. Nothing recurses, each header value that is looked into is cut to a length, and
depth and number of parts have an end; where one is reached, the rest is one part and a warning says so.
"""

import binascii
import codecs
import email.message
import email.utils
import re
from dataclasses import dataclass, field

from relay.mime import Header, split_headers
from relay.sink.words import plain, shown, unicode_of

MOST_PARTS = 1000
MOST_DEPTH = 50
LARGEST_PART_HEADER = 64 * 1024
_LONGEST_VALUE = 8 * 1024
_LONGEST_BOUNDARY = 250
# Their decoders take time that grows with the square of the text, or are no character sets at all.
_NO_CHARSETS = {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined"}


@dataclass(frozen=True, slots=True)
class Part:
    """A part that holds no further ones. `id` is "0" for a message of one part, else "1", "2.1" by position.

    `start` and `end` are where its encoded content lies in the source.
    """

    id: str
    content_type: str
    charset: str
    disposition: str
    file_name: str
    content_id: str
    encoding: str
    related: bool
    """It belongs to a multipart/related: an image of the HTML beside it."""
    start: int
    end: int

    @property
    def is_body(self) -> bool:
        """Whether it is text to be read, and no file."""
        return self.content_type in ("text/plain", "text/html") and self.disposition != "attachment" and not self.name

    @property
    def name(self) -> str:
        """What it is called in a list."""
        return self.file_name or self.content_id

    @property
    def is_inline(self) -> bool:
        return self.disposition == "inline" or (self.related and bool(self.content_id))


@dataclass(slots=True)
class Structure:
    """The parts of a message in order, and what was odd about them."""

    parts: list[Part] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def attachments(self) -> list[Part]:
        """Files that come with the message."""
        return [part for part in self.parts if part.name and not part.is_body and not part.is_inline]

    @property
    def inlines(self) -> list[Part]:
        """Files that the text shows."""
        return [part for part in self.parts if part.name and not part.is_body and part.is_inline]


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch of the source that is still to be looked into."""

    path: str
    start: int
    end: int
    depth: int
    related: bool


def structure(source: bytes, header_end: int) -> Structure:
    """The parts of `source`, whose own header block ends at `header_end` (the empty line follows)."""
    found = Structure()
    pieces = [_Piece("", 0, len(source), 0, related=False)]
    seen = 0
    while pieces:
        piece = pieces.pop()
        seen += 1
        if seen > MOST_PARTS:
            _warn(found, f"it has more than {MOST_PARTS} parts; the rest is not shown")
            break
        end = header_end if not piece.path else _header_end(source, piece)
        fields = _fields(source[piece.start : end])
        body = min(end + 2, piece.end)
        content = _ContentType(fields.get(b"content-type", b""))
        inner = _inner(source, piece, body, content, found)
        if inner is None:
            found.parts.append(_leaf(piece, fields, content, body))
        else:
            pieces += reversed(inner)
    return found


def _warn(found: Structure, text: str) -> None:
    if text not in found.warnings:
        found.warnings.append(text)


def _header_end(source: bytes, piece: _Piece) -> int:
    """Where a part's header block ends; a part that begins with an empty line has none."""
    if source.startswith(b"\r\n", piece.start):
        return piece.start
    end = source.find(b"\r\n\r\n", piece.start, min(piece.end, piece.start + LARGEST_PART_HEADER))
    return end + 2 if end >= 0 else min(piece.end, piece.start + LARGEST_PART_HEADER)


def _fields(block: bytes) -> dict[bytes, bytes]:
    """The first value of each field."""
    found: dict[bytes, bytes] = {}
    for header in split_headers(block):
        found.setdefault(header.name, header.value)
    return found


class _ContentType:
    """A Content-Type value, read leniently (RFC 2045 5, RFC 2231)."""

    def __init__(self, value: bytes) -> None:
        self.message = email.message.Message()
        try:
            self.message["Content-Type"] = plain(unicode_of(value[:_LONGEST_VALUE])) or "text/plain"
            self.kind = self.message.get_content_type().lower()
            self.charset = self.message.get_content_charset("") or ""
            self.boundary = (self.message.get_boundary("") or "") if self.kind.startswith("multipart/") else ""
            self.name = _file_name(self.message.get_param("name"))
        except (ValueError, LookupError, TypeError, RecursionError):
            self.kind, self.charset, self.boundary, self.name = "application/octet-stream", "", "", ""


def _file_name(value: object) -> str:
    """A file name from a parameter, without what could be taken for a path."""
    if isinstance(value, tuple):
        value = email.utils.collapse_rfc2231_value(value)
    name = shown(str(value)) if value else ""
    return re.split(r"[/\\]", name)[-1][:255]


def _inner(source: bytes, piece: _Piece, body: int, content: _ContentType, found: Structure) -> list[_Piece] | None:
    """The pieces of a multipart; None when there are none to be found: it is one part then."""
    boundary = content.boundary.encode("utf-8", "replace")
    if not boundary or len(boundary) > _LONGEST_BOUNDARY:
        return None
    if piece.depth >= MOST_DEPTH:
        _warn(found, f"its parts are nested more than {MOST_DEPTH} deep; the innermost are shown as one")
        return None
    line = re.compile(rb"\r\n--" + re.escape(boundary) + rb"(--)?[ \t]*(?=\r\n|\Z)")
    starts: list[int] = []
    inner: list[_Piece] = []
    closed = False
    for match in line.finditer(source, max(piece.start, body - 2), piece.end):
        if starts:
            inner.append(_child(piece, len(starts), starts[-1], match.start(), content))
        if match[1]:
            closed = True
            break
        if len(starts) >= MOST_PARTS:
            break
        starts.append(min(match.end() + 2, piece.end))
    if not starts:
        _warn(found, "a multipart without any part")
        return None
    if not closed:
        _warn(found, "a multipart has no closing boundary")
        if len(inner) < len(starts):
            inner.append(_child(piece, len(starts), starts[-1], piece.end, content))
    return inner


def _child(parent: _Piece, number: int, start: int, end: int, content: _ContentType) -> _Piece:
    path = f"{parent.path}.{number}" if parent.path else str(number)
    return _Piece(path, start, max(start, end), parent.depth + 1, related=content.kind == "multipart/related")


def _leaf(piece: _Piece, fields: dict[bytes, bytes], content: _ContentType, body: int) -> Part:
    disposition, file_name = "", ""
    message = email.message.Message()
    try:
        message["Content-Disposition"] = plain(unicode_of(fields.get(b"content-disposition", b"")[:_LONGEST_VALUE]))
        disposition = (message.get_content_disposition() or "").lower()
        file_name = _file_name(message.get_param("filename", header="content-disposition"))
    except (ValueError, LookupError, TypeError, RecursionError):
        disposition = "attachment"
    return Part(
        id=piece.path or "0",
        content_type=content.kind,
        charset=content.charset,
        disposition=disposition,
        file_name=file_name or content.name,
        content_id=plain(unicode_of(fields.get(b"content-id", b"")[:500])).strip(" <>"),
        encoding=unicode_of(fields.get(b"content-transfer-encoding", b"")[:100]).strip().lower(),
        related=piece.related,
        start=body,
        end=piece.end,
    )


def decoded(source: bytes, part: Part) -> bytes:
    """The octets of a part with its transfer encoding undone; what cannot be decoded is left as it is."""
    octets = source[part.start : part.end]
    if part.encoding == "base64":
        return _base64(octets)
    if part.encoding == "quoted-printable":
        return binascii.a2b_qp(octets)
    return octets


def _base64(octets: bytes) -> bytes:
    clean = re.sub(rb"[^A-Za-z0-9+/]", b"", octets)
    if len(clean) % 4 == 1:
        clean = clean[:-1]
    return binascii.a2b_base64(clean + b"=" * (-len(clean) % 4))


def text_of(source: bytes, part: Part) -> str:
    """The text of a part: its character set, else UTF-8, else Windows-1252. Never a lone surrogate."""
    octets = decoded(source, part)
    for charset in (part.charset, "utf-8"):
        try:
            if charset and codecs.lookup(charset).name not in _NO_CHARSETS:
                return octets.decode(charset).encode("utf-8", "replace").decode("utf-8")
        except (LookupError, ValueError):
            continue
    return octets.decode("cp1252", "replace")


def field_values(headers: list[Header], name: bytes) -> list[bytes]:
    """The values of all fields of that name (in lower case)."""
    return [header.value for header in headers if header.name == name]
