"""A legacy app in, OAuth out: the relay as a process, real clients in front, the stand-in Exchange behind."""

import base64
import importlib.resources
import smtplib
import subprocess
from pathlib import Path

import httpx2
import pytest

from relay.sandbox import Fault
from tests.support.admin import admin
from tests.support.mail_programs import needs
from tests.support.process import QUIET, RelayProcess, relay, run
from tests.support.way import Way, added_fields, connect, message, send, way

LOGIN = '[clients.printer]\npassword = "{}"\nsenders = ["*"]\n'


def test_the_sandbox_is_the_first_run(tmp_path: Path) -> None:
    """`relay serve --sandbox` with nothing configured: listening, sending, telling, stopping."""
    with relay(tmp_path, "serve", "--sandbox", environ=QUIET) as process:
        process.wait_for("started")
        send(process, b"Subject: My first message\r\n\r\nHello\r\n", sender="whoever@anywhere.example")
        sent = process.wait_for("sent")
        assert "250 2.0.0 OK <" in sent["reply"]
        assert "stand-in Exchange" in httpx2.get(process.page).text
        with admin(process) as browser:
            assert "My first message" in browser.get("/").text
        assert httpx2.get(f"{process.page}livez").json() == {"status": "alive"}
        assert httpx2.get(f"{process.page}readyz").json()["status"] == "ready"
        assert process.stop() == 0
    assert (tmp_path / "state" / "sandbox" / "relay.db").exists()
    assert "sandbox-secret" not in process.output


def test_a_message_is_the_apps_octet_for_octet(tmp_path: Path) -> None:
    content = (
        b"FROM :  app@example.com\r\nto: someone@example.org\r\nSubject:   kept  \r\n\tas it is \r\nX-Odd:\r\n"
        b"Date: whenever\r\nMessage-ID: <1@app>\r\n\r\n..two dots\r\n.\x00"[:-1]
        + b"one\r\n\r\ntrailing space \r\n\xff\xfe 8-bit\r\n"
    )
    with way(tmp_path) as at, at.relay() as process:
        send(process, content, "a@x.org", "b@x.org")
        (taken,) = at.wait_received(1)
        assert added_fields(taken.raw, content) == ["Received"]
        assert (taken.sender, taken.recipients) == ("app@example.com", ("a@x.org", "b@x.org"))
        assert "BODY=8BITMIME" in taken.mail_parameters


def test_what_is_missing_is_added_and_bcc_never_leaves(tmp_path: Path) -> None:
    with way(tmp_path) as at, at.relay() as process:
        send(
            process, b"To: a@x.org\r\nBcc: secret@x.org\r\n\tfolded@x.org\r\nSubject: x\r\n\r\ntext\r\n", "secret@x.org"
        )
        (taken,) = at.wait_received(1)
        rest = b"To: a@x.org\r\nSubject: x\r\n\r\ntext\r\n"
        assert added_fields(taken.raw, rest) == ["Received", "Message-ID", "Date", "From"]
        assert taken.recipients == ("secret@x.org",)


@pytest.mark.parametrize(
    "name",
    sorted(
        path.name
        for path in importlib.resources.files("test.test_email").joinpath("data").iterdir()
        if path.name.endswith(".txt")
    ),
)
def test_real_messages_pass_unchanged(shared_way: tuple[Way, RelayProcess], name: str) -> None:
    """CPython's own collection of difficult mail."""
    at, process = shared_way
    data = importlib.resources.files("test.test_email").joinpath("data", name).read_bytes()
    content = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    content += b"" if content.endswith(b"\r\n") else b"\r\n"
    send(process, content, f"{name}@x.org")
    ended = process.wait_for_any(("sent", "failed"), recipients=f"<{name}@x.org>")
    if ended["event"] == "failed":
        # Exchange itself refuses these: their From is no address.
        assert "5.7.512" in ended["reply"]
        assert name in ("msg_05.txt", "msg_43.txt")
        return
    (taken,) = [each for each in at.received if each.recipients == (f"{name}@x.org",)]
    if content.startswith(b"From "):
        content = content.partition(b"\r\n")[2]
    if b"\r\n\r\n" not in content:
        content += b"\r\n"
    assert taken.raw.endswith(content.partition(b"\r\n\r\n")[2])
    if b"\nbcc:" not in content.lower() and b"return-path:" not in content.lower():
        added_fields(taken.raw, content)


