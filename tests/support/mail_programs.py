"""Mail programs that we did not write, each sending the same jobs.

A job is a folder: `envelope` (the sender, then a recipient a line), `subject` and `text` (UTF-8), sometimes
`attachment`, and `message.eml`. A program that takes a finished message sends that one; one that builds its own writes
there what it has built, so that a test can compare it with what arrived.
"""

import contextlib
import os
import shutil
import smtplib
import ssl
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.process import PATIENCE

DRIVERS = Path(__file__).parent.parent / "clients" / "drivers"
_JAVA = "/usr/share/java"
_NODE = "/usr/share/nodejs"
_PERL = "/usr/share/perl5"


@dataclass(frozen=True)
class Target:
    """Where to send: a listener, how it speaks TLS ("off", "starttls", "implicit"), and the login ("" for none)."""

    port: int
    tls: str
    ca_file: Path
    user: str = ""
    password: str = ""

    @property
    def arguments(self) -> list[str]:
        return ["localhost", str(self.port), self.tls, str(self.ca_file), self.user, self.password]


Sender = Callable[[Target, Sequence[Path]], None]


def needs(command: str) -> str:
    """The program's path; a test without its program is skipped, which `.ci/run` does not accept."""
    found = shutil.which(command, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"{command} is not installed")
    return found


def run(folder: Path, *command: str, stdin: bytes = b"", environ: Mapping[str, str] | None = None) -> str:
    """Run a program to its end; fails with its output when it does."""
    done = subprocess.run(
        command,
        cwd=folder,
        input=stdin,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8"} | dict(environ or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=2 * PATIENCE,
        check=False,
    )
    text = done.stdout.decode("utf-8", "replace")
    assert done.returncode == 0, f"{command[0]} ended with {done.returncode}\n{text}"
    return text


def envelope(job: Path) -> tuple[str, list[str]]:
    sender, *recipients = (job / "envelope").read_text("utf-8").splitlines()
    return sender, recipients


def by_smtplib(target: Target, jobs: Sequence[Path]) -> None:
    context = ssl.create_default_context(cafile=str(target.ca_file))
    with contextlib.ExitStack() as stack:
        client: smtplib.SMTP
        if target.tls == "implicit":
            client = stack.enter_context(smtplib.SMTP_SSL("localhost", target.port, context=context, timeout=PATIENCE))
        else:
            client = stack.enter_context(smtplib.SMTP("localhost", target.port, timeout=PATIENCE))
        if target.tls == "starttls":
            client.starttls(context=context)
        if target.user:
            client.login(target.user, target.password)
        for job in jobs:
            sender, recipients = envelope(job)
            client.sendmail(sender, recipients, (job / "message.eml").read_bytes())


def by_curl(target: Target, jobs: Sequence[Path]) -> None:
    curl = needs("curl")
    scheme = "smtps" if target.tls == "implicit" else "smtp"
    common = ["--silent", "--show-error", "--fail", "--url", f"{scheme}://localhost:{target.port}/curl.example"]
    common += ["--cacert", str(target.ca_file)]
    common += ["--ssl-reqd"] if target.tls == "starttls" else []
    common += ["--user", f"{target.user}:{target.password}"] if target.user else []
    for job in jobs:
        sender, recipients = envelope(job)
        people = [word for recipient in recipients for word in ("--mail-rcpt", recipient)]
        run(job, curl, *common, "--mail-from", sender, *people, "--upload-file", "message.eml")


def by_swaks(target: Target, jobs: Sequence[Path]) -> None:
    swaks = needs("swaks")
    common = ["--server", "localhost", "--port", str(target.port), "--suppress-data", "--timeout", "30"]
    common += {"off": [], "starttls": ["--tls"], "implicit": ["--tls-on-connect"]}[target.tls]
    common += ["--tls-verify", "--tls-ca-path", str(target.ca_file)] if target.tls != "off" else []
    common += ["--auth", "LOGIN", "--auth-user", target.user, "--auth-password", target.password] if target.user else []
    for job in jobs:
        sender, recipients = envelope(job)
        # swaks reads \n and %…% in what it is given as text, but not in a file.
        run(job, swaks, *common, "--from", sender, "--to", ",".join(recipients), "--data", "@message.eml")


