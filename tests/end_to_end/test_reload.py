"""The configuration of a relay that runs is changed, as an administrator does it, while mail goes in and out."""

import re
import signal
import smtplib
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.support.admin import admin
from tests.support.door import QUICK_HASH
from tests.support.process import PATIENCE, RelayProcess, relay
from tests.support.way import message, way

BASE = """\
state_folder = "state"
[log]
format = "json"
[web]
bind = ["127.0.0.1:0"]
[listeners.default]
bind = ["127.0.0.1:0"]
[queue]
retry = ["1s"]
drain_timeout = "60s"
"""
LISTENER = '[listeners.default]\nbind = ["'
SINK = '[accounts.office]\nprovider = "sink"\n'
APP = '[clients.app]\npassword = "{}"\naccount = "office"\nsenders = ["*"]\nreply = "queued"\n'


def write(folder: Path, *parts: str) -> None:
    file = folder / "relay.toml"
    file.write_text(BASE + "\n".join(parts))
    file.chmod(0o600)


@contextmanager
def running(folder: Path, *parts: str) -> Iterator[RelayProcess]:
    write(folder, *parts)
    with relay(folder, "serve") as process:
        process.wait_for("started")
        yield process


def logged_in(port: int, password: str, user: str = "app") -> smtplib.SMTP:
    client = smtplib.SMTP("127.0.0.1", port, timeout=PATIENCE)
    try:
        client.login(user, password)
    except smtplib.SMTPException:
        client.close()
        raise
    return client


def send(client: smtplib.SMTP, subject: str = "Hello") -> None:
    client.sendmail("app@example.com", ["someone@example.org"], message(subject).as_bytes())


def port_of(process: RelayProcess, listener: str, count: int = 1) -> int:
    place: str = process.wait_for("listening", count, listener=listener)["places"][0]
    return int(place.rpartition(":")[2])


def test_sessions_and_messages_go_on_and_new_ones_meet_the_new_rules(tmp_path: Path) -> None:
    other = '[clients.web]\npassword = "web"\naccount = "office"\nsenders = ["*"]\n'
    with running(tmp_path, SINK, APP.format("old"), other) as process:
        with logged_in(process.port, "old") as busy, logged_in(process.port, "web", "web") as idle:
            busy.docmd("MAIL FROM:<app@example.com>")
            busy.docmd("RCPT TO:<someone@example.org>")
            assert busy.docmd("DATA")[0] == 354
            busy.send(b"Subject: In the middle\r\n\r\nfirst half\r\n")
            fails = '[accounts.bin]\nprovider = "fail"\n'
            new = '[clients.new]\npassword = "new"\naccount = "bin"\nsenders = ["*"]\n'
            write(tmp_path, SINK, fails, APP.format("changed"), other, new)
            told = process.hang_up()
            changes = ["clients.app has changed", "clients.new is new", "accounts.bin is new"]
            assert sorted(told["changes"]) == sorted(changes)
            busy.send(b"second half\r\n.\r\n")
            code, reply = busy.getreply()
            assert code == 250
            process.wait_for("sent", id=reply.decode().rpartition(" ")[2])
            # Its password is another one now: the session may not go on, but the message was its own.
            assert busy.getreply()[0] == 421
            assert idle.noop()[0] == 250
            send(idle)
        with pytest.raises(smtplib.SMTPAuthenticationError):
            logged_in(process.port, "old")
        with logged_in(process.port, "changed") as client:
            send(client)
        process.wait_for("sent", 3)
        with logged_in(process.port, "new", "new") as client, pytest.raises(smtplib.SMTPDataError, match="refuses"):
            send(client)  # a new client without `reply`, at an account that refuses
        assert process.stop() == 0


