"""What people get wrong, and what machines do to us: each has a clear answer, and nothing is lost."""

import contextlib
import json
import os
import re
import signal
import smtplib
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest

from relay.sandbox import Fault
from tests.support import certificates
from tests.support.admin import admin
from tests.support.process import PATIENCE, QUIET, RelayProcess, clean_environ, relay, run
from tests.support.way import connect, message, send, way


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[accounts.office\n", "line 1"),
        ("[acounts.office]\n", "accounts"),
        ('[accounts.office]\nprovider = "microsoft"\nmailbocks = "a@x.org"\n', "mailbox"),
        ("[queue]\nmax_age = 30\n", '"30s"'),
        ('[accounts.office]\nprovider = "microsoft"\n', "tenant"),
    ],
)
def test_a_bad_configuration_names_the_key_and_the_file(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "relay.toml").write_text(text)
    for command in ("check", "serve"):
        code, output = run(tmp_path, command)
        assert code == 1
        assert "relay.toml" in output
        assert told in output
        assert "Traceback" not in output


def test_all_errors_come_at_once(tmp_path: Path) -> None:
    (tmp_path / "relay.toml").write_text('hostnam = "x"\n[queue]\nmax_age = 5\n[web]\nbindd = "x"\n')
    code, output = run(tmp_path, "check")
    assert code == 1
    assert all(key in output for key in ("hostnam", "queue.max_age", "web.bindd"))
    assert "3 errors" in output


def test_a_folder_as_configuration(tmp_path: Path) -> None:
    code, output = run(tmp_path, "check", "--config", str(tmp_path))
    assert (code, "folder" in output or "directory" in output) == (1, True)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    code, output = run(tmp_path, "serve", "--config", "nowhere.toml")
    assert code == 1
    assert "nowhere.toml" in output


def test_a_variable_that_is_no_key(tmp_path: Path) -> None:
    code, output = run(tmp_path, "check", environ={"RELAY_QUEUE__MAX_AGGE": "5d"})
    assert code == 1
    assert "RELAY_QUEUE__MAX_AGGE" in output
    assert "MAX_AGE" in output.upper().replace("MAX_AGGE", "")


def test_nothing_configured_is_a_sink(tmp_path: Path) -> None:
    code, output = run(tmp_path, "check")
    assert code == 0
    assert "sink" in output
    with relay(tmp_path, "serve", environ=QUIET) as process:
        with connect(process) as client:
            client.ehlo()
            client.login("any user", "any password")
            client.sendmail("a@x.org", ["b@x.org"], message("Into the sink").as_bytes())
        taken = process.wait_for("sink")
        assert "Into the sink" in taken["message"]
        assert "any password" not in process.output


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        environ = QUIET | {"RELAY_LISTENERS__DEFAULT__BIND": f"127.0.0.1:{port}"}
        code, output = run(tmp_path, "serve", environ=environ)
    assert code == 1
    assert f"relay: listeners.default.bind: cannot listen on 127.0.0.1:{port}: " in output
    assert "Another program has this port" in output


def test_the_page_s_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, output = run(tmp_path, "serve", environ=QUIET | {"RELAY_WEB__BIND": f"127.0.0.1:{port}"})
    assert code == 1
    assert f"relay: web.bind: cannot listen on 127.0.0.1:{port}: " in output


def test_a_second_relay_on_the_same_state(tmp_path: Path) -> None:
    with relay(tmp_path, "serve", environ=QUIET) as process:
        process.wait_for("started")
        code, output = run(tmp_path, "serve", environ=QUIET)
        assert code == 1
        assert f"another relay (process {process.pid})" in output


def test_a_second_relay_on_the_same_database_with_a_state_of_its_own(tmp_path: Path) -> None:
    database = {"RELAY_QUEUE__DATABASE": f"sqlite:///{tmp_path}/shared.db"}
    with relay(tmp_path, "serve", environ=QUIET | database) as process:
        process.wait_for("started")
        code, output = run(tmp_path, "serve", environ=QUIET | database | {"RELAY_STATE_FOLDER": str(tmp_path / "own")})
        assert code == 1
        assert "another relay" in output


def test_a_log_file_that_cannot_be_written(tmp_path: Path) -> None:
    code, output = run(tmp_path, "serve", environ=QUIET | {"RELAY_LOG__FILE": str(tmp_path / "nowhere" / "relay.log")})
    assert code == 1
    assert "log.file" in output
    assert "Traceback" not in output


