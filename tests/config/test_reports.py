"""`[queue]`: who is told of mail that was not delivered."""

import pytest

from relay.config import describe
from tests.config.conftest import SMARTHOST, Configure, Problems


@pytest.mark.parametrize(
    ("queue", "line"),
    [
        ("", "told of mail that was not delivered: nobody (bounce_to is not set)"),
        ('bounce_to = "admin@example.com"', "told of mail that was not delivered: admin@example.com"),
        ('bounces = "off"', "nobody is told of mail that was not delivered"),
        (
            'bounces = "sender"\nbounce_to = "a@b.c"\ndelay_warning = "4h"\nbounce_account = "hub"',
            (
                "told of mail that was not delivered, and after 4h of delays: its sender, where a client may use that "
                "address; else a@b.c, through account hub"
            ),
        ),
    ],
)
def test_what_check_says(configure: Configure, queue: str, line: str) -> None:
    assert f"  {line}" in describe(configure(f"{SMARTHOST}[queue]\n{queue}\n"))


def test_an_account_for_reports_alone_is_used(configure: Configure) -> None:
    text = SMARTHOST + SMARTHOST.replace("hub", "spare") + '[clients.a]\nnetworks = ["127.0.0.1"]\naccount = "hub"\n'
    assert len(configure(text).warnings) == 1
    assert configure(text + '[queue]\nbounce_account = "spare"\n').warnings == ()


@pytest.mark.parametrize(
    ("queue", "reason"),
    [
        ('bounce_account = "hubb"', "hub"),
        ('bounces = "everybody"', "operator"),
        ('bounce_to = "nobody"', "address"),
        ('delay_warning = "0s"', "no time"),
    ],
)
def test_what_cannot_be_is_an_error(problems: Problems, queue: str, reason: str) -> None:
    (problem,) = problems(f"{SMARTHOST}[queue]\n{queue}\n")
    assert reason in str(problem)
