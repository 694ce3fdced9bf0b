"""`authenticate = "upstream"`: users log in with the passwords of their own mailboxes, and the relay keeps none."""

import base64
import smtplib
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.sandbox import Fault
from tests.support.process import RelayProcess, relay, run
from tests.support.way import Way, connect, message, way

ANN, BOB, EVE = (f"{name}@sandbox.onmicrosoft.com" for name in ("ann", "bob", "eve"))
BUSY = Fault(kind="reply", at="rcpt", reply="451 4.3.0 later", times=None)
PASSWORDS = {ANN: "Anns-pässword-1", BOB: "bobs+password&2", EVE: "eves-password-3"}


def config(one: Way, client: str = "", way_out: str = "smtp") -> Path:
    """The sandbox's account as one of whoever sends, and its users."""
    settings = one.stand_in.sandbox.settings
    path = one.config(clients=f'[clients.people]\nauthenticate = "upstream"\n{client}\n', via=way_out)
    text = path.read_text().replace(f'mailbox = "{settings.mailbox}"', 'mailbox = "sender"')
    path.write_text(text.replace(f'client_secret = "{settings.client_secret}"', 'grant = "password"'))
    return path


@pytest.fixture
def people(tmp_path: Path) -> Iterator[Way]:
    changes = {"more_mailboxes": (ANN, BOB, EVE), "mailbox_passwords": PASSWORDS, "second_factor": (EVE,)}
    with way(tmp_path, send_as=(), **changes) as one:
        yield one


def auth(client: smtplib.SMTP, user: str, password: str = "") -> tuple[int, bytes]:
    """AUTH PLAIN in UTF-8 (smtplib's own takes ASCII only)."""
    client.ehlo()
    both = f"\0{user}\0{password or PASSWORDS[user.lower()]}"
    return client.docmd("AUTH PLAIN", base64.b64encode(both.encode()).decode())


def mail(user: str, subject: str = "Hello") -> bytes:
    made = message(subject)
    made.replace_header("From", user)
    return made.as_bytes()


def sent(process: RelayProcess, user: str, subject: str = "Hello") -> None:
    with connect(process) as client:
        assert auth(client, user)[0] == 235
        client.sendmail(user, ["someone@example.org"], mail(user, subject))


def requests(one: Way) -> int:
    return one.stand_in.sandbox.entra.requests


@pytest.mark.parametrize("way_out", ["smtp", "graph"])
def test_each_user_sends_through_his_own_mailbox(people: Way, tmp_path: Path, way_out: str) -> None:
    with relay(tmp_path, "serve", "--config", str(config(people, way_out=way_out))) as process:
        process.wait_for("started")
        for user in (ANN.upper(), BOB, ANN):
            sent(process, user)
        people.wait_received(3)
        assert sorted(each.mailbox for each in people.received) == [ANN, ANN, BOB]
        assert requests(people) == 2, "one exchange for each user, whose token is then used"
        with connect(process) as client:
            assert auth(client, BOB)[0] == 235
            code, text = client.docmd(f"MAIL FROM:<{ANN}>")
            assert (code, b"clients.people.senders" in text) == (550, True), "nobody else's sender"
        assert process.stop() == 0
    for password in PASSWORDS.values():
        assert password not in process.output
        kept = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
        assert not [path for path in kept if password.encode() in path.read_bytes()]


def test_the_sign_in_outlives_the_relay(people: Way, tmp_path: Path) -> None:
    path = config(people)
    with relay(tmp_path, "serve", "--config", str(path)) as process:
        process.wait_for("started")
        people.stand_in.sandbox.faults.add(BUSY)
        sent(process, ANN, "waits")
        process.wait_for("deferred")
        process.kill()
    people.stand_in.sandbox.faults.clear()
    with relay(tmp_path, "serve", "--config", str(path)) as process:
        process.wait_for("started")
        (taken,) = people.wait_received(1)
        assert (taken.mailbox, taken.subject) == (ANN, "waits")
    code, text = run(tmp_path, "send-test", "office", "--config", str(path), "--from", ANN)
    assert code == 0, text
    code, text = run(tmp_path, "send-test", "office", "--config", str(path), "--from", BOB)
    assert code == 1
    assert f"nobody has signed in as {BOB} yet" in text


def test_wrong_passwords_are_asked_about_once(people: Way, tmp_path: Path) -> None:
    with relay(tmp_path, "serve", "--config", str(config(people))) as process:
        process.wait_for("started")
        with connect(process) as client:
            for _ in range(2):
                assert auth(client, ANN, "wrong") == (535, b"5.7.8 Authentication credentials invalid")
            assert client.docmd("MAIL FROM:<>")[0] == 530
            assert requests(people) == 1
        with connect(process) as client:
            assert auth(client, "nobody@example.com", "x")[0] == 535
            assert auth(client, "printer", "x")[0] == 535
        assert requests(people) == 2, "what is no mailbox is shown to nobody"
        assert "AADSTS50126" in process.wait_for("login refused", login=ANN)["reason"]
        sent(process, ANN)
        people.wait_received(1)


def test_a_second_factor_is_told_to_the_user(people: Way, tmp_path: Path) -> None:
    with relay(tmp_path, "serve", "--config", str(config(people))) as process:
        process.wait_for("started")
        with connect(process) as client:
            code, text = auth(client, EVE)
        assert code == 535
        assert text.startswith(b"5.7.8 AADSTS50076: The user has a second factor")
        assert "AADSTS50076" in process.wait_for("login refused", login=EVE)["reason"]


def test_trouble_with_the_endpoint_is_nobodys_wrong_password(people: Way, tmp_path: Path) -> None:
    with relay(tmp_path, "serve", "--config", str(config(people))) as process:
        process.wait_for("started")
        people.stand_in.sandbox.faults.add(Fault(kind="unavailable"))
        for user in (ANN, BOB, ANN):
            with connect(process) as client:
                assert auth(client, user)[0] == 454
                assert client.docmd("QUIT")[0] == 221
        assert requests(people) == 1, "for 30 seconds it is left alone, for all users together"
        assert process.wait_for("login unchecked", login=ANN)


def test_mail_of_one_waits_for_his_new_login_and_holds_up_nobody(people: Way, tmp_path: Path) -> None:
    with relay(tmp_path, "serve", "--config", str(config(people))) as process:
        process.wait_for("started")
        people.stand_in.sandbox.faults.add(BUSY)
        sent(process, ANN, "waits")
        process.wait_for("deferred")
        assert process.stop() == 0
    people.stand_in.sandbox.faults.clear()
    people.stand_in.sandbox.entra.sign_ins.revoke(ANN)
    with relay(tmp_path, "serve", "--config", str(config(people))) as process:
        process.wait_for("started")
        assert "next login" in process.wait_for("consent needed", mailbox=ANN)["message"]
        sent(process, BOB)
        assert people.wait_received(1)[0].mailbox == BOB
        sent(process, ANN, "after the login")
        assert {each.subject for each in people.wait_received(3)[1:]} == {"waits", "after the login"}
        paused = [each["identity"] for each in process.events if each["event"] == "paused"]
        assert paused, "his own mailbox"
        assert all(each.endswith(ANN) for each in paused)
