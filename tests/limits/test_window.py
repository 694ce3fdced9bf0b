"""The sliding window and the even flow: never more than they allow, and no less than they can."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from relay.limits.window import Flow, Window

STEPS = st.lists(st.tuples(st.floats(0, 40), st.integers(1, 8)), max_size=120)


def most_in_any(happened: list[tuple[float, int]], seconds: float) -> int:
    """The most that lies in any stretch of `seconds`, its end not included."""
    return max(
        (sum(amount for at, amount in happened if start <= at < start + seconds - 1e-6) for start, _ in happened),
        default=0,
    )


@given(STEPS)
def test_never_more_than_the_limit_in_any_window(steps: list[tuple[float, int]]) -> None:
    window, now = Window(30, 60.0), 0.0
    happened: list[tuple[float, int]] = []
    for pause, wanted in steps:
        now += pause
        amount = min(wanted, 30 - window.used(now))
        window.add(now, amount)
        happened.append((now, amount))
    assert most_in_any(happened, 60.0) <= 30


@given(STEPS)
def test_it_opens_when_it_says_and_not_before(steps: list[tuple[float, int]]) -> None:
    window, now = Window(30, 60.0), 0.0
    for pause, amount in steps:
        now = window.fits_at(now + pause, amount)
        assert window.used(now) + amount <= 30
        window.add(now, amount)
        later = window.fits_at(now, amount)
        if later > now:
            copy = Window(30, 60.0)
            copy._pieces, copy._sum = window._pieces.copy(), window._sum
            assert copy.used(later - 1e-3) + amount > 30


def test_what_is_larger_than_the_limit_waits_for_an_empty_window() -> None:
    window = Window(10, 60.0)
    assert window.fits_at(0.0, 500) == 0.0
    window.add(0.0, 500)
    assert window.fits_at(1.0, 1) == 60.0
    window.add(60.0, 1)
    assert window.fits_at(61.0, 500) == 120.0


def test_memory_is_bounded_whatever_the_limit() -> None:
    window = Window(10_000_000, 60.0)
    for number in range(50_000):
        window.add(number * 0.01, 1)
        window.used(number * 0.01)
    assert len(window._pieces) <= 1001


@given(st.lists(st.floats(0, 20), max_size=200))
def test_a_flow_with_a_burst_never_passes_both_together(pauses: list[float]) -> None:
    flow, now = Flow(25, 60.0, 5), 0.0
    happened: list[tuple[float, int]] = []
    for pause in pauses:
        now += pause
        amount = flow.level(now)
        flow.take(now, amount)
        happened.append((now, amount))
    assert most_in_any(happened, 60.0) <= 30


def test_a_flow_gives_its_burst_then_one_at_a_time() -> None:
    flow = Flow(25, 60.0, 5)
    assert flow.level(100.0) == 5
    flow.take(100.0, 5)
    assert flow.level(102.3) == 0
    assert flow.fits_at(102.3) == pytest.approx(102.4)
    assert flow.level(102.4) == 1
    assert flow.level(1e6) == 5