@pytest.fixture(scope="module")
def shared_way(tmp_path_factory: pytest.TempPathFactory) -> "object":
    with way(tmp_path_factory.mktemp("way")) as at, at.relay() as process:
        yield at, process


@pytest.mark.parametrize("password", ["plain", "quo\"te'", "<>&%$", "pässwörd ß €", " leading and trailing ", "a:b\\c"])
def test_any_password_works(tmp_path: Path, password: str) -> None:
    written = password.replace("\\", "\\\\").replace('"', '\\"')
    with way(tmp_path) as at, at.relay(clients=LOGIN.format(written)) as process:
        for mechanism in ("PLAIN", "LOGIN"):
            with connect(process) as client:
                client.ehlo()
                code, _ = auth(client, mechanism, "printer", password)
                assert code == 235
                client.sendmail("a@x.org", ["b@x.org"], message().as_bytes())
        at.wait_received(2)


def auth(client: smtplib.SMTP, mechanism: str, user: str, password: str) -> tuple[int, bytes]:
    """AUTH as devices do it, in UTF-8 (smtplib's own takes ASCII only)."""

    def encoded(text: str) -> str:
        return base64.b64encode(text.encode()).decode()

    if mechanism == "PLAIN":
        return client.docmd("AUTH plain", encoded(f"\0{user}\0{password}"))
    assert client.docmd("auth login") == (334, b"VXNlcm5hbWU6")
    assert client.docmd(encoded(user)) == (334, b"UGFzc3dvcmQ6")
    return client.docmd(encoded(password))


def test_without_the_login_nothing_goes(tmp_path: Path) -> None:
    with way(tmp_path) as at, at.relay(clients=LOGIN.format("right")) as process:
        with connect(process) as client:
            client.ehlo()
            assert client.docmd("MAIL FROM:<a@x.org>")[0] == 530
            assert auth(client, "PLAIN", "printer", "wrong")[0] == 535
            assert client.docmd("MAIL FROM:<a@x.org>")[0] == 530
            assert auth(client, "PLAIN", "printer", "right")[0] == 235
            assert client.docmd("MAIL FROM:<a@x.org>")[0] == 250
        assert process.wait_for("login refused")["login"] == "printer"
        assert at.received == []
        assert "right" not in process.output


def test_curl(tmp_path: Path) -> None:
    (tmp_path / "mail.eml").write_bytes(message("Grüße").as_bytes())
    with way(tmp_path) as at, at.relay(clients=LOGIN.format("p%s$")) as process:
        subprocess.run(
            [needs("curl"), "--silent", "--show-error", "--fail", "--url", f"smtp://127.0.0.1:{process.port}"]
            + ["--user", "printer:p%s$", "--mail-from", "a@x.org", "--mail-rcpt", "b@x.org"]
            + ["--upload-file", "mail.eml"],
            cwd=tmp_path,
            check=True,
            timeout=30,
        )
        (taken,) = at.wait_received(1)
        added_fields(taken.raw, (tmp_path / "mail.eml").read_bytes())
        assert taken.subject == "Grüße"


