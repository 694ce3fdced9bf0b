"""Mail by HTTPS, the relay as a process: large scans by Graph, and Graph where SMTP AUTH is switched off."""

import contextlib
import email.policy
from pathlib import Path

import pytest

from relay.sandbox import Fault, ServiceAccount
from tests.support.keys import public_pem, rsa_key, service_account
from tests.support.large import content_of, scan_to_mail
from tests.support.process import RelayProcess, run
from tests.support.way import Way, message, send, way


def test_a_scan_of_ten_megabytes_goes_by_graph(tmp_path: Path) -> None:
    made = scan_to_mail(7_000_000, 500_000, inline=20_000)
    with way(tmp_path) as at, at.relay(via="graph") as process:
        at.stand_in.sandbox.faults.add(Fault(kind="disconnect", at="graph_upload", times=1, after=1))
        send(process, made.as_bytes(), "ann@example.com", "hidden@example.com")
        (taken,) = at.wait_received(1)
        assert "accepted by Microsoft Graph (request-id " in process.wait_for("sent")["reply"]
    assert set(taken.recipients) == {"ann@example.com", "hidden@example.com"}
    before, after = content_of(made.as_bytes()), content_of(taken.raw)
    assert {name: one[1] for name, one in after.items()} == {name: one[1] for name, one in before.items()}


def test_smtp_auth_is_switched_off_and_the_mail_goes_by_graph(tmp_path: Path) -> None:
    with way(tmp_path) as at, at.relay(via="both") as process:
        send(process, message("First").as_bytes())
        at.wait_received(1)
        at.stand_in.sandbox.faults.add(Fault(kind="smtp_auth_disabled_tenant"))
        # Whoever has a connection keeps it until it is refused: two at most.
        at.stand_in.sandbox.faults.add(Fault(kind="service_closing", at="mail", times=2))
        for number in range(4):
            send(process, message(f"Then {number}").as_bytes())
        taken = at.wait_received(5)
    assert [one.way for one in taken] == ["smtp"] + ["graph"] * 4
    assert "by graph; smtp: 535 5.7.139" in process.output


def test_who_is_shown_and_not_addressed_gets_no_mail(tmp_path: Path) -> None:
    with way(tmp_path) as at, at.relay(via="graph") as process:
        content = message().as_bytes().replace(b"To: someone@example.org", b"To: someone@example.org, all@example.org")
        send(process, content, "someone@example.org", "hidden@example.org")
        (taken,) = at.wait_received(1)
    assert set(taken.recipients) == {"someone@example.org", "hidden@example.org"}
    assert b"X-Addressed-To: someone@example.org, all@example.org" in taken.raw


def test_send_test_shows_the_token_of_each_way(tmp_path: Path) -> None:
    with way(tmp_path) as at:
        code, said = run(tmp_path, "send-test", "office", "--config", str(at.config(via="both")))
    assert code == 0, said
    assert "aud: https://outlook.office365.com" in said
    assert "aud: https://graph.microsoft.com" in said
    assert "(microsoft, by smtp or graph)" in said


def test_the_doctor_looks_at_each_way(tmp_path: Path) -> None:
    with way(tmp_path) as at:
        _, said = run(tmp_path, "doctor", "office", "--config", str(at.config(via="both")))
    assert "graph" in said
    assert "https://outlook.office365.com" in said
    assert "https://graph.microsoft.com" in said
    assert said.index("https://outlook.office365.com") < said.index("https://graph.microsoft.com")


STAGING = (
    '[clients.app]\nnetworks = ["127.0.0.0/8", "::1/128"]\nsender = "force"\nfrom_name = "Büro, 2"\n'
    'redirect_to = "stage@example.com"\n'
)


ROBOT = "robot@project.iam.gserviceaccount.com"


def staging(at: Way, via: str) -> contextlib.AbstractContextManager[RelayProcess]:
    """The relay for `STAGING`; there is no configuration for Gmail but this."""
    if via != "gmail":
        return at.relay(via=via, clients=STAGING)
    key = at.folder / "key.json"
    key.write_text(service_account(rsa_key(), client_email=ROBOT, private_key_id="key"))
    key.chmod(0o600)
    sandbox = at.stand_in.sandbox
    account = (
        f'[accounts.gmail]\nprovider = "google"\nvia = ["gmail-api"]\nmailbox = "{sandbox.settings.mailbox}"\n'
        f'mail_endpoint = "{sandbox.gmail_endpoint}"\n[accounts.gmail.oauth]\nprivate_key_file = "{key}"\n'
        f'token_endpoint = "{sandbox.google_token_endpoint}"\n'
    )
    return at.relay(clients=STAGING + 'account = "gmail"\n' + account)


@pytest.mark.parametrize("via", ["smtp", "graph", "gmail"])
def test_mail_of_a_staging_system_reaches_nobody_else(tmp_path: Path, via: str) -> None:
    fields = (
        b"Bcc : secret@example.org\r\nCC: Boss <boss@example.org>\r\nResent-To: r@example.org\r\n"
        b"Resent-Bcc: rb@example.org\r\nTo: second@example.org\r\nSender: app@example.com\r\n"
    )
    google = ServiceAccount(ROBOT, "key", public_pem(rsa_key()), ("https://www.googleapis.com/auth/gmail.send",))
    with way(tmp_path, service_account=google) as at, staging(at, via) as process:
        send(process, fields + message().as_bytes(), "someone@example.org", "hidden@example.org")
        (taken,) = at.wait_received(1)
        process.wait_for("sent")
        assert len(at.received) == 1
    assert tuple(taken.recipients) == ("stage@example.com",)
    head = taken.raw.partition(b"\r\n\r\n")[0] + b"\r\n"
    assert b"\r\nX-Original-Recipients: someone@example.org,\r\n hidden@example.org\r\n" in head
    assert b"\r\nX-Original-Cc: Boss <boss@example.org>\r\n" in head.replace(b"X-Original-CC", b"X-Original-Cc")
    assert b"secret@" not in head
    assert b"rb@" not in head
    (author,) = email.message_from_bytes(taken.raw, policy=email.policy.default)["From"].addresses
    assert (author.display_name, author.addr_spec) == ("Büro, 2", taken.sender)
    assert b"\r\nReply-To: app@example.com\r\n" in head
    assert b"\r\nSender:" not in head
