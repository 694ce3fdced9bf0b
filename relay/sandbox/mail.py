"""Reading a message's header block, and the few changes that Microsoft makes to it. Pure.

The sandbox's own reading, on purpose not the relay's: what the two see differently is a finding.
"""

import email.utils
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import Header, decode_header, make_header

# Newer Pythons find nobody in a field that has one mistake, unless they are asked to. Microsoft finds who is there.
_LENIENT = {"strict": False} if getattr(email.utils, "supports_strict_parsing", False) else {}


@dataclass(frozen=True, slots=True)
class Field:
    """One header field: `name` in lower case, `value` unfolded, `raw[start:end]` the whole of it."""

    name: str
    value: str
    start: int
    end: int


def fields(raw: bytes) -> list[Field]:
    """The fields of the header block, which ends at the first empty line or at a line that cannot be a field."""
    found: list[Field] = []
    spans: list[tuple[int, int]] = []
    position = 0
    while position < len(raw):
        end = raw.find(b"\n", position) + 1 or len(raw)
        line = raw[position:end]
        if line[:1] in (b" ", b"\t") and spans:
            spans[-1] = (spans[-1][0], end)
        elif line.rstrip(b"\r\n") and b":" in line:
            spans.append((position, end))
        else:
            break
        position = end
    for start, end in spans:
        name, _, value = raw[start:end].partition(b":")
        found.append(Field(_text(name).strip().lower(), _unfolded(value), start, end))
    return found


def values(found: Iterable[Field], *names: str) -> list[str]:
    """The values of the fields called one of `names`, in order."""
    return [field.value for field in found if field.name in names]


def addresses(found: Iterable[Field], *names: str) -> list[str]:
    """Every address in the fields called one of `names`, in order, each once."""
    return [address for _, address in people(found, *names)]


def people(found: Iterable[Field], *names: str) -> list[tuple[str, str]]:
    """Like `addresses`, each with the name that it stands under, still encoded (RFC 2047)."""
    found_in = email.utils.getaddresses(values(found, *names), **_LENIENT)
    pairs = [(name, address) for name, address in found_in if "@" in address]
    return list({address.lower(): (name, address) for name, address in pairs}.values())


def subject(found: Iterable[Field]) -> str:
    """The subject as a person reads it (RFC 2047 decoded)."""
    text = next(iter(values(found, "subject")), "")
    try:
        return str(make_header(decode_header(text)))
    except (HeaderParseError, LookupError, UnicodeError):
        return text


def message_id(found: Iterable[Field]) -> str:
    """The Message-ID with its angle brackets, or ""."""
    return next(iter(values(found, "message-id")), "")


def rewritten(raw: bytes, new_message_id: str, drops: Callable[[str], bool]) -> bytes:
    """`raw` with its Message-ID replaced (or added in front) and the fields that `drops` names left out."""
    out: list[bytes] = []
    position, placed = 0, False
    for field in fields(raw):
        if field.name == "message-id":
            replacement = b"" if placed else _message_id_line(new_message_id)
            placed = True
        elif drops(field.name):
            replacement = b""
        else:
            continue
        out += (raw[position : field.start], replacement)
        position = field.end
    out.append(raw[position:])
    return b"".join(out) if placed else _message_id_line(new_message_id) + b"".join(out)


def readdressed(raw: bytes, fields_to_people: Mapping[str, Iterable[tuple[str, str]]]) -> bytes:
    """`raw` whose fields of these names are replaced by ones in front that name these people."""
    out: list[bytes] = []
    position = 0
    for field in fields(raw):
        if field.name in fields_to_people:
            out.append(raw[position : field.start])
            position = field.end
    lines = [
        f"{name.capitalize()}: {', '.join(_mailbox(*person) for person in people)}\r\n"
        for name, people in fields_to_people.items()
        if people
    ]
    return "".join(lines).encode() + b"".join(out) + raw[position:]


def _mailbox(name: str, address: str) -> str:
    shown = name if not name or name.startswith("=?") else _quoted(name)
    return f"{shown} <{address}>" if shown else address


def _quoted(name: str) -> str:
    """A display name as it stands in a field."""
    return f'"{email.utils.quote(name)}"' if name.isascii() else Header(name, "utf-8").encode()


def _message_id_line(message_id: str) -> bytes:
    return f"Message-ID: {message_id}\r\n".encode()


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _unfolded(value: bytes) -> str:
    return _text(value).replace("\r", "").replace("\n", "").strip()
