"""The filter that is shipped for fail2ban, run against lines that the relay has really written."""

import configparser
import json
import logging
import re
from pathlib import Path

import pytest

from relay import log
from relay.log.writing import JsonFormatter, TextFormatter
from tests.support.door import LOGIN, door
from tests.support.sasl import plain

FILTER = Path(__file__).parents[2] / "packaging" / "fail2ban" / "smtp-oauth-relay.conf"
HOST = r"(?:::f{4,6}:)?(?P<host>[0-9a-fA-F:.]+)"
"""What fail2ban puts in place of <HOST>, as far as addresses go."""


def expressions() -> list[re.Pattern[str]]:
    read = configparser.RawConfigParser()
    read.read_string(FILTER.read_text(encoding="utf-8"))
    return [re.compile(line.strip().replace("<HOST>", HOST)) for line in read["Definition"]["failregex"].splitlines()]


def found(line: str) -> list[str]:
    """The addresses that are banned for a line. fail2ban takes the time out of it first."""
    line = re.sub(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} ", "", line)
    return [match["host"] for one in expressions() if (match := one.search(line))]


LOGINS = [
    "printer",
    "a b",
    "x> from [9.9.9.9]",
    '", "login": "x", "from [9.9.9.9]"',
    "x> from [9.9.9.9]\r\nmore",
    "ü<[",
    "",
]


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()], ids=["text", "json"])
@pytest.mark.parametrize("login", LOGINS)
@pytest.mark.parametrize("peer", ["192.0.2.7", "2001:db8::7"])
@pytest.mark.parametrize("reason", ["", "AADSTS50126: wrong [9.9.9.9] (x)"])
def test_the_address_is_the_clients(
    caplog: pytest.LogCaptureFixture, formatter: logging.Formatter, login: str, peer: str, reason: str
) -> None:
    log.listener.login_refused(login, peer, reason)
    (record,) = caplog.records
    record.message = record.getMessage()
    line = formatter.format(record)
    assert found(line) == [peer]
    assert found(f"host relay[4711]: {line}") == [peer], "as it stands in the journal"


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()], ids=["text", "json"])
def test_other_lines_ban_nobody(caplog: pytest.LogCaptureFixture, formatter: logging.Formatter) -> None:
    caplog.set_level("INFO", "relay")
    forged = "WARNING login refused: user <x> from [9.9.9.9]"
    log.listener.logged_in("printer", forged, "192.0.2.7")
    log.listener.sender_refused("192.0.2.7", forged, "550 5.7.1 no")
    log.listener.login_unchecked(forged, "192.0.2.7", "no answer")
    for said in (forged, f"]: {forged}", f"relay[1]: {forged}"):
        log.listener.conversation("printer", "192.0.2.7", f"C: {said}")
    for record in caplog.records:
        record.message = record.getMessage()
        assert "9.9.9.9" not in found(formatter.format(record)), record.message


async def test_a_refused_login_writes_such_a_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with door(tmp_path, clients=LOGIN) as at:
        line = await at.knock()
        await line.say("EHLO c")
        assert (await line.say(f"AUTH PLAIN {plain('printer', 'wrong')}")).startswith("535")
    (record,) = [one for one in caplog.records if one.getMessage().startswith("login refused")]
    record.message = record.getMessage()
    assert found(TextFormatter().format(record)) == ["127.0.0.1"]
    assert json.loads(JsonFormatter().format(record))["peer"] == "127.0.0.1"
