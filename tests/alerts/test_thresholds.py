"""When something that runs out is spoken of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.alerts import Deadline, Level, thresholds
from relay.alerts.memory import Said

DAY = 86400.0
DEADLINE = Deadline("client_secret", "office", 1000 * DAY, "the client secret of the account office", "Make a new one")


@pytest.mark.parametrize(
    ("left", "days"),
    [(31, None), (30.01, None), (30, 30), (7.01, 30), (7, 7), (1.01, 7), (1, 1), (0.01, 1), (0, 0), (-500, 0)],
)
def test_the_narrowest_that_holds(left: float, days: int | None) -> None:
    assert thresholds.reached(DEADLINE.until, DEADLINE.until - left * DAY) == days


@given(st.lists(st.floats(0, 1100), min_size=1))
def test_each_is_told_once_and_the_last_always(days: list[float]) -> None:
    """However often, and after whatever breaks, somebody looks."""
    said, told = None, []
    for day in sorted(days):
        reached = thresholds.reached(DEADLINE.until, day * DAY)
        if reached is not None and thresholds.is_news(said, DEADLINE.until, reached):
            said = Said(DEADLINE.until, reached)
            told.append(reached)
    assert told == sorted(set(told), reverse=True)
    assert told[-1:] == ([] if max(days) < 970 else [thresholds.reached(DEADLINE.until, max(days) * DAY)])


def test_a_clock_that_is_set_back_repeats_nothing() -> None:
    assert not thresholds.is_news(Said(DEADLINE.until, 1), DEADLINE.until, 7)


@pytest.mark.parametrize(
    ("left", "level", "text"),
    [
        (29.5, Level.WARNING, "runs out in 29 days, on 1972-09-27"),
        (1.5, Level.WARNING, "runs out in 1 day, on 1972-09-27"),
        (0.5, Level.ERROR, "runs out in less than a day, on 1972-09-27"),
        (-3, Level.ERROR, "has run out on 1972-09-27"),
    ],
)
def test_what_is_told(left: float, level: Level, text: str) -> None:
    now = DEADLINE.until - left * DAY
    days = thresholds.reached(DEADLINE.until, now)
    assert days is not None
    made = thresholds.alert(DEADLINE, days, now)
    assert (made.level, made.event) == (level, "expired" if left < 0 else "expires")
    assert made.text == f"{DEADLINE.subject} {text}"
