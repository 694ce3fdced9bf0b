"""The part of a report that people read: what happened, to whom, why, and what to do."""

import quopri
from collections.abc import Iterator

from relay.bounce.notice import Action, Notice, Told
from relay.bounce.returned import is_whole
from relay.bounce.status import date
from relay.log import clean

_TITLES = {
    Action.FAILED: "Not delivered",
    Action.DELAYED: "Delayed",
    Action.RELAYED: "Sent on",
}
_OPENINGS = {
    Action.FAILED: "The message could not be delivered to these recipients, and is not tried again:",
    Action.DELAYED: "The message could not be delivered yet to these recipients. It is tried again until {until}:",
    Action.RELAYED: "The message was handed to the mail system of these recipients, which reports no delivery:",
}


def subject(notice: Notice) -> str:
    """The report's subject."""
    return f"{_TITLES[notice.action]}: {clean(notice.subject) or '(no subject)'}"


def text(notice: Notice) -> str:
    """The text in LF lines."""
    return "\n".join(clean(line) for line in _lines(notice)) + "\n"


def encoded(shown: str) -> tuple[bytes, str, str]:
    """Octets with CRLF, charset and transfer encoding: always ASCII on the way."""
    if shown.isascii() and max(map(len, shown.split("\n"))) < 990:
        return shown.replace("\n", "\r\n").encode(), "us-ascii", "7bit"
    octets = quopri.encodestring(shown.encode("utf-8", "replace"))
    return octets.replace(b"\n", b"\r\n"), "utf-8", "quoted-printable"


def _lines(notice: Notice) -> Iterator[str]:
    yield f"This is the mail relay at {notice.hostname}."
    for action in Action:
        people = [told for told in notice.recipients if told.action is action]
        if people:
            yield ""
            yield _OPENINGS[action].format(until=date(notice.retry_until or 0))
            for told in people:
                yield from _recipient(told)
    yield ""
    yield "The message:"
    yield ""
    yield f"  Subject:    {notice.subject or '(none)'}"
    yield f"  From:       <{notice.sender}>"
    yield f"  Received:   {date(notice.received_at)}, from {notice.client} ({notice.peer})"
    yield f"  Message-ID: {notice.message_id or '(none)'}"
    yield f"  Queue id:   {notice.message}, account {notice.account}"
    if not is_whole(notice):
        yield ""
        yield "Its header follows."


def _recipient(told: Told) -> Iterator[str]:
    yield ""
    yield f"  <{told.address}>"
    if told.code:
        yield f"    {told.code} {told.status} {told.text}"
    elif told.action is Action.DELAYED:
        yield "    No attempt could be made yet."
    if told.hint:
        yield f"    What to do: {told.hint}"
