"""What `Retry-After` says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.http import retry_after

NOW = 784_111_777.0
"""Sun, 06 Nov 1994 08:49:37 GMT, the date that RFC 9110 uses."""


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("60", 60.0),
        (" 60 ", 60.0),
        ("0.5", 0.5),
        ("7.", 7.0),
        ("10.731", 10.731),
        ("86400", 3600.0),
        ("9" * 500, 3600.0),
        ("Sun, 06 Nov 1994 08:50:07 GMT", 30.0),
        ("Sunday, 06-Nov-94 08:50:07 GMT", 30.0),
        ("Sun Nov  6 08:50:07 1994", 30.0),
        ("Sun, 06 Nov 1994 09:50:07 +0100", 30.0),
        ("Sun, 06 Nov 1994 08:50:07 -0000", 30.0),
        ("Sun, 06 Nov 1994 08:00:00 GMT", 0.0),
        ("Sun, 06 Nov 2094 08:00:00 GMT", 3600.0),
        ("", None),
        ("-5", None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("1e3", None),
        ("5, 5", None),
        ("٣", None),
        ("Sun, 99 Nov 1994 08:00:00 GMT", None),
        ("Sun, 06 Nov 99999999999 08:00:00 GMT", None),
    ],
)
def test_values(value: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": value}, NOW) == seconds


def test_nothing_said() -> None:
    assert retry_after({}, NOW) is None


def test_the_longest_wait_can_be_set() -> None:
    assert retry_after({"retry-after": "86400"}, NOW, most=90000.0) == 86400.0


def test_a_date_is_held_against_the_servers_own_clock() -> None:
    """This machine's clock is two hours off; the wait is still half a minute."""
    headers = {"retry-after": "Sun, 06 Nov 1994 08:50:07 GMT", "date": "Sun, 06 Nov 1994 08:49:37 GMT"}
    assert retry_after(headers, NOW - 7200) == 30.0
    assert retry_after({**headers, "date": "nonsense"}, NOW) == 30.0


@given(st.text(max_size=60), st.text(max_size=60))
def test_rubbish_is_nothing_or_a_wait_within_bounds(value: str, date: str) -> None:
    seconds = retry_after({"retry-after": value, "date": date}, NOW)
    assert seconds is None or 0 <= seconds <= 3600
