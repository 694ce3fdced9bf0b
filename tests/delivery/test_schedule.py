"""When to try again: tables and properties of the pure decisions."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from relay.delivery.schedule import backoff, judge
from relay.model import Outcome, Result, Scope

STEPS = (60.0, 300.0, 900.0)
NOW = 1000.0
SENT = Result(Outcome.SENT, 250, "2.0.0", "OK")
FAILED = Result(Outcome.FAILED, 550, "5.1.1", "no such user", hint="Correct the address")


def deferred(scope: Scope = Scope.MESSAGE, retry_after: float | None = None) -> Result:
    return Result(Outcome.DEFERRED, 451, "4.3.0", "busy", scope, retry_after)


@pytest.mark.parametrize(("failures", "step"), [(0, 60), (1, 60), (2, 300), (3, 900), (50, 900)])
def test_steps_grow_and_the_last_repeats(failures: int, step: float) -> None:
    assert backoff(STEPS, failures, 0.5) == pytest.approx(step)


@given(st.integers(1, 100), st.floats(0, 1))
def test_jitter_stays_within_a_fifth(failures: int, jitter: float) -> None:
    step = STEPS[min(failures, 3) - 1]
    assert 0.8 * step - 1e-6 <= backoff(STEPS, failures, jitter) <= 1.2 * step + 1e-6


def test_all_sent_is_the_end() -> None:
    verdict = judge({"a": SENT, "b": SENT}, attempt=1, now=NOW, retry=STEPS, jitter=0.5)
    assert (verdict.next_at, verdict.reason, verdict.trouble) == (None, "", None)


def test_a_failure_among_sent_ones_is_the_end_with_its_reason() -> None:
    verdict = judge({"a": SENT, "b": FAILED}, attempt=1, now=NOW, retry=STEPS, jitter=0.5)
    assert verdict.next_at is None
    assert verdict.reason == "550 5.1.1 no such user -- Correct the address"


def test_a_deferred_recipient_waits_for_its_step() -> None:
    verdict = judge({"a": SENT, "b": deferred()}, attempt=2, now=NOW, retry=STEPS, jitter=0.5)
    assert verdict.next_at == pytest.approx(NOW + 300)
    assert verdict.counted


def test_retry_after_lengthens_the_wait_and_never_shortens_it() -> None:
    longer = judge({"a": deferred(retry_after=5000)}, attempt=1, now=NOW, retry=STEPS, jitter=0.5)
    shorter = judge({"a": deferred(retry_after=1)}, attempt=1, now=NOW, retry=STEPS, jitter=0.5)
    assert longer.next_at == NOW + 5000
    assert shorter.next_at == pytest.approx(NOW + 60)


@pytest.mark.parametrize("scope", [Scope.IDENTITY, Scope.ACCOUNT])
def test_trouble_with_the_mailbox_gives_the_attempt_back(scope: Scope) -> None:
    verdict = judge({"a": deferred(), "b": deferred(scope)}, attempt=3, now=NOW, retry=STEPS, jitter=0.5)
    assert not verdict.counted
    assert verdict.next_at == NOW
    assert verdict.trouble is not None
    assert verdict.trouble.scope is scope
