"""How much the queue may hold: octets, messages, or both."""

import re
from typing import Any

import pytest

from relay.config.queue_size import QueueSize, queue_size, show_queue_size
from relay.config.units import size


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("10GiB", QueueSize(10 * 1024**3)),
        ("100000 messages", QueueSize(None, 100_000)),
        ("1 message", QueueSize(None, 1)),
        (["10GiB", "500 messages"], QueueSize(10 * 1024**3, 500)),
    ],
)
def test_it_is_read_and_comes_back_as_it_is_shown(written: Any, meant: QueueSize) -> None:
    assert queue_size(written) == meant
    assert queue_size(show_queue_size(meant)) == meant


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (["1GiB", "2GiB"], "says twice how much"),
        (["5 messages", "6 messages"], "says twice how much"),
        ([], "is an empty list"),
        ("0 messages", 'write it like "100000 messages"'),
        ("many messages", "is no number of messages"),
        (10, 'write "10MiB"'),
        ("0B", "room for nothing"),
    ],
)
def test_what_is_neither_is_told(written: Any, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        queue_size(written)


@pytest.mark.parametrize("value", [0, "0", "0B"])
def test_no_size_at_all_where_it_turns_something_off(value: object) -> None:
    assert size(value, zero=True) == 0


def test_a_size_that_is_too_small_says_the_least() -> None:
    with pytest.raises(ValueError, match='"4MiB" is the least'):
        size("1MiB", least=4 * 1024**2)