def test_octets_that_are_no_utf8_are_logged_all_the_same(tmp_path: Path) -> None:
    log = tmp_path / "relay.log"
    with relay(
        tmp_path, "serve", environ=QUIET | {"RELAY_LOG__FORMAT": "text", "RELAY_LOG__FILE": str(log)}
    ) as process:
        port = _port_of(log)
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"EHLO x\r\nMAIL FROM:<\xff\xfe@x>\r\nQUIT\r\n")
            while client.recv(4096):
                pass
        assert process.stop() == 0
        assert "Logging error" not in process.output
    assert "\\udcff" in log.read_text()
    assert log.stat().st_mode & 0o077 == 0


def _port_of(log: Path) -> int:
    for _ in range(300):
        found = re.search(r"listener default: 127\.0\.0\.1:(\d+)", log.read_text()) if log.exists() else None
        if found:
            return int(found[1])
        time.sleep(0.05)
    raise AssertionError("the relay did not start")


def test_a_key_that_does_not_fit_its_certificate(tmp_path: Path) -> None:
    made, other = certificates.server_files(tmp_path), certificates.server_files(tmp_path, "Other")
    (tmp_path / "relay.toml").write_text(
        f'[listeners.default]\nbind = ["127.0.0.1:0"]\ntls = "implicit"\n'
        f'certificate = "{made.certificate}"\nkey = "{other.key}"\n'
    )
    code, output = run(tmp_path, "serve")
    assert code == 1
    assert "listeners.default" in output
    assert str(other.key) in output


def test_a_state_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    code, output = run(tmp_path, "serve", environ=QUIET | {"RELAY_STATE_FOLDER": str(tmp_path / "file" / "state")})
    assert code == 1
    assert "cannot be used: Not a directory. Set state_folder to" in output
    assert "Traceback" not in output


def test_no_role_of_that_name(tmp_path: Path) -> None:
    code, output = run(tmp_path, "serve", "--only", "listner")
    assert code == 2
    assert "delivery, listener, web" in output


def test_the_sandbox_refuses_beside_a_real_account(tmp_path: Path) -> None:
    with way(tmp_path) as at:
        code, output = run(tmp_path, "serve", "--sandbox", "--config", str(at.config()))
    assert code == 1
    assert "'office'" in output


