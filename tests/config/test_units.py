"""Durations and sizes."""

import re
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.config.units import day, duration, show_day, show_duration, show_moment, show_size, size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("5m", 300), ("2h", 7200), ("5d", 432000), ("1h30m", 5400), ("1d2h3m4s", 93784), ("90m", 5400)],
)
def test_durations(text: str, seconds: int) -> None:
    assert duration(text) == seconds


@given(st.integers(min_value=1, max_value=3650 * 86400))
def test_a_duration_comes_back_as_it_is_shown(seconds: int) -> None:
    assert duration(show_duration(seconds)) == seconds


@given(st.text(max_size=12))
def test_any_text_is_a_duration_or_refused_with_an_example(text: str) -> None:
    try:
        seconds = duration(text)
    except ValueError:
        with pytest.raises(ValueError, match=r'"(30s|3650d|[0-9]+[dhms])"'):
            duration(text)
    else:
        assert 0 < seconds <= 3650 * 86400


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (30, 'write "30s"'),
        (30.0, 'write "30s"'),
        ("30", 'write "30s"'),
        (True, "a duration is needed"),
        (["30s"], "a duration is needed"),
        ("", 'like "30s"'),
        ("30 s", 'write "30s"'),
        ("5min", 'write "5m"'),
        ("2 Hours", 'write "2h"'),
        ("30m1h", "is no duration"),
        ("99999999d", 'is too long: "3650d" is the most'),
        ("-5s", "is no duration"),
        ("٣s", "is no duration"),
        ("0s", "no time at all"),
        ("4000d", "too long"),
        (float("nan"), 'write "30s"'),
        (float("inf"), 'write "30s"'),
    ],
)
def test_an_unusable_duration_suggests_one(value: object, hint: str) -> None:
    with pytest.raises(ValueError, match=re.escape(hint)):
        duration(value)


@pytest.mark.parametrize("value", [0, "0", "0s", "0h0m"])
def test_zero_where_it_turns_something_off(value: object) -> None:
    assert duration(value, zero=True) == 0
    with pytest.raises(ValueError, match=r"bare number|no time at all"):
        duration(value)


def test_false_is_not_zero() -> None:
    with pytest.raises(ValueError, match="a duration is needed"):
        duration(False, zero=True)


@pytest.mark.parametrize(
    ("text", "octets"),
    [("35MiB", 36700160), ("64KiB", 65536), ("10MB", 10_000_000), ("1GiB", 2**30), ("5kB", 5000), ("7B", 7)],
)
def test_sizes(text: str, octets: int) -> None:
    assert size(text) == octets


@given(st.integers(min_value=1, max_value=1024**4))
def test_a_size_comes_back_as_it_is_shown(octets: int) -> None:
    assert size(show_size(octets)) == octets


@given(st.text(max_size=12))
def test_any_text_is_a_size_or_refused_with_an_example(text: str) -> None:
    try:
        octets = size(text)
    except ValueError:
        with pytest.raises(ValueError, match=r'"(35MiB|1024GiB|[0-9]+[KMG]?i?B)"'):
            size(text)
    else:
        assert 0 < octets <= 1024**4


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (36700160, 'write "35MiB"'),
        (35, 'write "35MiB"'),
        ("35", 'write "35MiB"'),
        ("36700160", 'write "35MiB"'),
        (1500, 'write "1500B"'),
        (True, "a size is needed"),
        ("35 MiB", 'write "35MiB"'),
        ("35mb", 'write "35MB"'),
        ("35M", 'write "35MiB"'),
        ("1.5MiB", "is no size"),
        ("0MiB", "room for nothing"),
        ("2000GiB", "too large"),
        ("", "is no size"),
    ],
)
def test_an_unusable_size_suggests_one(value: object, hint: str) -> None:
    with pytest.raises(ValueError, match=re.escape(hint)):
        size(value)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("2027-03-01", "2027-03-01"),
        (date(2027, 3, 1), "2027-03-01"),
        ("2027-03-01T23:30:00Z", "2027-03-01"),
        ("2027-03-01T23:30:00-01:00", "2027-03-02"),
        (datetime(2027, 3, 1, 12, tzinfo=UTC), "2027-03-01"),
    ],
)
def test_days(written: object, shown: str) -> None:
    assert show_day(day(written)) == shown


def test_a_moment_is_shown_as_it_can_be_written() -> None:
    for text in ("2027-03-01", "2027-03-01T12:30:00+00:00"):
        assert show_moment(day(text)) == text


def test_a_day_begins_in_utc() -> None:
    assert day("2027-03-01") == 1_803_859_200.0


@pytest.mark.parametrize("written", ["", "soon", "01.03.2027", "2027-13-01", 20270301, None, True, "0001-01-01", [1]])
def test_what_is_no_day(written: object) -> None:
    with pytest.raises(ValueError, match='write it like "2027-03-01"'):
        day(written)
