"""When to speak of something that runs out: 30, 7 and 1 days before it does, and when it has. Pure."""

from relay.alerts.alert import Alert, Level
from relay.alerts.deadlines import Deadline
from relay.alerts.memory import Said
from relay.config.units import show_day

DAYS = (0, 1, 7, 30)
_DAY = 86400.0


def reached(until: float, now: float) -> int | None:
    """The narrowest of `DAYS` that `now` is within; None while there is more time than that."""
    return next((days for days in DAYS if until - now <= days * _DAY), None)


def is_news(said: Said | None, until: float, days: int) -> bool:
    """Whether this threshold was not told for this date; a date that was moved begins anew."""
    return said is None or said.until != until or days < said.days


def alert(deadline: Deadline, days: int, now: float) -> Alert:
    """What is told at a threshold."""
    day = show_day(deadline.until)
    left = int((deadline.until - now) // _DAY)
    if days == 0:
        text = f"{deadline.subject} has run out on {day}"
    else:
        when = "in less than a day" if left < 1 else f"in {left} day{'s' if left > 1 else ''}"
        text = f"{deadline.subject} runs out {when}, on {day}"
    return Alert(
        key=deadline.key,
        event="expires" if days else "expired",
        level=Level.ERROR if days <= 1 else Level.WARNING,
        kind=deadline.kind,
        name=deadline.name,
        text=text,
        action=deadline.action,
        at=now,
        until=deadline.until,
    )
