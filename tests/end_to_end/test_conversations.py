"""`log.conversations` with an account: what is said at the other end is in the log, and no secret is."""

import base64
import json
import re
from pathlib import Path

import pytest

from tests.support.process import RelayProcess, relay
from tests.support.way import Way, message, send, way


def said(process: RelayProcess) -> list[str]:
    """The lines of the account's conversation, without the id of the message."""
    lines = [one for one in process.events if one["event"] == "conversation"]
    assert all(one["account"] == "office" and one["message"].startswith(f"office ({one['id']}) ") for one in lines)
    return [one["line"] for one in lines]


def secrets(way: Way) -> list[str]:
    """What may not be in a log: the client's secret, and how every token and every login begins."""
    (secret,) = re.findall(r'client_secret = "([^"]+)"', way.stand_in.config())
    return [secret, "eyJ", base64.b64encode(b"user=").decode()[:6], "Bearer ey"]


@pytest.mark.parametrize(
    ("via", "expected"),
    [
        (
            "smtp",
            [
                r"\(connecting to localhost port \d+\)",
                r"S: 220 .*",
                r"C: STARTTLS",
                r"C: AUTH XOAUTH2(?: \*\*\*)?",
                r"S: 235 .*",
                r"C: MAIL FROM:<[^>]+> SIZE=\d+.*",
                r"C: RCPT TO:<someone@example\.org>",
                r"C: DATA",
                r"C: \([\d,]+ octets\)",
                r"S: 250 2\.0\.0 .*",
            ],
        ),
        (
            "graph",
            [
                r"C: POST https://\S+/v1\.0/users/\S+/sendMail \(client-request-id [0-9a-f-]{36}, [\d,]+ octets\)",
                r"S: 202 \(request-id \S+\)",
            ],
        ),
    ],
)
def test_what_an_account_says_and_hears(tmp_path: Path, via: str, expected: list[str]) -> None:
    with way(tmp_path) as one:
        path = one.config(via=via)
        text = path.read_text().replace('format = "json"', 'format = "json"\nconversations = ["office"]')
        path.write_text(text)
        with relay(tmp_path, "serve", "--config", str(path)) as process:
            process.wait_for("started")
            send(process, message().as_bytes())
            process.wait_for("sent")
            lines = said(process)
            rest = iter(lines)
            for pattern in expected:
                assert any(re.fullmatch(pattern, line) for line in rest), (pattern, lines)
            for secret in secrets(one):
                assert secret not in process.output


def test_without_the_key_nothing_is_written(tmp_path: Path) -> None:
    with way(tmp_path) as one, one.relay() as process:
        send(process, message().as_bytes())
        process.wait_for("sent")
        assert said(process) == []


def test_a_refused_login_is_there_without_its_token(tmp_path: Path) -> None:
    with way(tmp_path) as one:
        path = one.config()
        text = path.read_text().replace('format = "json"', 'format = "json"\nconversations = ["office"]')
        path.write_text(text.replace('mailbox = "', 'username = "nobody@example.com"\nmailbox = "', 1))
        with relay(tmp_path, "serve", "--config", str(path)) as process:
            process.wait_for("started")
            send(process, message().as_bytes())
            process.wait_for("deferred")
            lines = said(process)
            assert any(line.startswith("S: 535") for line in lines), json.dumps(lines)
            for secret in secrets(one):
                assert secret not in process.output
