"""Faults on purpose: chaos as Mailpit has it, rules of our own, and that no real account's client meets one."""

import smtplib
from pathlib import Path
from typing import Any

import pytest

from tests.web.sink.conftest import Api, mail, served

NONE = {"ErrorCode": 451, "Probability": 0}


def refusal(api: Api, *recipients: str, sender: str = "app@example.com") -> tuple[int, bytes]:
    """What a client hears that is refused; (250, ...) when it is not."""
    with api.smtp() as client:
        client.ehlo()
        for code, text in (client.mail(sender), *(client.rcpt(each) for each in recipients or ("b@x.org",))):
            if code != 250:
                return code, text
        return client.data(b"Subject: x\r\n\r\nx\r\n")


def test_chaos_is_off_unless_it_is_wanted(tmp_path: Path) -> None:
    with served(tmp_path, sink="") as api:
        for method in ("GET", "PUT"):
            answer = api.http.request(method, "/api/v1/chaos", json={"Sender": {"Probability": 100, "ErrorCode": 500}})
            assert (answer.status_code, answer.text) == (400, "Chaos is not enabled")
        assert api.http.put("/api/v1/faults", json={"Rules": []}).status_code == 400
        assert refusal(api)[0] == 250


def test_chaos_says_what_mailpit_says(api: Api) -> None:
    assert api.get("/api/v1/chaos") == {"Sender": NONE, "Recipient": NONE, "Authentication": {**NONE, "ErrorCode": 535}}
    applied = api.put("/api/v1/chaos", {"sender": {"errorcode": 421, "probability": 100}}).json()
    assert applied["Sender"] == {"ErrorCode": 421, "Probability": 100}
    assert refusal(api) == (421, b"Chaos sender error")
    api.put("/api/v1/chaos", {"Recipient": {"ErrorCode": 550, "Probability": 100}})
    assert refusal(api) == (550, b"Chaos recipient error")
    api.put("/api/v1/chaos", {"Authentication": {"ErrorCode": 554, "Probability": 100}})
    with api.smtp() as client, pytest.raises(smtplib.SMTPAuthenticationError) as refused:
        client.login("user", "password")
    assert (refused.value.smtp_code, refused.value.smtp_error) == (554, b"Chaos authentication error")
    api.put("/api/v1/chaos", {})
    assert refusal(api)[0] == 250
    assert api.get("/api/v1/info")["RuntimeStats"]["SMTPRejected"] == 4


@pytest.mark.parametrize(
    ("trigger", "error"),
    [
        ({"ErrorCode": 200, "Probability": 1}, "error code must be between 400 and 599"),
        ({"ErrorCode": 450, "Probability": 101}, "probability must be between 0 and 100"),
    ],
)
def test_chaos_that_cannot_be(api: Api, trigger: Any, error: str) -> None:
    assert api.put("/api/v1/chaos", {"Sender": trigger}, 400).text == error
    assert api.get("/api/v1/chaos")["Sender"] == NONE


def test_rules_are_deterministic(api: Api) -> None:
    rules = [
        {"Stage": "rcpt", "Recipient": "@grey.org", "Preset": "greylisted", "Times": 1},
        {"stage": "data", "sender": "denied@x.org", "preset": "exchange-send-as-denied"},
        {"Stage": "mail", "Sender": "gone@x.org", "Disconnect": True},
        {"Stage": "mail", "Sender": "third@x.org", "Code": 451, "Text": "4.0.0 third only", "Skip": 2, "Times": 1},
    ]
    found = api.put("/api/v1/faults", {"Rules": rules}).json()
    assert [rule["Stage"] for rule in found["Rules"]] == ["rcpt", "data", "mail", "mail"]
    assert refusal(api, "a@grey.org") == (450, b"4.2.0 Greylisted, please try again later")
    assert refusal(api, "a@grey.org")[0] == 250
    assert refusal(api, sender="denied@x.org")[0] == 554
    with pytest.raises(smtplib.SMTPServerDisconnected):
        refusal(api, sender="gone@x.org")
    assert [refusal(api, sender="third@x.org")[0] for _ in range(4)] == [250, 250, 451, 250]
    assert [rule["Matched"] for rule in api.get("/api/v1/faults")["Rules"]] == [2, 1, 1, 4]
    assert api.get("/api/v1/messages")["total"] == 4  # the refused ones are not listed
    assert api.delete("/api/v1/faults") == "ok"
    assert refusal(api, sender="gone@x.org")[0] == 250


def test_a_connection_can_be_refused(api: Api) -> None:
    api.put("/api/v1/faults", {"Rules": [{"Preset": "too-many-connections"}]})
    with pytest.raises(smtplib.SMTPConnectError) as refused:
        api.smtp()
    assert refused.value.smtp_code == 421


@pytest.mark.parametrize(
    "rule",
    [
        {"Stage": "never", "Code": 450},
        {"Stage": "rcpt"},
        {"Stage": "rcpt", "Code": 250},
        {"Stage": "rcpt", "Code": 450, "Text": "x\r\n250 OK"},
        {"Stage": "rcpt", "Delay": 3600},
        {"Stage": "rcpt", "Delay": "1"},
        {"Preset": "unknown"},
    ],
)
def test_rules_that_cannot_be(api: Api, rule: Any) -> None:
    assert api.put("/api/v1/faults", {"Rules": [rule]}, 400).text
    assert api.get("/api/v1/faults")["Rules"] == []


def test_clients_of_a_real_account_meet_no_fault(tmp_path: Path) -> None:
    office = """
[accounts.catch]
provider = "sink"
[accounts.office]
provider = "smtp"
host = "192.0.2.1"
mailbox = "app@example.com"
[clients.app]
networks = ["127.0.0.0/8"]
account = "office"
[clients.test]
password = "secret"
account = "catch"
"""
    with served(tmp_path, more=office) as api:
        everything = [{"Stage": stage, "Code": 550} for stage in ("connect", "mail", "rcpt", "data")]
        api.put("/api/v1/faults", {"Rules": everything})
        api.put("/api/v1/chaos", {"Recipient": {"ErrorCode": 550, "Probability": 100}})
        api.send(mail())