def test_an_unreachable_token_endpoint_keeps_the_mail(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with way(tmp_path) as at:
        path = at.config()
        text = path.read_text().replace(at.stand_in.sandbox.token_endpoint, f"https://localhost:{port}/token")
        path.write_text(text)
        with relay(tmp_path, "serve", "--config", str(path)) as process:
            send(process, message().as_bytes())
            paused = process.wait_for("paused")
            assert f"localhost port {port}" in paused["reason"]
            assert process.stop() == 0
        with at.relay() as process:
            at.wait_received(1)


def test_an_upstream_certificate_that_nobody_trusts(tmp_path: Path) -> None:
    stranger = certificates.Authority.make(tmp_path)
    with way(tmp_path) as at:
        path = at.config()
        ours = f'ca_file = "{at.stand_in.sandbox.ca_file}"'
        path.write_text(path.read_text().replace(ours, f'ca_file = "{stranger.file}"', 1))
        with relay(tmp_path, "serve", "--config", str(path)) as process:
            send(process, message().as_bytes())
            paused = process.wait_for("paused")
            assert "certificate" in paused["reason"]
            assert "accounts.office.ca_file" in paused["reason"]
            assert at.received == []


def test_an_oversized_message(tmp_path: Path) -> None:
    with way(tmp_path) as at, at.relay(listener='max_message_size = "64KiB"') as process:
        with pytest.raises(smtplib.SMTPSenderRefused, match="65,536 octets allowed here"):
            send(process, b"From: a@x.org\r\n\r\n" + b"x" * 100_000)
        send(process, message("small").as_bytes())
        (taken,) = at.wait_received(1)
        assert taken.subject == "small"


def test_eight_bit_without_8bitmime(tmp_path: Path) -> None:
    """A client that greets with HELO and sends 8-bit text all the same."""
    with way(tmp_path) as at, at.relay() as process:
        with connect(process) as client:
            client.helo()
            client.mail("a@x.org")
            client.rcpt("b@x.org")
            assert client.data("From: a@x.org\r\n\r\nGrüße\r\n".encode())[0] == 250
        (taken,) = at.wait_received(1)
        assert taken.raw.endswith("Grüße\r\n".encode())
        assert "BODY=8BITMIME" in taken.mail_parameters


def test_throttled_and_refused_mail_waits_and_goes_later(tmp_path: Path) -> None:
    with way(tmp_path) as at, at.relay() as process:
        at.stand_in.sandbox.faults.add(
            Fault(kind="reply", at="mail", reply="451 4.7.0 Temporary server error", times=2)
        )
        send(process, message("later").as_bytes())
        process.wait_for("sent")
        assert [each.subject for each in at.received] == ["later"]
        process.wait_for("deferred")


def test_a_sender_that_exchange_denies_fails_with_what_to_do(tmp_path: Path) -> None:
    with way(tmp_path, send_as=()) as at, at.relay() as process:
        send(process, message().as_bytes())
        failed = process.wait_for("failed")
        assert "SendAsDenied" in failed["reply"]
        assert "Add-RecipientPermission" in failed["hint"]
        with admin(process) as browser:
            shown = browser.get("/queue", params={"view": "failed"}).text
        assert "SendAsDenied" in shown
        assert "Add-RecipientPermission" in shown


def test_another_name_for_the_page_is_refused(tmp_path: Path) -> None:
    with relay(tmp_path, "serve", environ=QUIET) as process:
        process.wait_for("started")
        assert httpx2.get(process.page, headers={"Host": "evil.example"}).status_code == 421
        assert httpx2.get(f"{process.page}livez", headers={"Host": "evil.example"}).status_code == 200


@pytest.mark.skipif(os.name != "posix", reason="needs a file size limit of the operating system")
def test_a_full_disk_is_a_4xx_and_mail_is_taken_again_afterwards(tmp_path: Path) -> None:
    """A limit on file sizes stands in for a full disk: writes fail for large bodies, and the session stays in step."""
    path = tmp_path / "relay.toml"
    path.write_text(
        f'state_folder = "{tmp_path}/state"\n[log]\nformat = "json"\nfile = "{tmp_path}/log"\n'
        '[listeners.default]\nbind = ["127.0.0.1:0"]\n[web]\nbind = []\n'
    )
    command = f"ulimit -f 2000; exec {sys.executable} -m relay serve --config {path}"
    process = subprocess.Popen(["bash", "-c", command], env=clean_environ(tmp_path), stderr=subprocess.DEVNULL)
    try:
        port = _port_in(tmp_path / "log")
        with smtplib.SMTP("127.0.0.1", port) as client:
            with pytest.raises(smtplib.SMTPDataError) as refused:
                client.sendmail("a@x.org", ["b@x.org"], b"From: a@x.org\r\n\r\n" + b"x\r\n" * 2_000_000)
            assert refused.value.smtp_code == 452
            deadline = time.monotonic() + PATIENCE
            while True:  # the relay tries for itself, once a second, whether it can write again
                with contextlib.suppress(smtplib.SMTPSenderRefused):
                    assert client.sendmail("a@x.org", ["b@x.org"], message().as_bytes()) == {}
                    break
                assert time.monotonic() < deadline
                time.sleep(0.1)
    finally:
        process.terminate()
        assert process.wait(30) == 0


def _port_in(log: Path) -> int:
    for _ in range(300):
        for line in log.read_text().splitlines() if log.exists() else ():
            entry = json.loads(line)
            if entry["event"] == "listening":
                return int(entry["places"][0].rpartition(":")[2])
        time.sleep(0.05)
    raise AssertionError("the relay did not start")


@pytest.mark.parametrize("place", ["nope", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:٣"])
def test_an_address_for_the_sandbox_that_is_none(tmp_path: Path, place: str) -> None:
    code, output = run(tmp_path, "sandbox", "--http", place)
    assert (code, output) == (1, f"relay: {place!r} is no address: write HOST:PORT, such as 127.0.0.1:1587\n")


def test_a_port_of_the_sandbox_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        code, output = run(tmp_path, "sandbox", "--smtp", place)
    assert code == 1
    assert f"relay: the sandbox cannot start: Address already in use: {place}. Stop what is there" in output


def test_ctrl_c_while_a_token_endpoint_does_not_answer(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, way(tmp_path) as one:
        file = one.config()
        endpoint = f"https://127.0.0.1:{silent.getsockname()[1]}/token"
        file.write_text(re.sub(r'token_endpoint = ".*"', f'token_endpoint = "{endpoint}"', file.read_text()))
        process = RelayProcess(tmp_path, "send-test", "office", "--config", str(file))
        process.wait_for_text("asking .* for a token")
        silent.settimeout(PATIENCE)
        connection, _ = silent.accept()
        with connection:
            process.signal(signal.SIGINT)
            assert process.wait() == 1
        assert process.output.endswith("Aborted!"), process.output


def test_what_the_terminal_has_no_characters_for(tmp_path: Path) -> None:
    with way(tmp_path) as one:
        one.stand_in.sandbox.faults.add(Fault(kind="wrong_secret"))
        environ = {"PYTHONIOENCODING": "cp437"}  # of consoles in the United States, without a dash
        code, text = run(tmp_path, "token", "office", "--config", str(one.config()), environ=environ)
    assert code == 1
    assert "AADSTS7000215" in text
    assert "Traceback" not in text
