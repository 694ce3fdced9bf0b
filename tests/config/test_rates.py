"""Rates as people write them, and what they hear when they write them otherwise."""

import re

import pytest

from relay.config.rates import rate, show_rate
from relay.model import Rate


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("1 recipient/1h burst 2", Rate(1, "recipients", 3600.0, 2)),
        ("25 messages/1m", Rate(25, "messages", 60.0)),
        ("1 message/2s", Rate(1, "messages", 2.0)),
        ("10000 recipients/24h", Rate(10_000, "recipients", 86_400.0)),
        ("25 messages/1m burst 5", Rate(25, "messages", 60.0, 5)),
    ],
)
def test_a_rate_is_read(text: str, meant: Rate) -> None:
    assert rate(text) == meant
    assert rate(show_rate(meant)) == meant


@pytest.mark.parametrize("text", ["1 message/1h", "1 recipient/1d", "2 messages/1m burst 1", "1 message/2s burst 3"])
def test_a_rate_is_shown_as_people_write_it(text: str) -> None:
    assert show_rate(rate(text)) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("30/min", 'write "30 messages/1m"'),
        ("1/hour", 'write "1 message/1h"'),
        ("30 per minute", 'write "30 messages/1m"'),
        ("10000 Recipients per day", 'write "10000 recipients/1d"'),
        ("25 messages", 'write it like "25 messages/1m"'),
        ("0 messages/1m", "write at least 1"),
        ("5 messages/1m burst 0", "write at least 1"),
        ("5 messages/1x", 'write it like "30s"'),
        ("", "is no rate"),
    ],
)
def test_what_is_no_rate_is_told(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        rate(text)
