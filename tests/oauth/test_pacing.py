"""When tokens are renewed and endpoints left alone: decisions on values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.oauth.access_token import Granted, refresh_after
from relay.oauth.errors import TokenError
from relay.oauth.pacing import Moment, State, Step

HOUR = 3600.0


@pytest.mark.parametrize(
    ("lifetime", "refresh_in", "margin", "expected"),
    [
        (HOUR, None, None, 3000.0),
        (1000.0, None, None, 800.0),
        (2.0, None, None, 1.6),
        (20.0, None, None, 16.0),
        (300.0, None, None, 240.0),
        (86400.0, None, None, 85800.0),
        (86400.0, 43200.0, None, 43200.0),
        (HOUR, 3599.0, None, 3000.0),
        (HOUR, None, 1200.0, 2400.0),
        (HOUR, None, 60.0, 3540.0),
        (HOUR, None, 0.0, HOUR),
        (HOUR, 60.0, 1200.0, 60.0),
        # A margin longer than half the life would renew a token all the time.
        (300.0, None, 1200.0, 150.0),
    ],
)
def test_refresh_after(lifetime: float, refresh_in: float | None, margin: float | None, expected: float) -> None:
    assert refresh_after(lifetime, refresh_in, margin, 0.0) == pytest.approx(expected)


def test_chance_spreads_renewals() -> None:
    assert refresh_after(HOUR, None, None, 1.0) == pytest.approx(2940.0)
    assert refresh_after(86400.0, 43200.0, None, 1.0) == pytest.approx(47520.0)
    assert refresh_after(HOUR, 2990.0, None, 1.0) == pytest.approx(3000.0), "never beyond the margin"


@given(
    st.floats(1, 1e7),
    st.none() | st.floats(0.001, 1e9),
    st.none() | st.floats(0, 1e9),
    st.floats(0, 1, exclude_max=True),
)
def test_refresh_lies_within_the_life(
    lifetime: float, refresh_in: float | None, margin: float | None, chance: float
) -> None:
    after = refresh_after(lifetime, refresh_in, margin, chance)
    assert 0 < after <= lifetime
    assert after >= min(lifetime * 0.44, refresh_in or lifetime)


def at(seconds: float, *, set_by: float = 0.0) -> Moment:
    """`seconds` after the start; the time of day was `set_by` in between."""
    return Moment(1_800_000_000.0 + seconds + set_by, 5.0 + seconds)


FAILURE = TokenError("t", error="e", temporary=True)
FRESH = State().granted(Granted("a", HOUR), at(0), None, 0.0)


def test_at_first_a_token_is_fetched() -> None:
    assert State().step(at(0)) is Step.WAIT


@pytest.mark.parametrize(
    ("seconds", "step"),
    [(0, Step.USE), (2999, Step.USE), (3000, Step.RENEW), (3599.9, Step.RENEW), (3600, Step.WAIT), (9999, Step.WAIT)],
)
def test_a_tokens_life(seconds: float, step: Step) -> None:
    assert FRESH.step(at(seconds)) is step


def test_the_times_of_a_token() -> None:
    assert FRESH.held is not None
    assert FRESH.held.token.expires_at == at(3600).time
    assert FRESH.held.token.refresh_at == at(3000).time


def test_a_clock_that_is_set_back_makes_no_token_younger() -> None:
    assert FRESH.step(at(3600, set_by=-7200)) is Step.WAIT
    assert FRESH.step(at(3000, set_by=-7200)) is Step.RENEW


def test_a_clock_that_is_set_forward_is_believed() -> None:
    """It may be right: the machine may have slept, which the other clock does not count."""
    assert FRESH.step(at(1, set_by=7200)) is Step.WAIT


@pytest.mark.parametrize(("retry_after", "pause"), [(None, 30.0), (5.0, 30.0), (30.0, 30.0), (600.0, 600.0)])
def test_the_pause_after_a_failure(retry_after: float | None, pause: float) -> None:
    state = State().failed(FAILURE.waiting(retry_after) if retry_after else FAILURE, at(0))
    assert state.step(at(0)) is Step.REFUSE
    assert state.step(at(pause - 0.1)) is Step.REFUSE
    assert state.step(at(pause)) is Step.WAIT
    refusal = state.refusal(at(10))
    assert refusal is not None
    assert refusal.retry_after == pytest.approx(pause - 10)


def test_the_pause_is_not_shortened_by_setting_the_clock() -> None:
    assert State().failed(FAILURE, at(0)).step(at(10, set_by=7200)) is Step.REFUSE


def test_a_good_token_outlives_a_failure() -> None:
    state = FRESH.failed(FAILURE, at(3100))
    assert state.step(at(3110)) is Step.USE
    assert state.step(at(3130)) is Step.RENEW
    assert state.failed(FAILURE, at(3595)).step(at(3600)) is Step.REFUSE


def test_success_ends_the_pause() -> None:
    state = State().failed(FAILURE, at(0)).granted(Granted("a", HOUR), at(1), None, 0.0)
    assert state.step(at(2)) is Step.USE
    assert state.refusal(at(2)) is None


def test_forcing() -> None:
    assert FRESH.forced_step(at(1)) is Step.WAIT
    forced = FRESH.forced(at(1))
    assert forced.forced_step(at(30.9)) is Step.USE
    assert forced.forced_step(at(31)) is Step.WAIT
    assert forced.granted(Granted("b", HOUR), at(2), None, 0.0).forced_step(at(30)) is Step.USE
    assert forced.failed(FAILURE, at(2)).forced_step(at(31.9)) is Step.REFUSE
    assert forced.failed(FAILURE, at(2)).forced_step(at(32)) is Step.WAIT
