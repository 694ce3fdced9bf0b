"""The rest of a mailbox in trouble: begun once, however many attempts come back with the same trouble."""

from dataclasses import replace

from relay.delivery.pause import Pause
from relay.model import Outcome, Result, Scope

TROUBLE = Result(Outcome.DEFERRED, 454, "4.7.0", "no token", Scope.IDENTITY)


def test_the_same_trouble_is_told_once() -> None:
    pause = Pause()
    assert pause.begin(TROUBLE, "no token", 1000, 0.5) == 30
    assert pause.begin(TROUBLE, "no token", 1000.1, 0.5) == 0
    assert pause.failures == 1
    assert pause.until >= 1030


def test_another_trouble_and_a_longer_rest_are_told_too() -> None:
    pause = Pause()
    pause.begin(TROUBLE, "no token", 1000, 0.5)
    assert pause.begin(TROUBLE, "throttled", 1000.1, 0.5) == 30
    longer = replace(TROUBLE, retry_after=600.0)
    assert pause.begin(longer, "throttled", 1000.2, 0.5) == 600
    assert pause.begin(longer, "throttled", 1000.3, 0.5) == 0
    assert pause.until >= 1600


def test_a_rest_that_is_over_begins_anew() -> None:
    pause = Pause()
    pause.begin(TROUBLE, "no token", 1000, 0.5)
    assert pause.begin(TROUBLE, "no token", 1100, 0.5) == 60
    assert pause.failures == 2
