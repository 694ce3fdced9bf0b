"""The fixture as people use it: a pytest session of its own, run beside this one."""

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from relay.pytest_plugin import RelaySink
from tests.support.source import ROOT

SUITE = """
import smtplib
from email.message import EmailMessage

import pytest


def send(sink, to, subject="Welcome", html=""):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "app@example.com", to, subject
    message.set_content("Your code is 42\\n")
    if html:
        message.add_alternative(html, subtype="html")
    with smtplib.SMTP(sink.host, sink.port) as server:
        server.login("any", "password")
        server.send_message(message)


def test_mail_is_caught(relay_sink):
    address = relay_sink.address("user")
    send(relay_sink, address, html="<p>Your code is <b>42</b></p>")
    (mail,) = relay_sink.wait_for(to=address)
    assert (mail.subject, mail.sender, mail.recipients) == ("Welcome", "app@example.com", (address,))
    assert "42" in mail.text and "<b>42</b>" in mail.html
    assert mail.message["Subject"] == "Welcome"
    assert relay_sink.messages("subject:welcome") == [mail]


def test_the_mailbox_is_empty_again(relay_sink):
    assert relay_sink.messages() == []


def test_addresses_differ(relay_sink):
    one, two = relay_sink.address(), relay_sink.address()
    send(relay_sink, "x" + one, "Not this")
    send(relay_sink, one, "This")
    assert one != two
    assert [mail.subject for mail in relay_sink.wait_for(to=one)] == ["This"]


def test_the_envelope_decides_to_whom(relay_sink):
    address = relay_sink.address("Hidden")
    with smtplib.SMTP(relay_sink.host, relay_sink.port) as server:
        server.sendmail(address, ["list@example.org"], f"To: {address}\\nSubject: From it\\n\\nText")
        server.sendmail("app@example.com", [address.lower()], "Subject: No To at all\\n\\nText")
        server.sendmail("app@example.com", ["list@example.org", address], "To: l@example.org\\nSubject: Bcc\\n\\nText")
    assert [mail.subject for mail in relay_sink.wait_for(to=address, count=2)] == ["No To at all", "Bcc"]
    assert [mail.subject for mail in relay_sink.wait_for("subject:bcc", to=address)] == ["Bcc"]
    with pytest.raises(AssertionError, match="3 messages for subject:to to Hidden.* within 0.2 s, but 1 came"):
        relay_sink.wait_for("subject:to", to=address, count=3, timeout=0.2)


def test_what_does_not_come_is_told_with_what_came(relay_sink):
    send(relay_sink, "someone@example.org", "Something else")
    with pytest.raises(AssertionError, match="(?s)1 message for subject:x within 0.2 s, but 0 came.*Something else"):
        relay_sink.wait_for("subject:x", timeout=0.2)
    assert [mail.subject for mail in relay_sink.wait_for()] == ["Something else"]
"""


def inner(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A session in `folder`, with the plugin as it is found after an installation, or named where there is none."""
    installed = bool(entry_points(group="pytest11", name="relay"))
    return subprocess.run(
        [
            *(sys.executable, "-W", "error", "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:mailpit"),
            *("-c", "/dev/null", "--rootdir", str(folder), "-q", *arguments),
            *(() if installed else ("-p", "relay.pytest_plugin")),
            *("-o", "asyncio_default_fixture_loop_scope=function", str(folder)),
        ],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_suite_that_uses_it_passes(tmp_path: Path) -> None:
    (tmp_path / "test_app.py").write_text(SUITE)
    done = inner(tmp_path, "-n", "2")
    assert done.returncode == 0, done.stdout
    assert "5 passed" in done.stdout


def test_a_suite_that_does_not_use_it_pays_nothing(tmp_path: Path) -> None:
    (tmp_path / "test_other.py").write_text("import sys\ndef test(): assert 'aiosmtpd' not in sys.modules\n")
    done = inner(tmp_path)
    assert done.returncode == 0, done.stdout


def test_why_it_does_not_start_is_told(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"did not start: .*bound_to"):
        RelaySink(tmp_path, "bound_to = 1\n").start()


def test_when_it_has_stopped_it_says_so(tmp_path: Path) -> None:
    sink = RelaySink(tmp_path)
    sink.start()
    sink.stop()
    with pytest.raises(RuntimeError, match="not running"):
        sink.messages()
