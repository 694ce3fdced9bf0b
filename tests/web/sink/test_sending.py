"""Mail into the sink by HTTP, and caught mail out of it through an account: policy, envelope, bytes."""

import asyncio
import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from relay.database.sqlite import SqliteDatabase
from tests.web.sink.conftest import Api, mail, served

PNG = bytes.fromhex("89504e470d0a1a0a") + b"\0" * 64
FULL = {
    "From": {"Name": "Jörg", "Email": "from@example.com"},
    "To": [{"Name": "To", "Email": "to@example.com"}],
    "Cc": [{"Email": "cc@example.com"}],
    "Bcc": ["bcc@example.com"],
    "ReplyTo": [{"Email": "reply@example.com"}],
    "Subject": "Grüße",
    "Text": "plain",
    "HTML": '<img src="cid:logo">',
    "Headers": {"List-Unsubscribe": "<https://x/u>"},
    "Tags": ["red"],
    "Attachments": [
        {"Content": base64.b64encode(b"hello").decode(), "FileName": "a.txt"},
        {
            "Content": "data:image/png;base64," + base64.b64encode(PNG).decode(),
            "Filename": "l.png",
            "ContentID": "logo",
        },
    ],
}


def test_a_message_of_parts_is_caught_as_if_it_had_come_by_smtp(api: Api) -> None:
    answer = api.http.post("/api/v1/send", json=FULL, auth=("tester", "any")).json()
    assert list(answer) == ["ID"]
    found = api.get(f"/api/v1/message/{answer['ID']}")
    assert (found["Subject"], found["Username"], found["Tags"]) == ("Grüße", "tester", ["red"])
    assert found["From"] == {"Name": "Jörg", "Address": "from@example.com"}
    assert [each["Address"] for key in ("To", "Cc", "Bcc", "ReplyTo") for each in found[key]] == [
        "to@example.com",
        "cc@example.com",
        "bcc@example.com",
        "reply@example.com",
    ]
    (file,), (logo,) = found["Attachments"], found["Inline"]
    assert (file["FileName"], file["ContentType"], file["Size"]) == ("a.txt", "text/plain", 5)
    assert (logo["ContentID"], logo["ContentType"]) == ("logo", "image/png")
    headers = api.get(f"/api/v1/message/{answer['ID']}/headers")
    assert set(headers) - {"X-Tags"} == {
        *("Bcc", "Cc", "Content-Type", "Date", "From", "List-Unsubscribe", "Message-Id", "Mime-Version"),
        *("Reply-To", "Return-Path", "Subject", "To"),
    }


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, "invalid From address: "),
        ({"From": {"Email": "a@x.org"}, "To": [{"Email": "no address"}]}, "invalid To address: no address"),
        ({"From": {"Email": "a@x.org"}, "Bcc": ["x"]}, "invalid Bcc address: x"),
        ({"From": {"Email": "a@x.org"}, "Headers": {"To": "b@x"}}, 'cannot overwrite header: "To"'),
        ({"From": {"Email": "a@x.org"}, "Headers": {"X\r\nY": "b"}}, "invalid header name: X"),
        ({"From": {"Email": "a@x.org"}, "Attachments": [{"Content": "!"}]}, "attachment '' is not base64"),
        ({"From": "a@x.org"}, "From must be an object"),
        ([], "a JSON object is needed"),
    ],
)
def test_what_cannot_be_sent_is_told_as_json(api: Api, body: Any, error: str) -> None:
    found = api.post("/api/v1/send", body, 400).json()
    assert list(found) == ["Error"]
    assert found["Error"].startswith(error), found


def test_no_field_can_be_smuggled_in(api: Api) -> None:
    body = {
        "From": {"Name": "A\r\nX-Evil: 1", "Email": "a@x.org"},
        "Subject": "B\r\nX-Evil: 2",
        "Headers": {"X-Own": "C\r\nX-Evil: 3"},
    }
    identifier = api.post("/api/v1/send", body).json()["ID"]
    assert "X-Evil" not in api.get(f"/api/v1/message/{identifier}/headers")


def test_send_has_a_limit(tmp_path: Path) -> None:
    with served(tmp_path, more="[listeners.small]\nbind = ['127.0.0.1:0']\nmax_message_size = '10KiB'") as api:
        body = {"From": {"Email": "a@x.org"}, "Text": "x" * 40_000_000}
        assert "larger than" in api.post("/api/v1/send", body, 413).json()["Error"]


# --- release

OFFICE = """
[accounts.catch]
provider = "sink"
[accounts.office]
provider = "smtp"
host = "192.0.2.1"
mailbox = "office@contoso.com"
[clients.app]
networks = ["127.0.0.0/8"]
account = "catch"
[clients.real]
password = "secret"
account = "office"
"""


