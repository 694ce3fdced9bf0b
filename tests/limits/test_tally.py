"""What a client has sent: in all and to each recipient, refused or given a place later."""

import hypothesis.strategies as st
from hypothesis import given

from relay.config.rates import rate
from relay.limits import Tally
from relay.limits.tally import MOST_RECIPIENTS


def test_a_message_waits_for_the_rate_that_asks_longest() -> None:
    tally = Tally([rate("2 messages/1m"), rate("3 recipients/1h")], [])
    tally.take(0.0, ["a"])
    tally.take(10.0, ["a"])
    assert tally.wait(20.0, 1) == (40.0, rate("2 messages/1m"))
    assert tally.wait(20.0, 2) == (3580.0, rate("3 recipients/1h"))


def test_each_recipient_is_counted_alone() -> None:
    tally = Tally([], [rate("2 messages/1m")])
    assert tally.take(0.0, ["a", "b"]) == {"a": 0.0, "b": 0.0}
    assert tally.take(1.0, ["a"]) == {"a": 0.0}
    assert tally.wait_for(2.0, "a") == (58.0, rate("2 messages/1m"))
    assert tally.wait_for(2.0, "b") == (0.0, None)
    assert tally.take(2.0, ["a", "b"]) == {"a": 58.0, "b": 0.0}


@given(st.lists(st.floats(0, 30), max_size=100), st.sampled_from(["3 messages/1m", "3 messages/1m burst 2"]))
def test_places_that_are_given_later_hold_the_rate_and_the_order(pauses: list[float], written: str) -> None:
    allowed = rate(written)
    tally, now = Tally([], [allowed]), 0.0
    places: list[float] = []
    for pause in pauses:
        now += pause
        places.append(now + tally.take(now, ["a"])["a"])
    assert places == sorted(places)
    assert max((sum(start <= at < start + 60 - 1e-6 for at in places) for start in places), default=0) <= allowed.most


def test_memory_is_bounded() -> None:
    tally = Tally([], [rate("1 message/1m")])
    for number in range(5000):
        tally.take(float(number), [f"user{number}"])
    assert len(tally._recipients) < 1100


def test_of_more_recipients_than_are_remembered_the_first_goes() -> None:
    tally = Tally([], [rate("1 message/1d")])
    tally.take(0.0, [f"user{number}" for number in range(MOST_RECIPIENTS)])
    assert tally.wait_for(1.0, "user0")[0] > 0
    tally.take(1.0, ["one more"])
    assert tally.wait_for(1.0, "user0") == (0.0, None)
    assert tally.wait_for(1.0, "user1")[0] > 0