def test_mail_of_a_removed_account_is_held_until_the_account_is_back(tmp_path: Path) -> None:
    box = '[accounts.box]\nprovider = "sink"\n' + APP.format("x").replace('"office"', '"box"')
    used = APP.format("x").replace("clients.app", "clients.user")
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    away = f'[accounts.office]\nprovider = "smtp"\nhost = "127.0.0.1"\nport = {port}\ntls = "off"\n'
    with running(tmp_path, away, used, box) as process:
        with logged_in(process.port, "x", "user") as client:
            send(client, "Waits")
        identifier = process.wait_for("deferred")["id"]
        write(tmp_path, box)
        process.hang_up()
        process.wait_for("held", messages=1)
        with admin(process) as browser:
            (one,) = browser.get("/api/admin/queue", params={"view": "held"}).json()["messages"]
            assert one["id"] == identifier
            assert "its account office is not in the configuration" in one["reason"]
            write(tmp_path, SINK, used, box)
            told = browser.post("/api/admin/reload").json()
            assert "accounts.office is new" in told["changes"]
        process.wait_for("let go", messages=1)
        process.wait_for("sent", id=identifier)


def test_a_broken_file_changes_nothing_and_every_problem_is_told(tmp_path: Path) -> None:
    with running(tmp_path, SINK, APP.format("x")) as process:
        write(tmp_path, SINK, APP.format("y"), 'colour = "red"\n[listeners.more]\nbnid = 3\n')
        process.signal(signal.SIGHUP)
        told = process.wait_for("reload failed")
        assert len(told["problems"]) == 3
        assert {"colour", "bnid", "bind"} <= set(re.findall(r"\w+", " ".join(told["problems"])))
        process.wait_for("configuration error", 3)
        with logged_in(process.port, "x") as client:
            send(client)
        # What has been bound for a new listener is given back when another part cannot be had.
        with socket.create_server(("127.0.0.1", 0)) as taken:
            busy = taken.getsockname()[1]
            more = f'[listeners.a]\nbind = ["127.0.0.1:0"]\n[listeners.b]\nbind = ["127.0.0.1:{busy}"]\n'
            write(tmp_path, SINK, APP.format("y"), more)
            process.signal(signal.SIGHUP)
            told = process.wait_for("reload failed", 2)
            assert f"cannot listen on 127.0.0.1:{busy}" in told["problems"][0]
            with logged_in(process.port, "x") as client:
                send(client)
        # The port is free again: nothing has to be said for that to be noticed.
        process.wait_for("reloaded", why="changed files")
        with logged_in(port_of(process, "b"), "y") as client:
            send(client)
        process.wait_for("sent", 3)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells when the signal can be sent")
def test_a_hang_up_in_the_first_second_ends_nothing_and_is_heard_later(tmp_path: Path) -> None:
    write(tmp_path, SINK, APP.format("x"))
    with relay(tmp_path, "serve", "--config", "relay.toml") as process:
        deadline = time.monotonic() + PATIENCE
        while not keeps_back(process.pid, signal.SIGHUP):
            assert time.monotonic() < deadline, process.output
            time.sleep(0.01)
        process.signal(signal.SIGHUP)
        process.wait_for("started")
        process.wait_for("reloaded", why="SIGHUP")
        assert not keeps_back(process.pid, signal.SIGHUP)


