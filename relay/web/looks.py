"""How values look on a page: times, sizes, states, addresses."""

import re
from collections.abc import Sequence

from markupsafe import Markup, escape

from relay import log

STATES = {
    "queued": ("waiting", "wait"),
    "active": ("being sent", "busy"),
    "sent": ("sent", "good"),
    "failed": ("failed", "bad"),
    "held": ("held", "wait"),
    "corrupt": ("set aside", "bad"),
    "pending": ("waiting", "wait"),
    "deferred": ("deferred", "wait"),
    "ok": ("ok", "good"),
    "warn": ("look at it", "wait"),
    "fail": ("to be done", "bad"),
    "skipped": ("not needed", "quiet"),
}
"""What a state is called, and its tone."""


def moment(seconds: float | None) -> str:
    """Seconds since the epoch as local time; "" for None."""
    return "" if seconds is None else log.moment(seconds)


def ago(stamp: float, now: float) -> str:
    """`5m ago`, `in 2h`."""
    left = stamp - now
    if abs(left) < 1:
        return "now"
    return f"in {_long(left)}" if left > 0 else f"{_long(-left)} ago"


def _long(seconds: float) -> str:
    return log.duration(seconds) if seconds < 2 * 86400 else f"{int(seconds // 86400)} days"


def size(octets: int) -> str:
    """Octets as people say them."""
    if octets < 1000:
        return f"{octets} B"
    for unit in ("kB", "MB", "GB"):
        octets_of_unit = octets / 1000 ** (("kB", "MB", "GB").index(unit) + 1)
        if octets_of_unit < 999.5 or unit == "GB":
            return f"{octets_of_unit:.1f} {unit}" if octets_of_unit < 9.95 else f"{octets_of_unit:.0f} {unit}"
    raise AssertionError("unreachable")


def state(name: str) -> str:
    return STATES.get(name, (name, "quiet"))[0]


def tone(name: str) -> str:
    return STATES.get(name, (name, "quiet"))[1]


def people(addresses: Sequence[str], most: int = 2) -> str:
    """The first addresses, and how many more."""
    shown = ", ".join(addresses[:most])
    return shown if len(addresses) <= most else f"{shown} and {len(addresses) - most} more"


def hint(text: str) -> tuple[str, str]:
    """A reason as the queue keeps it: what was said, and what to do about it."""
    said, _, advice = text.partition(" -- ")
    return said, advice


_MARKED = re.compile(r"`([^`]{1,500})`|\*([^\s*](?:[^*]{0,200}[^\s*])?)\*")


def marked(text: str) -> Markup:
    """Advice with its `commands` and *names* as such: the log and the commands have them between marks."""
    return Markup(_MARKED.sub(_element, str(escape(text))))  # noqa: S704 (escaped; what is put in is ours)


def _element(found: re.Match[str]) -> str:
    return f"<code>{found[1]}</code>" if found[1] is not None else f"<em>{found[2]}</em>"


FILTERS = {
    "ago": ago,
    "clean": log.clean,
    "duration": log.duration,
    "hint": hint,
    "machine_time": log.stamp,
    "marked": marked,
    "moment": moment,
    "people": people,
    "size": size,
    "state": state,
    "tone": tone,
}
