"""The search language: what people and test suites type, as conditions on the columns of `caught`.

The language is Mailpit's: terms between spaces, quotes keep spaces, `-` or `!` in front negates, all terms must hold.
Added is `to:=a@x` (and its like) for exactly that address. Terms never become SQL text; only columns and marks do.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from relay.sink.summary import searched

LONGEST = 2000
MOST_TERMS = 50
_FIELDS = {
    "from": ("from_text",),
    "to": ("to_text",),
    "cc": ("cc_text",),
    "bcc": ("bcc_text",),
    "reply-to": ("reply_text",),
    "addressed": ("from_text", "to_text", "cc_text", "bcc_text", "reply_text"),
    "subject": ("subject",),
    "message-id": ("message_id",),
}
_FLAGS = {
    "is:read": "c.is_read = 1",
    "is:unread": "c.is_read = 0",
    "is:tagged": "EXISTS (SELECT 1 FROM caught_tag WHERE seq = c.seq)",
    "has:attachment": "c.attachments > 0",
    "has:attachments": "c.attachments > 0",
    "has:inline": "c.inlines > 0",
    "has:inlines": "c.inlines > 0",
}
_SIZE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(k|kb|m|mb)?")
_FORMS = ("%Y/%m/%d", "%d %b %Y", "%d %B %Y", "%b %d %Y", "%B %d %Y", "%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M:%S")


class QueryError(ValueError):
    """A search that cannot be made: the message says why."""


@dataclass(frozen=True, slots=True)
class Query:
    """A condition on `caught` (as `c`) and `caught_text` (as `t`), with its parameters."""

    condition: str
    parameters: tuple[str | float, ...]
    reads_text: bool
    """It needs `caught_text`, which is large."""


def parse(text: str, zone: str = "") -> Query:
    """The query that `text` writes; `zone` is the IANA name for dates without an offset. Raises QueryError.

    A query in which nothing can be understood finds nothing, so that it cannot delete everything either.
    """
    if not text.strip():
        raise QueryError("Error: no search query")
    if len(text) > LONGEST:
        raise QueryError(f"Error: a search query has at most {LONGEST} characters")
    terms = _terms(text)
    if len(terms) > MOST_TERMS:
        raise QueryError(f"Error: a search query has at most {MOST_TERMS} terms")
    conditions: list[str] = []
    parameters: list[str | float] = []
    for term in terms:
        negated = len(term) > 1 and term[0] in "-!"
        condition, values = _condition(term[1:] if negated else term, _zone(zone))
        if condition:
            conditions.append(f"NOT ({condition})" if negated else f"({condition})")
            parameters += values
    whole = " AND ".join(conditions) or "0"
    return Query(whole, tuple(parameters), "t.text" in whole)


def _terms(text: str) -> list[str]:
    """Split at spaces outside quotes; the quotes go."""
    pieces = text.split('"')
    marked = "".join(piece if number % 2 == 0 else piece.replace(" ", "\0") for number, piece in enumerate(pieces))
    return [term.replace("\0", " ") for term in marked.split() if term]


def _condition(term: str, zone: tzinfo) -> tuple[str, list[str | float]]:
    lowered = term.casefold()
    if lowered in _FLAGS:
        return _FLAGS[lowered], []
    name, colon, value = lowered.partition(":")
    value = value.strip()
    if colon and name in _FIELDS:
        return _in_field(_FIELDS[name], value)
    if colon and name == "tag":
        return ("EXISTS (SELECT 1 FROM caught_tag WHERE seq = c.seq AND tag = ?)", [value]) if value else ("", [])
    if colon and name in ("before", "after"):
        moment = _moment(term.partition(":")[2].strip(), zone)
        return ("", []) if moment is None else (f"c.received_at {'<=' if name == 'before' else '>='} ?", [moment])
    if colon and name in ("larger", "smaller"):
        octets = _octets(value)
        return ("", []) if octets is None else (f"c.size {'>' if name == 'larger' else '<'} ?", [octets])
    wanted = searched(term).strip()
    return ("instr(coalesce(t.text, ''), ?) > 0", [wanted]) if wanted else ("", [])


def _in_field(columns: tuple[str, ...], value: str) -> tuple[str, list[str | float]]:
    exact = value.startswith("=") and columns not in (("subject",), ("message_id",))
    wanted = f"<{value[1:].strip('<> ')}>" if exact else value.strip("<>")
    if not wanted.strip("<>"):
        return "", []
    return " OR ".join(f"instr(c.{column}, ?) > 0" for column in columns), [wanted] * len(columns)


def moment(text: str, zone: str = "") -> float | None:
    """A date as searches have it, in seconds since the epoch; None for what is none."""
    return _moment(text, _zone(zone))


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name) if name else UTC
    except (ValueError, OSError, KeyError):  # unknown, or no path of a zone at all
        return UTC


def _moment(text: str, zone: tzinfo) -> float | None:
    """Seconds since the epoch, None for what is no date."""
    found = None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        for form in _FORMS:
            try:
                found = datetime.strptime(text, form)  # noqa: DTZ007 (gets its zone below)
                break
            except ValueError:
                continue
    if found is None:
        return None
    try:
        return (found if found.tzinfo else found.replace(tzinfo=zone)).timestamp()
    except (OverflowError, ValueError, OSError):
        return None


def _octets(text: str) -> float | None:
    match = _SIZE.fullmatch(text)
    if match is None:
        return None
    return float(match[1]) * {"k": 1024, "m": 1024 * 1024}.get((match[2] or "")[:1], 1)