@pytest.fixture
def relaying(tmp_path: Path) -> Iterator[Api]:
    with served(tmp_path, sink='release_to = ["@example.org", "me@x.org"]', more=OFFICE) as found:
        yield found


def queued(folder: Path) -> list[tuple[Any, ...]]:
    async def read() -> list[tuple[Any, ...]]:
        database = SqliteDatabase(folder / "state" / "relay.db", migrate=False)
        rows = await database.read(
            lambda connection: connection.execute(
                "SELECT id, sender, headers, body, (SELECT group_concat(address) FROM recipient WHERE message = seq)"
                " FROM message WHERE account = 'office'"
            ).fetchall()
        )
        await database.close()
        return rows

    return asyncio.run(read())


def test_a_caught_message_is_released_through_the_real_account(relaying: Api, tmp_path: Path) -> None:
    identifier = relaying.send(mail("Invoice", message_id="<old@app>"), "someone@example.org", "hidden@example.net")
    answer = relaying.post(f"/api/v1/message/{identifier}/release", {"To": ["tester@example.org"]})
    assert answer.text == "ok"
    ((queue_id, sender, headers, body, recipients),) = queued(tmp_path)
    assert queue_id == answer.headers["x-queue-id"]
    assert (sender, recipients, body) == ("office@contoso.com", "tester@example.org", b"Hello\r\n")
    assert b"From: The App <office@contoso.com>\r\n" in headers or b'From: "The App" <office@contoso.com>' in headers
    assert b"Reply-To: The App <app@example.com>" in headers
    assert b"hidden" not in headers
    assert b"<old@app>" not in headers
    (note,) = relaying.get(f"/api/v1/message/{identifier}/delivery")["Released"]
    assert (note["Account"], note["To"], note["QueueID"]) == ("office", ["tester@example.org"], queue_id)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"To": ["tester@elsewhere.com"]}, "Failed: Address do not match the allowlist: tester@elsewhere.com"),
        ({"To": ["tester@example.org", "tester@elsewhere.com"]}, "Failed: Address"),
        ({"To": []}, "No valid addresses found"),
        ({}, "No valid addresses found"),
        ({"To": ["no address"]}, "Invalid email address: no address"),
        ({"To": ["a@example.org\r\nX"]}, "Invalid email address"),
        ({"To": ["a@example.org"], "Account": "catch"}, "name the account that it leaves through"),
    ],
)
def test_what_is_not_released(relaying: Api, tmp_path: Path, body: Any, error: str) -> None:
    identifier = relaying.send(mail())
    answer = relaying.post(f"/api/v1/message/{identifier}/release", body, 400)
    assert answer.text.startswith(error)
    assert queued(tmp_path) == []
    assert relaying.post("/api/v1/message/latest/release", body, 404).status_code == 404


def test_nothing_is_released_unless_it_is_allowed(tmp_path: Path) -> None:
    with served(tmp_path, sink="", more=OFFICE) as api:
        identifier = api.send(mail())
        answer = api.post(f"/api/v1/message/{identifier}/release", {"To": ["a@example.org"]}, 400)
        assert "sink.release_to" in answer.text
        assert api.get("/api/v1/webui")["MessageRelay"]["Enabled"] is False


def test_nothing_leaves_without_an_account(tmp_path: Path) -> None:
    with served(tmp_path, sink='release_to = ["*"]') as api:
        identifier = api.send(mail())
        answer = api.post(f"/api/v1/message/{identifier}/release", {"To": ["a@example.org"]}, 400)
        assert "no account" in answer.text


def test_numbers_and_news(api: Api) -> None:
    with api.http.stream("GET", "/api/events") as stream:
        lines = stream.iter_lines()
        assert next(lines) == "retry: 2000"
        identifier = api.send(mail("News"))
        data = next(line for line in lines if line.startswith("data: "))
        told = json.loads(data.removeprefix("data: "))
        assert (told["Type"], told["Data"]["ID"], told["Data"]["Subject"]) == ("new", identifier, "News")
    info = api.get("/api/v1/info")
    assert info["Version"].startswith("v")
    assert (info["Messages"], info["Unread"], info["RuntimeStats"]["SMTPAccepted"]) == (1, 1, 1)
    assert set(info["RuntimeStats"]) == {
        *("Uptime", "Memory", "MessagesDeleted", "SMTPAccepted", "SMTPAcceptedSize", "SMTPRejected", "SMTPIgnored"),
    }
    assert api.get("/api/v1/webui")["ChaosEnabled"] is True


def test_the_date_of_an_answer_is_the_time(api: Api) -> None:
    """pytest-mailpit reads the server's clock from it, to the second."""
    answer = api.http.get("/livez")
    assert len(answer.headers.get_list("date")) == 1
