"""Postfix with the relay as its smarthost, and git send-email: mail programs that edit what they pass on."""

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from tests.clients.conftest import House
from tests.support.mail_programs import Target, envelope, needs, run

MANY = 20

_MASTER = """\
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
"""


@pytest.fixture
def postfix(house: House) -> Iterator[Path]:
    """The configuration folder of a Postfix of this test's own that hands everything to the relay."""
    if os.geteuid() != 0:
        pytest.skip("Postfix starts as root only")
    program = needs("postfix")
    with tempfile.TemporaryDirectory() as made:  # not in tmp_path, which Postfix's own user may not enter
        folder = Path(made)
        folder.chmod(0o755)
        for name in ("etc", "queue", "data"):
            (folder / name).mkdir()
        shutil.chown(folder / "data", "postfix")
        (folder / "etc" / "master.cf").write_text(_MASTER)
        (folder / "etc" / "main.cf").write_text(_main(folder, house.doors["starttls"]))
        command = [program, "-c", str(folder / "etc")]
        run(folder, *command, "start")
        yield folder / "etc"
        run(folder, *command, "stop")


def _main(folder: Path, target: Target) -> str:
    login = folder / "etc" / "login"
    login.write_text(f"[localhost]:{target.port} {target.user}:{target.password}\n")
    login.chmod(0o600)
    keys = {
        "compatibility_level": "3.6",
        "queue_directory": folder / "queue",
        "data_directory": folder / "data",
        "maillog_file": folder / "log",
        "maillog_file_prefixes": folder,
        "myhostname": "postfix.example",
        "mydestination": "",
        "inet_interfaces": "loopback-only",
        "alternate_config_directories": folder / "etc",
        "relayhost": f"[localhost]:{target.port}",
        "smtp_sasl_auth_enable": "yes",
        "smtp_sasl_password_maps": f"texthash:{login}",
        "smtp_sasl_security_options": "noanonymous",
        "smtp_sasl_mechanism_filter": "plain",
        "smtp_tls_security_level": "verify",
        "smtp_tls_verify_cert_match": "hostname",
        "smtp_tls_CAfile": target.ca_file,
        "smtp_host_lookup": "native",
        "smtputf8_enable": "no",
    }
    return "".join(f"{key} = {value}\n" for key, value in keys.items())


def test_postfix(house: House, postfix: Path, job: Callable[..., Path]) -> None:
    people = [f"postfix{number}@example.org" for number in range(MANY)]
    jobs = [job(number, person, octets=2_000_000 if number == 0 else 0) for number, person in enumerate(people)]
    for folder in jobs:
        sender, recipients = envelope(folder)
        content = (folder / "message.eml").read_bytes().replace(b"\r\n", b"\n")
        run(folder, needs("sendmail"), "-C", str(postfix), "-i", "-f", sender, *recipients, stdin=content)
    taken = {one.recipients[0]: one.raw for one in house.arrived(MANY, *people)}
    for person, folder in zip(people, jobs, strict=True):
        original = (folder / "message.eml").read_bytes()
        head, _, body = original.partition(b"\r\n\r\n")
        arrived_head, _, arrived_body = taken[person].partition(b"\r\n\r\n")
        assert arrived_body == body
        assert arrived_head.count(b"Received:") == 2
        assert set(head.split(b"\r\n")) <= set(arrived_head.split(b"\r\n"))


def test_git_send_email(house: House, job: Callable[..., Path]) -> None:
    git, target, folder = needs("git"), house.doors["starttls"], job(0)
    environ = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in _WHO.items()}
    run(folder, git, "init", "-q", ".", environ=environ)
    (folder / "file").write_text("eins\n.\nzwei ä\n", encoding="utf-8")
    run(folder, git, "add", "file", environ=environ)
    run(folder, git, "commit", "-q", "-m", "Ändert etwas", environ=environ)
    run(folder, git, "format-patch", "-1", "--root", "-o", "out", environ=environ)
    (patch,) = (folder / "out").iterdir()
    words = ["--smtp-server", "localhost", "--smtp-server-port", str(target.port), "--smtp-encryption", "tls"]
    words += ["--smtp-ssl-cert-path", str(target.ca_file), "--smtp-user", target.user, "--smtp-pass", target.password]
    words += ["--from", "app@example.com", "--to", "git@example.org", "--confirm", "never", "--suppress-cc", "all"]
    run(folder, git, "send-email", "--quiet", *words, str(patch), environ=environ)
    (taken,) = house.arrived(1, "git@example.org")
    _, _, body = re.sub(rb"\r?\n", b"\r\n", patch.read_bytes()).partition(b"\r\n\r\n")
    assert taken.raw.rstrip(b"\r\n").endswith(body.rstrip(b"\r\n"))
    assert message_from_bytes(taken.raw, policy=policy.default)["Subject"] == "[PATCH] Ändert etwas"


_WHO = {"NAME": "App", "EMAIL": "app@example.com"}
