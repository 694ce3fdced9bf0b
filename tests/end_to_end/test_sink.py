"""The sink as it is started without a configuration: mail in, answers out, a crash in between, export of it all."""

import json
import mailbox
import smtplib
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.support.process import QUIET, RelayProcess, relay, run


def get(process: RelayProcess, path: str) -> Any:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(process.page + path, timeout=20) as answer:
        return json.load(answer)


def send(process: RelayProcess, subject: str, body: str = "From me\r\n") -> None:
    with smtplib.SMTP("127.0.0.1", process.port, timeout=20) as client:
        client.login("anyone", "anything")
        client.sendmail("app@example.com", ["b@x.org"], f"Subject: {subject}\r\n\r\n{body}".encode())


def test_what_250_was_said_to_is_listed_after_kill_9(tmp_path: Path) -> None:
    with relay(tmp_path, "serve", environ=QUIET) as process:
        for number in range(20):
            send(process, f"m{number}", "x" * 70_000 + "\r\n" if number == 5 else "x\r\n")
        process.kill()
    with relay(tmp_path, "serve", environ=QUIET) as process:
        found = get(process, "api/v1/messages?limit=0")
        assert [message["Subject"] for message in found["messages"]] == [f"m{number}" for number in range(19, -1, -1)]
        assert {message["Username"] for message in found["messages"]} == {"anyone"}
        large = next(message for message in found["messages"] if message["Subject"] == "m5")
        assert len(get(process, f"api/v1/message/{large['ID']}")["Text"]) == 70_002
        assert process.stop() == 0


def test_a_stop_does_not_wait_for_who_watches(tmp_path: Path) -> None:
    with relay(tmp_path, "serve", environ=QUIET) as process:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(process.page + "api/events", timeout=20) as stream:
            assert stream.readline() == b"retry: 2000\n"
            assert process.stop() == 0
            assert b"data:" not in stream.read()
    assert "graceful" not in process.output


@pytest.mark.parametrize("form", ["maildir", "mbox", "eml"])
def test_export(tmp_path: Path, form: str) -> None:
    target = tmp_path / "out"
    with relay(tmp_path, "serve", environ=QUIET) as process:
        send(process, "one")
        send(process, "two")
        send(process, "other")
        code, text = run(tmp_path, "sink", "export", "--format", form, "--query", "-subject:other", str(target))
    assert (code, text) == (0, f"2 messages written to {target}\n")
    one = tmp_path / "one"
    told = run(tmp_path, "sink", "export", "--format", form, "--query", "subject:other", str(one))
    assert told == (0, f"1 message written to {one}\n")
    if form == "eml":
        found = sorted(file.read_bytes() for file in target.glob("*.eml"))
        assert all(octets.endswith(b"\r\n\r\nFrom me\r\n") for octets in found)
    else:
        box: Any = mailbox.Maildir(target) if form == "maildir" else mailbox.mbox(target)
        assert sorted(message["Subject"] for message in box) == ["one", "two"]
        box.close()
    again, text = run(tmp_path, "sink", "export", "--format", "mbox", str(target))
    assert again == 1
    assert "exists" in text


def test_export_without_a_sink(tmp_path: Path) -> None:
    code, text = run(tmp_path, "sink", "export", str(tmp_path / "out"))
    assert code == 1
    assert "no database" in text