def keeps_back(pid: int, number: signal.Signals) -> bool:
    """Whether the system keeps this signal for a process that is not ready for it."""
    found = re.search(r"^SigBlk:\s*(\w+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return found is not None and bool(int(found[1], 16) & 1 << number - 1)


def test_listeners_come_and_go(tmp_path: Path) -> None:
    more = '[listeners.more]\nbind = ["127.0.0.1:0"]\n'
    with running(tmp_path, SINK, APP.format("x")) as process:
        first = process.port
        with logged_in(first, "x") as stays:
            write(tmp_path, more, SINK, APP.format("x"))
            assert process.hang_up()["changes"] == ["listeners.more is new"]
            second = port_of(process, "more")
            with logged_in(second, "x") as idle, logged_in(second, "x") as busy:
                busy.docmd("MAIL FROM:<app@example.com>")
                busy.docmd("RCPT TO:<someone@example.org>")
                assert busy.docmd("DATA")[0] == 354
                write(tmp_path, SINK, APP.format("x"))
                process.hang_up(2)
                assert idle.getreply()[0] == 421
                with pytest.raises(ConnectionRefusedError):
                    socket.create_connection(("127.0.0.1", second), timeout=PATIENCE).close()
                busy.send(b"Subject: Last\r\n\r\ntext\r\n.\r\n")
                assert busy.getreply()[0] == 250
                assert busy.getreply()[0] == 421
            # The same address in other words, then a wider one: who is connected does not hear of it.
            for count, host in enumerate(("127.0.0.1", "0.0.0.0"), 2):
                written = BASE.replace('[listeners.default]\nbind = ["127.0.0.1:0"]', f'{LISTENER}{host}:{first}"]\n')
                (tmp_path / "relay.toml").write_text(written + SINK + APP.format("x"))
                process.hang_up(count + 1)
                assert port_of(process, "default", count) == first
                assert stays.noop()[0] == 250
                logged_in(first, "x").quit()


def test_what_was_sent_still_counts(tmp_path: Path) -> None:
    paced = SINK + 'rate = ["{} messages/1h"]\n'
    slow = APP.format("x") + 'rate = ["3 messages/1h"]\n'
    with running(tmp_path, paced.format(1), slow) as process:
        with logged_in(process.port, "x") as client:
            send(client, "first")
            send(client, "second")
            process.wait_for("sent", 1)
            write(tmp_path, paced.format(2), slow + 'from_name = "App"\n')
            process.hang_up()
            process.wait_for("sent", 2)
        with logged_in(process.port, "x") as client:
            send(client, "third")
            with pytest.raises(smtplib.SMTPSenderRefused, match="3 messages/1h"):
                send(client, "fourth")
        waiting = process.wait_for("queued", 3)["id"]
        write(tmp_path, paced.format(2), slow)
        process.hang_up(2)
        assert not [each for each in process.events if each.get("event") == "sent" and each["id"] == waiting]
        write(tmp_path, paced.format(3), slow)
        process.hang_up(3)
        process.wait_for("sent", id=waiting)


def test_a_secret_that_is_mended_is_noticed_without_a_signal(tmp_path: Path) -> None:
    with way(tmp_path) as at:
        file = at.config()
        secret = at.stand_in.sandbox.settings.client_secret
        kept = tmp_path / "secret"
        kept.write_text("wrong")
        kept.chmod(0o600)
        file.write_text(file.read_text().replace(f'client_secret = "{secret}"', 'client_secret_file = "secret"'))
        with relay(tmp_path, "serve", "--config", str(file)) as process:
            process.wait_for("started")
            with smtplib.SMTP("127.0.0.1", process.port, timeout=PATIENCE) as client:
                send(client)
            process.wait_for("paused")
            kept.write_text(secret)
            told = process.wait_for("reloaded", why="changed files")
            assert told["changes"] == ["accounts.office has changed"]
            process.wait_for("sent")
            assert len(at.wait_received(1)) == 1
            assert secret not in process.output


def test_a_second_sigterm_stops_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        away = f'[accounts.office]\nprovider = "smtp"\nhost = "127.0.0.1"\nport = {port}\ntls = "off"\n'
        with running(tmp_path, away, APP.format("x")) as process:
            with logged_in(process.port, "x") as client:
                send(client)
            silent.accept()[0].detach()  # somebody who says nothing
            process.signal(signal.SIGTERM)
            process.wait_for("draining")
            process.signal(signal.SIGTERM)
            process.wait_for("stopping at once")
            assert process.wait() == 0
            assert "Traceback" not in process.output
        write(tmp_path, SINK, APP.format("x"))
        with relay(tmp_path, "serve") as process:
            process.wait_for("sent")


def test_the_page_has_a_new_password_and_a_new_name(tmp_path: Path) -> None:
    with running(tmp_path, SINK, APP.format("x")) as process:
        with admin(process) as browser:
            assert browser.get("/api/admin/health").status_code == 200
            text = BASE.replace("[web]", '[web]\nhosts = ["relay.example.com"]\npassword_hash = "{}"\n')
            (tmp_path / "relay.toml").write_text(text.format(QUICK_HASH.hash("pass")) + SINK + APP.format("x"))
            process.hang_up()
            assert browser.get("/api/admin/health").status_code == 401
        with httpx2.Client(base_url=process.page, auth=("", "pass"), timeout=PATIENCE) as browser:
            answer = browser.get("/api/admin/health", headers={"host": "relay.example.com"})
            assert answer.status_code == 200
