"""The stand-in provider: a client gets in with TLS and a token of its own, and in no other way."""

import base64
import json
import smtplib
import ssl
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from benchmarks.control import Facts, Process
from benchmarks.message import RECIPIENT, SENDER, template
from tests.support.sasl import xoauth2

USER = "relay@bench.example"

PATIENCE = 30.0


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[Process]:
    arguments = ["-m", "benchmarks.upstream", "--folder", str(tmp_path)]
    with Process("upstream", arguments, tmp_path / "upstream.log") as process:
        yield process


@pytest.fixture
def facts(upstream: Process) -> Facts:
    return upstream.answer(PATIENCE)


@pytest.fixture
def tls(facts: Facts) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=facts["ca_file"])


@pytest.fixture
def client(facts: Facts) -> Iterator[smtplib.SMTP]:
    with smtplib.SMTP("127.0.0.1", facts["smtp_port"], timeout=PATIENCE) as connected:
        yield connected


def token(facts: Facts, tls: ssl.SSLContext) -> str:
    wanted = {"grant_type": "client_credentials", **{key: facts[key] for key in ("client_id", "client_secret")}}
    url = f"https://127.0.0.1:{facts['token_port']}/token"
    with urllib.request.urlopen(url, urlencode(wanted).encode(), timeout=PATIENCE, context=tls) as answer:
        found: str = json.load(answer)["access_token"]
    return found


@pytest.mark.parametrize("lines", [1, 2])
def test_messages_are_taken_counted_and_told(
    upstream: Process, facts: Facts, tls: ssl.SSLContext, client: smtplib.SMTP, lines: int
) -> None:
    client.starttls(context=tls)
    response = xoauth2(USER, token(facts, tls))
    if lines == 1:
        assert client.docmd("AUTH", f"XOAUTH2 {response}")[0] == 235
    else:
        assert client.docmd("AUTH", "XOAUTH2")[0] == 334
        assert client.docmd(response)[0] == 235
    made = template(5000)
    for number in (0, 1, 1):
        message = made.head(number) + made.wire_body.removesuffix(b".\r\n")
        assert client.sendmail(SENDER, [RECIPIENT], message) == {}
    told = upstream.ask("wait", PATIENCE, messages=2, silence=PATIENCE)
    expected = {"messages": 2, "repeated": 1, "problems": [], "sessions": 1, "token_requests": 1}
    assert {key: told[key] for key in expected} == expected


def test_damage_is_told(upstream: Process, facts: Facts) -> None:
    made = template(5000)
    with smtplib.SMTP("127.0.0.1", facts["plain_port"], timeout=PATIENCE) as client:
        client.sendmail(SENDER, [RECIPIENT], made.head(3) + b"not what the mark says\r\n")
    told = upstream.ask("wait", PATIENCE, messages=5, silence=PATIENCE)
    assert told["problems"] == [f"message 3: a body of {made.size} octets came as 24"]


def test_a_new_tally_begins_at_nothing(upstream: Process, facts: Facts) -> None:
    made = template(5000)
    with smtplib.SMTP("127.0.0.1", facts["plain_port"], timeout=PATIENCE) as client:
        client.sendmail(SENDER, [RECIPIENT], made.head(3) + made.wire_body.removesuffix(b".\r\n"))
    assert upstream.ask("wait", PATIENCE, messages=1, silence=PATIENCE)["messages"] == 1
    upstream.ask("reset", PATIENCE, check_every=1)
    assert upstream.ask("wait", PATIENCE, messages=0, silence=0)["messages"] == 0


def test_a_foreign_token_is_refused(client: smtplib.SMTP, tls: ssl.SSLContext) -> None:
    client.starttls(context=tls)
    code, challenge = client.docmd("AUTH", f"XOAUTH2 {xoauth2(USER, 'made-up')}")
    assert (code, json.loads(base64.b64decode(challenge))["status"]) == (334, "401")
    assert client.docmd("")[0] == 535
    assert client.mail(SENDER)[0] == 530


def test_nothing_goes_without_tls_and_login(client: smtplib.SMTP, tls: ssl.SSLContext) -> None:
    client.ehlo()
    assert not client.has_extn("auth")
    assert client.docmd("AUTH", f"XOAUTH2 {xoauth2(USER, 'any')}")[0] == 504
    assert client.mail(SENDER)[0] == 530
    assert client.docmd("DATA")[0] == 503
    client.starttls(context=tls)
    client.ehlo()
    assert client.has_extn("auth")
    assert client.mail(SENDER)[0] == 530


def test_commands_sent_in_one_go_are_answered_in_one_go(facts: Facts) -> None:
    with smtplib.SMTP("127.0.0.1", facts["plain_port"], timeout=PATIENCE) as client:
        client.ehlo()
        client.send(f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{RECIPIENT}>\r\nDATA\r\n")
        assert [client.getreply()[0] for _ in range(3)] == [250, 250, 354]
        made = template(2048)
        client.send(made.head(0) + made.wire_body + b"RSET\r\n")
        assert [client.getreply()[0] for _ in range(2)] == [250, 250]