def by_msmtp(target: Target, jobs: Sequence[Path]) -> None:
    msmtp = needs("msmtp")
    lines = ["account default", "host localhost", f"port {target.port}", "domain msmtp.example"]
    if target.tls != "off":
        lines += ["tls on", f"tls_trust_file {target.ca_file}"]
        lines += [f"tls_starttls {'on' if target.tls == 'starttls' else 'off'}"]
    if target.user:
        lines += ["auth plain", f"user {target.user}", f'password "{target.password}"']
    for job in jobs:
        settings = job / "msmtprc"
        settings.write_text("\n".join(lines) + "\n")
        settings.chmod(0o600)
        sender, recipients = envelope(job)
        content = (job / "message.eml").read_bytes().replace(b"\r\n", b"\n")
        run(job, msmtp, "--file", "msmtprc", "--from", sender, "--", *recipients, stdin=content)


def by_s_nail(target: Target, jobs: Sequence[Path]) -> None:
    program = needs("s-nail")
    scheme = "smtps" if target.tls == "implicit" else "smtp"
    login = f"{quote(target.user)}:{quote(target.password)}@" if target.user else ""
    settings = ["v15-compat", f"mta={scheme}://{login}localhost:{target.port}", "sendwait", "ttycharset=utf-8"]
    settings += ["smtp-auth=plain" if target.user else "smtp-auth=none", f"tls-ca-file={target.ca_file}"]
    settings += ["smtp-use-starttls"] if target.tls == "starttls" else []
    settings += ["tls-verify=strict", "sendcharsets=utf-8", "hostname=snail.example", "nosave"]
    words = [word for setting in settings for word in ("-S", setting)]
    for job in jobs:
        sender, recipients = envelope(job)
        attached = ["-a", "attachment"] if (job / "attachment").exists() else []
        subject = (job / "subject").read_text("utf-8")
        run(
            job,
            *(program, "-:/", *words, "-S", "record=sent.mbox", "-r", sender, "-s", subject, *attached),
            *recipients,
            stdin=(job / "text").read_bytes(),
        )
        # A mailbox begins with a From_ line; this one holds a single message.
        first, _, message = (job / "sent.mbox").read_bytes().partition(b"\n")
        assert first.startswith(b"From ")
        (job / "message.eml").write_bytes(message)


def by_driver(program: str, driver: str, *libraries: str, environ: Mapping[str, str] | None = None) -> Sender:
    """A client library in these files of Debian's, driven by one of `tests/clients/drivers`."""

    def send(target: Target, jobs: Sequence[Path]) -> None:
        for library in libraries:
            if not Path(library).exists():
                pytest.skip(f"{library} is not installed")
        words = ["-cp", ":".join(libraries)] if program == "java" else []
        run(
            jobs[0].parent,
            needs(program),
            *words,
            str(DRIVERS / driver),
            *target.arguments,
            *map(str, jobs),
            environ=environ,
        )

    return send


PROGRAMS: Mapping[str, Sender] = {
    "smtplib": by_smtplib,
    "curl": by_curl,
    "swaks": by_swaks,
    "msmtp": by_msmtp,
    "s-nail": by_s_nail,
    "Net::SMTP": by_driver("perl", "send.pl", f"{_PERL}/IO/Socket/SSL.pm", f"{_PERL}/Authen/SASL.pm"),
    "net-smtp": by_driver("ruby", "send.rb"),
    "nodemailer": by_driver("node", "send.js", f"{_NODE}/nodemailer", environ={"NODE_PATH": _NODE}),
    "PHPMailer": by_driver("php", "send.php", "/usr/share/php/libphp-phpmailer/autoload.php"),
    "Jakarta Mail": by_driver("java", "Send.java", f"{_JAVA}/jakarta-mail.jar", f"{_JAVA}/jakarta-activation.jar"),
}
