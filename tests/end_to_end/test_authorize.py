"""`relay authorize` as it is typed, and the relay that sends with what it kept."""

import signal
from pathlib import Path

import pytest

from relay.sandbox import Fault
from tests.support import stored
from tests.support.consent import Browser
from tests.support.process import RelayProcess, relay, run
from tests.support.way import Way, message, send, way


def config(one: Way, *removed: str, via: str = "smtp") -> Path:
    """The account without a secret: a user signs in with a device code. Lines beginning with `removed` are left out."""
    path = one.config(via=via)
    secret = f'client_secret = "{one.stand_in.sandbox.settings.client_secret}"'
    text = path.read_text().replace(secret, 'grant = "device_code"')
    path.write_text("".join(line for line in text.splitlines(keepends=True) if not line.startswith(removed or "\0")))
    return path


def by_link(one: Way) -> RelayProcess:
    """`relay authorize --no-browser` in a terminal, for a sign-in in a browser."""
    path = config(one)
    path.write_text(path.read_text().replace("device_code", "authorization_code"))
    arguments = ("authorize", "office", "--no-browser", "--config", str(path))
    return RelayProcess(one.folder, *arguments, typing=True)


def authorize(one: Way, *options: str, answer: str = "accept", path: Path | None = None) -> RelayProcess:
    """`relay authorize`, with a user who types the code and answers."""
    process = RelayProcess(one.folder, "authorize", "office", *options, "--config", str(path or config(one)))
    found = process.wait_for_text(r"open (\S+) in a browser .* the code (\w+)")
    browser = Browser(one.stand_in.sandbox, answer=answer)
    browser.type_code(found[1], found[2])
    browser.close()
    return process


def test_mail_waits_for_a_sign_in_and_then_goes(tmp_path: Path) -> None:
    with way(tmp_path, device_code_interval=1) as one:
        mailbox = one.stand_in.sandbox.settings.mailbox
        first = authorize(one)
        assert first.wait() == 0, first.output
        assert f"MAIL FROM:<{mailbox}>: accepted, and taken back: nothing was sent" in first.output
        assert one.received == []
        with relay(tmp_path, "serve", "--config", str(config(one))) as process:
            process.wait_for("started")
            send(process, bytes(message()))
            one.wait_received(1)
            one.stand_in.sandbox.entra.sign_ins.revoke(mailbox)
            assert process.stop() == 0
        stored.forget_tokens(tmp_path / "state")  # their time is over
        with relay(tmp_path, "serve", "--config", str(config(one))) as process:
            process.wait_for("started")
            send(process, bytes(message("waits")))
            assert "relay authorize office" in process.wait_for("consent needed", account="office")["message"]
            assert process.wait_for("paused")
            again = authorize(one)
            assert again.wait() == 0, again.output
            assert "signed in: " + mailbox in again.output, "beside the relay that serves"
            assert one.wait_received(2)[1].subject == "waits"
            assert process.stop() == 0
            assert "refresh" not in process.output


def test_what_is_typed_at_a_link(tmp_path: Path) -> None:
    other = "other@sandbox.onmicrosoft.com"
    with way(tmp_path, more_mailboxes=(other,)) as one:
        process = by_link(one)
        browser = Browser(one.stand_in.sandbox, other)
        address = browser.consent(process.wait_for_text(r"https://\S+/authorize\?\S+")[0])
        browser.close()
        process.type("http://localhost/?code=of-another&state=sign-in")
        process.wait_for_text("that is not the answer to this sign-in")
        process.type(f" {address} ")
        process.wait_for_text(f"signed in: {other}")
        process.type("n")
        assert process.wait() == 1
        assert "and other@sandbox.onmicrosoft.com has signed in" in process.output
        assert "nothing was kept. Sign in as noreply@sandbox.onmicrosoft.com" in process.output


def test_ctrl_c_ends_it_while_an_address_is_awaited(tmp_path: Path) -> None:
    with way(tmp_path) as one:
        process = by_link(one)
        process.wait_for_text(r"copy that address")
        process.signal(signal.SIGINT)
        assert process.wait() == 130
        assert "Traceback" not in process.output


def test_nobody_sits_at_the_terminal(tmp_path: Path) -> None:
    with way(tmp_path) as one:
        process = by_link(one)
        assert process._process.stdin is not None
        process._process.stdin.close()
        assert process.wait() == 1
        assert "standard input has ended. Run the command in a terminal" in process.output


def test_who_declines_hears_so(tmp_path: Path) -> None:
    with way(tmp_path, device_code_interval=1) as one:
        process = authorize(one, answer="cancel")
        assert process.wait() == 1
        assert "declined" in process.output
        code, text = run(tmp_path, "send-test", "office", "--config", str(config(one)))
        assert code == 1
        assert "Sign in: relay authorize office" in text


def test_an_account_that_needs_none(tmp_path: Path) -> None:
    with way(tmp_path) as one:
        code, text = run(tmp_path, "authorize", "office", "--config", str(one.config()))
        assert code == 1
        assert "needs no sign-in" in text
        code, text = run(tmp_path, "authorize", "other", "--config", str(one.config()))
        assert code == 1
        assert "there is no account 'other'" in text


@pytest.mark.parametrize("via", ["smtp", "graph"])
def test_without_a_mailbox_mail_is_sent_as_who_has_signed_in(tmp_path: Path, via: str) -> None:
    with way(tmp_path, device_code_interval=1) as one:
        mailbox = one.stand_in.sandbox.settings.mailbox
        path = config(one, "mailbox", via=via)
        process = authorize(one, path=path)
        assert process.wait() == 0, process.output
        assert f"signed in: {mailbox}" in process.output
        with relay(tmp_path, "serve", "--config", str(path)) as serving:
            serving.wait_for("started")
            send(serving, bytes(message()), sender=mailbox)
            assert one.wait_received(1)[0].mailbox == mailbox


def test_the_end_says_when_mail_cannot_be_sent(tmp_path: Path) -> None:
    with way(tmp_path, device_code_interval=1) as one:
        one.stand_in.sandbox.faults.add(Fault(kind="smtp_auth_disabled_mailbox", times=None))
        process = authorize(one)
        assert process.wait() == 1
        assert "the sign-in of office is kept, but mail cannot be sent with it yet" in process.output
        assert "Set-CASMailbox" in process.output
        one.stand_in.sandbox.faults.clear()
        code, text = run(tmp_path, "send-test", "office", "--config", str(config(one)))
        assert code == 0, text


def test_one_message_at_the_end_if_it_is_wished(tmp_path: Path) -> None:
    with way(tmp_path, device_code_interval=1) as one:
        process = authorize(one, "--send-test")
        assert process.wait() == 0, process.output
        assert "sent: 250 2.0.0 OK" in process.output
        assert one.received[0].recipients == (one.stand_in.sandbox.settings.mailbox,)