def test_swaks(tmp_path: Path) -> None:
    with way(tmp_path) as at, at.relay(clients=LOGIN.format("secret")) as process:
        done = subprocess.run(
            [needs("swaks"), "--server", "127.0.0.1", "--port", str(process.port), "--from", "a@x.org"]
            + ["--to", "b@x.org,c@x.org", "--auth", "LOGIN", "--auth-user", "printer", "--auth-password", "secret"]
            + ["--attach", f"@{needs('swaks')}", "--header", "Subject: swaks"],
            check=False,
            timeout=30,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout
        (taken,) = at.wait_received(1)
        assert taken.recipients == ("b@x.org", "c@x.org")
        assert b"\r\nSubject: swaks\r\n" in taken.raw
        assert len(taken.raw) > 100_000


def test_a_large_message(tmp_path: Path) -> None:
    text = "".join(f"{number:08d} {'x' * 60}\n" for number in range(75_000))
    content = message(text=text).as_bytes()
    assert len(content) > 5_000_000
    with way(tmp_path) as at, at.relay() as process:
        send(process, content)
        (taken,) = at.wait_received(1)
        added_fields(taken.raw, content)
        process.wait_for("sent")
        assert list((tmp_path / "state" / "bodies").iterdir()) == []


def test_a_thousand_recipients_are_all_served(tmp_path: Path) -> None:
    people = [f"user{number}@x.org" for number in range(1000)]
    with way(tmp_path, recipients=None) as at, at.relay() as process:
        send(process, message().as_bytes(), *people)
        taken = at.wait_received(2)
        assert [len(one.recipients) for one in taken] == [500, 500], "Exchange takes 500 at a time"
        assert [address for one in taken for address in one.recipients] == people
        process.wait_for("sent", 2)


def test_graph(tmp_path: Path) -> None:
    with way(tmp_path) as at, at.relay(via="graph") as process:
        send(process, message().as_bytes(), "someone@example.org", "hidden@example.org")
        (taken,) = at.wait_received(1)
        assert taken.way == "graph"
        assert sorted(taken.recipients) == ["hidden@example.org", "someone@example.org"]
        process.wait_for("sent")


def test_a_wrong_secret_keeps_the_mail_and_says_what_to_do(tmp_path: Path) -> None:
    with way(tmp_path) as at, at.relay() as process:
        at.stand_in.sandbox.faults.add(Fault(kind="expired_secret", times=1))
        send(process, message().as_bytes())
        paused = process.wait_for("paused")
        assert "AADSTS7000222" in paused["reason"]
        assert "Certificates & secrets" in paused["reason"]
        assert httpx2.get(f"{process.page}readyz").status_code == 503
        assert at.received == []
        with admin(process) as browser:
            assert "AADSTS7000222" in browser.get("/").text


def test_send_test_goes_the_whole_way(tmp_path: Path) -> None:
    with way(tmp_path) as at:
        code, output = run(tmp_path, "send-test", "office", "--config", str(at.config()), "--to", "admin@x.org")
        assert code == 0, output
        (taken,) = at.wait_received(1)
        assert taken.recipients == ("admin@x.org",)
        assert "got a token" in output
        assert "SMTP.SendAsApp" in output
        assert "> MAIL FROM:" in output
        assert "sent: 250 2.0.0 OK" in output
        at.stand_in.sandbox.faults.add(Fault(kind="smtp_auth_disabled_mailbox"))
        code, output = run(tmp_path, "send-test", "office", "--config", str(at.config()))
        assert code == 1
        assert "Set-CASMailbox" in output


def test_a_token_is_asked_for_once_for_the_relay_its_successor_and_the_commands(tmp_path: Path) -> None:
    with way(tmp_path) as at:
        for _ in range(2):
            with at.relay() as process:
                send(process, message().as_bytes())
                process.wait_for("sent")
                code, output = run(tmp_path, "send-test", "office", "--config", str(at.folder / "relay.toml"))
                assert code == 0, output
                assert process.stop() == 0
        assert len(at.received) == 4
        assert at.stand_in.sandbox.entra.requests == 1
        for path in (tmp_path / "state").rglob("relay.db*"):
            assert b"eyJ" not in path.read_bytes(), "sealed"
